"""A second set, of other models of the four families, written after the first was mended."""
