"""Ports of attention and of normalisations, right ones and wrong ones, with their Keras models.

`python benchmarks/accuracy/attention.py` checks them. A model is small, and its sides differ.
"""
