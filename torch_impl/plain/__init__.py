"""Parts of a port in plain torch: their text is copied into the package of a port.

Each is written as a person would write it in a program of their own: it imports torch
and NumPy alone, and has as few settings as Keras's programs use.
`parity.ports.plain` finds what a part needs.
"""
