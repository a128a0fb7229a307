"""The table of Keras's layers: a row for each class, which makes its torch module.

A file has the rows of one family. `builders.py` joins them.
"""
