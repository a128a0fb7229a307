"""A Keras model as the source of a torch program, as a person would write it."""
