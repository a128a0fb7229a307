"""A Port with what a Keras model was compiled with, for a module of the user's own.

`told` finds out what that is, and `parts` builds it.
"""
