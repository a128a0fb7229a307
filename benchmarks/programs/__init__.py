"""Whole Keras programs with right ports by hand, and with ports that have one fault each.

NAME_keras.py has `build`, which returns a Reference, and NAME_torch.py the right port. Each
function of NAME_faults.py is that port with one fault that only a whole training shows; its first
line says which, and from when on.
"""
