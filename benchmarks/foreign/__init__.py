"""Programs and ports by people who had not read the code that judges them.

Each folder is a set, with what they were told in its own docstring, and what a check said at first
sight beside it. `table.py` of a set has its ports and their mistakes, and `cases(work)` yields them
as `Case`. `python benchmarks/accuracy/foreign.py` checks them.
"""
