"""Models with attention: heads, masks, blocks, plain scores."""
