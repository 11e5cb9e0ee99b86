"""Measurements: how well the chain and its models do."""
