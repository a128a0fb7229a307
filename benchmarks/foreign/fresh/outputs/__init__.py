"""Models with several inputs, outputs and losses."""
