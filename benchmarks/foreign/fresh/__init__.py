"""Ports by hand of models of four families.

They were written by somebody who had not read the code that judges them.

Each family has Keras models, right ports in differing styles, and wrong ones with one mistake each;
its `cases.py` says which port is of which model, and what a reader wants to be told.
`python benchmarks/accuracy/foreign.py fresh` checks them.
"""
