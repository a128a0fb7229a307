"""Audit: what the data themselves say about a training."""
