"""Models with masks of tokens, of values and of steps."""
