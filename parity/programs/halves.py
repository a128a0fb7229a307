"""The names of the two halves, in the order in which they are listed and shown."""

HALVES = ("keras", "torch")
