"""Small Keras models, each made and compiled in one expression."""

import keras


def net(*layers, shape=(3,), dtype=None, optimizer="sgd", loss="mse", **compiled):
    """A chain of layers behind an input of a shape."""
    model = keras.Sequential([keras.Input(shape, dtype=dtype), *layers])
    model.compile(optimizer, loss, **compiled)
    return model


def graph(function, *shapes, dtype=None, optimizer="sgd", loss="mse", **compiled):
    """What a function makes of an input of each shape."""
    inputs = [keras.Input(shape, dtype=dtype) for shape in shapes]
    model = keras.Model(inputs if inputs[1:] else inputs[0], function(*inputs))
    model.compile(optimizer, loss, **compiled)
    return model
