"""Held-out cases of `parity check`, a file each, for `benchmarks/accuracy/matrices.py --held-out`.

They were written without sight of the registry of divergences: a Keras model, a right port and one
with the mistake that the file is named after, as different programs write them. A framework is
imported at its first use (`late`), since each half runs without the other.
"""
