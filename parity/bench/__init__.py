"""Training speed of Keras and PyTorch, measured so that it can be trusted.

spec -> cells -> children, one a variant, in turns -> samples -> statistics -> result -> report
"""
