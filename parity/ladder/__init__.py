"""The ladder: compares two traces level by level, within tolerances."""
