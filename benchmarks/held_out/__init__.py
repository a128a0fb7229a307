"""Held-out cases of `parity check`, a file each, for `benchmarks/accuracy/matrices.py --held-out`.

They were written without sight of the registry of divergences: a Keras model, a right port and one
with the mistake that the file is named after, as different programs write them. `late` imports a
framework at its first use, since each half runs without the other.
"""
