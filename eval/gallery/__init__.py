"""Runs to look at and listen to: a gallery of pages, a report in one file, plots of any audio."""
