"""Nadam moves weights as Keras's Nadam does, up to rounding."""
