"""The files in which Keras keeps weights, read and written without Keras and without TensorFlow.

One file a format: `keras_archive`, `weights_h5`, `legacy_h5`, `checkpoint`. `read` finds out which
one a path is, by its content. What comes out is a `Stored`: the weights, each with what the file
says of its place and its name, the slots of the optimizer, and the configuration of the model.

All of it is input from outside. The readers run in a process of their own (`__main__`), since the
library that reads HDF5 is in C and was not made for hostile files.
"""
