"""Benchmark: the training speed of Keras and PyTorch, measured so that it can be trusted.

spec -> cells -> rounds, in which the variants take turns -> statistics -> result -> report
"""
