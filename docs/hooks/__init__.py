"""What fills in the pages while the site is built: figures, tables, pairs of sound."""
