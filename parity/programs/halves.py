"""The two sides of every run, in the order in which they are told and shown."""

HALVES = ("keras", "torch")
