"""Right ports in the idioms of PyTorch programs, each with a faulty twin.

A case is a file with `keras_model`, `right_port` and `faulty_port`; `table.py` has their rows.
"""
