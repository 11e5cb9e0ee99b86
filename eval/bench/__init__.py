"""One benchmark: generate a suite with several models, score it, and write tables and plots."""
