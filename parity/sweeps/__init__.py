"""Sweeps: many seeds, and whether the two halves behave alike over them."""
