"""Metrics by hand: Keras models with metrics, and ports that measure by code of their own."""
