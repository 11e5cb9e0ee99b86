"""The report site, and the code that makes it."""
