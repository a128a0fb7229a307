"""Keras models with inputs of every form; their ports are in `inputs_torch`."""

import keras
import numpy as np
from keras import layers as L

from keras_impl import Input, Reference


def compiled(inputs, output):
    model = keras.Model(inputs, output)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


def named(name, size, dtype="float32"):
    return keras.Input((size,), dtype=dtype, name=name)


def pooled(tokens, count, width=3, **settings):
    """The mean of the vectors of tokens, of which padding counts like any other."""
    return L.GlobalAveragePooling1D()(L.Embedding(count, width, **settings)(tokens))


def joined(*parts):
    return L.Dense(2, name="out")(L.Concatenate()(list(parts)))


def text_and_numbers():
    """The numbers are beside tokens, in a list of inputs."""
    text, numbers = named("text", 6, "int32"), named("numbers", 4)
    return compiled([text, numbers], joined(pooled(text, 11), L.Dense(3, name="side")(numbers)))


def columns():
    """One table, whose first column is a category and whose others are numbers."""
    x = named("table", 5)
    vector = L.Embedding(7, 3)(keras.ops.cast(x[:, 0], "int32"))
    return compiled(x, joined(vector, L.Dense(3, name="side")(x[:, 1:])))


def nested():
    """The Embedding is in a model in the model, behind a Reshape, for every step of a sequence."""
    inner_input = keras.Input((4,), dtype="int32")
    inner = keras.Model(inner_input, L.Flatten()(L.Embedding(9, 2)(inner_input)))
    text, numbers = named("text", 12, "int32"), named("numbers", 3)
    each = L.TimeDistributed(inner)(L.Reshape((3, 4))(text))
    return compiled([text, numbers], joined(L.Flatten()(each), L.Dense(2, name="side")(numbers)))


def whole_numbers():
    """Whole numbers that are neither tokens nor pixels."""
    x = named("counts", 4, "int32")
    return compiled(x, L.Dense(2, name="out")(keras.ops.cast(x, keras.config.floatx()) / 10))


def flags():
    """Each flag says whether a number counts."""
    numbers, known = named("numbers", 4), named("known", 4, "bool")
    seen = keras.ops.where(known, numbers, keras.ops.zeros_like(numbers))
    return compiled([numbers, known], L.Dense(2, name="out")(seen))


def vocabularies():
    """A large vocabulary and a small one."""
    words, kinds = named("words", 6, "int32"), named("kinds", 2, "int32")
    return compiled([words, kinds], joined(pooled(words, 40), pooled(kinds, 3)))


def one_based():
    """Tokens that count from 1."""
    x = named("months", 3, "int32")
    return compiled(x, L.Dense(2, name="out")(pooled(x - 1, 12)))


def one_hot():
    """Classes that become columns."""
    x = named("kind", 3, "int32")
    return compiled(x, L.Dense(2, name="out")(L.Flatten()(keras.ops.one_hot(x, 5))))


def masked():
    """Padding is left out of the mean, of a vocabulary in which 0 is rarely drawn."""
    x = named("text", 9, "int32")
    return compiled(x, L.Dense(2, name="out")(pooled(x, 5000, mask_zero=True)))


def recurrent():
    """A recurrent layer leaves padding out."""
    x = named("text", 9, "int32")
    vectors = L.Embedding(5000, 3, mask_zero=True)(x)
    return compiled(x, L.Dense(2, name="out")(L.LSTM(4, name="lstm")(vectors)))


def masking():
    """Steps of real numbers are padding, too."""
    x = keras.Input((6, 2), name="x")
    return compiled(x, L.Dense(2, name="out")(L.LSTM(4, name="lstm")(L.Masking(-1.0)(x))))


def sparse():
    """An input that may be sparse."""
    x = keras.Input((4,), sparse=True, name="x")
    return compiled(x, L.Dense(2, name="out")(L.Dense(3, activation="tanh")(x)))


def not_masked():
    """Token 0 is a word."""
    x = named("text", 9, "int32")
    return compiled(x, L.Dense(2, name="out")(pooled(x, 5000)))


class Rated(keras.Model):
    """A subclassed model of a dictionary, whose table is a weight of a layer of the user."""

    def __init__(self):
        super().__init__()
        self.table, self.side, self.out = Table(), L.Dense(3, name="side"), L.Dense(2, name="out")

    def call(self, x):
        return self.out(keras.ops.concatenate([self.table(x["user"]), self.side(x["age"])], -1))


class Table(L.Layer):
    """An Embedding of the user's own."""

    def build(self, shape):
        self.rows = self.add_weight(shape=(8, 3), initializer="normal", name="rows")

    def call(self, x):
        return keras.ops.take(self.rows, keras.ops.cast(x, "int32"), axis=0)


def subclassed():
    model = Rated()
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return Reference(model, inputs={"user": Input(()), "age": Input((4,))})


def dictionary():
    """A dictionary of inputs, not in the order of its names."""
    inputs = {"user": named("user", 3, "int32"), "age": named("age", 4)}
    vector = pooled(inputs["user"], 8)
    return compiled(inputs, joined(vector, L.Dense(3, name="side")(inputs["age"])))


def lists():
    """Inputs in a list in a dictionary."""
    left, right = [named("left0", 3), named("left1", 4)], named("right", 5)
    parts = [L.Dense(3, name=f"of_{x.name}")(x) for x in (*left, right)]
    return compiled({"right": right, "left": left}, joined(*parts))


def fixed_batch():
    """The batch size is a part of the model."""
    x = keras.Input(batch_shape=(3, 4), name="x")
    y = keras.ops.reshape(L.Dense(6, activation="tanh")(x), (3, 3, 2))
    return compiled(x, L.Dense(2, name="out")(L.Flatten()(y)))


def one_sample():
    """The only batch size is 1."""
    x = keras.Input(batch_shape=(1, 4), name="x")
    return compiled(x, L.Dense(2, name="out")(L.Dense(3, activation="tanh")(x)))


def stateful():
    """A recurrent layer goes on where the last batch ended."""
    x = keras.Input(batch_shape=(3, 5, 2), name="x")
    return compiled(x, L.Dense(2, name="out")(L.LSTM(4, stateful=True, name="lstm")(x)))


# --- programs, with what `fit` gets --------------------------------------------------------------


def people(number, shape=(3,)):
    draw = np.random.default_rng(number)
    x = {
        "user": draw.integers(0, 8, (number, *shape)).astype("int32"),
        "age": draw.normal(size=(number, 4)).astype("float32"),
    }
    return x, draw.normal(size=(number, 2)).astype("float32")


def trained_dictionary():
    x, y = people(20)
    return Reference(dictionary(), x=x, y=y, validation_data=people(6), batch_size=8)


def trained_subclassed():
    x, y = people(20, ())
    return Reference(subclassed().model, x=x, y=y, validation_data=people(6, ()), batch_size=8)
