"""Speed and quality against peers, printed as ratios."""
