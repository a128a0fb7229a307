"""Nineteen networks, each with a right port and three wrong ones."""
