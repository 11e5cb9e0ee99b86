"""What the workers do; each module runs in its backend's environment only."""
