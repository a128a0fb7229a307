"""Carries the weights of a file of Keras into a module of the user's, and back.

twin         the torch twin of the model, by the configuration in the file
named        which weight of the file is which of the twin
twin_trace   what the twin computes, in the form in which a check has what Keras computes
by_shape     the same without a configuration: only what can be nowhere else
proof        whether the module computes what the twin does, and depends on each weight
run          all of it
"""
