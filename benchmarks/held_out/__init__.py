"""Held-out cases of `parity check`, a file each, for `benchmarks/accuracy/matrices.py --held-out`.

They were written without knowledge of the registry of divergences. Each has a Keras model, a right
port, and a port with the mistake in the name of the file, in the styles of different programs.
`late` imports a framework at its first use, since each half runs without the other.
"""
