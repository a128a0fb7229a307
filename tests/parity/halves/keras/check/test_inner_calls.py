"""Layers inside of a layer of the user's tell what they are called with, as its code runs."""

import keras
import numpy as np
from keras import layers as L
from keras import ops
from own_classes import own_class

from parity.halves.keras.check.custom_layers import inner_calls


def heads(self, x):
    """Calls a layer of its own twice, with one shape, and another one with two tensors."""
    first, last = self.step(x[:, 0]), self.step(x[:, 1])
    return self.drop(self.joined([first, ops.cast(last > 0, "float32")]))


Heads = own_class(heads, step=lambda: L.Dense(3), joined=L.Concatenate, drop=lambda: L.Dropout(0.5))


class Strict(L.Layer):
    """Cannot be called without numbers."""

    def __init__(self, **options):
        super().__init__(**options)
        self.inner = L.Dense(2)

    def build(self, shape):
        self.inner.build(shape)

    def compute_output_shape(self, shape):
        return (*shape[:-1], 2)

    def call(self, x):
        return self.inner(x) * float(np.asarray(x).sum())


def called(layer, shape):
    """The layer in a graph, and what its inner layers are called with."""
    layer(keras.Input(shape))
    return inner_calls([layer])


def test_each_different_call_is_told_with_shapes_and_dtypes():
    layer = Heads()
    found = called(layer, (2, 4))
    assert found[id(layer.step)] == [
        {"inputs": [[None, 4]], "outputs": [[None, 3]], "dtypes": ["float32"]}
    ]
    assert found[id(layer.joined)][0]["inputs"] == [[None, 3], [None, 3]]
    assert found[id(layer.joined)][0]["outputs"] == [[None, 6]]


def test_nothing_is_drawn_and_later_calls_are_not_told():
    layer = Heads()
    layer(np.ones((5, 2, 4)))
    before = ops.convert_to_numpy(layer.drop.seed_generator.state)
    found = called(layer, (2, 4))
    layer.step(np.ones((5, 4)))
    assert len(found[id(layer.step)]) == 1
    after = ops.convert_to_numpy(layer.drop.seed_generator.state)
    np.testing.assert_array_equal(after, before)


def test_code_that_needs_numbers_tells_what_it_called_before_it_failed():
    layer = Strict()
    assert called(layer, (4,)) == {
        id(layer.inner): [{"inputs": [[None, 4]], "outputs": [[None, 2]], "dtypes": ["float32"]}]
    }


def attending(self, x):
    """Hands a tensor to layers that take masks: as it comes, normalised, and added up."""
    y = self.norm(x)
    z = self.second(y, y + 0.0) + self.memory(x)
    return self.plain(x) + z + self.first(x, x, value_mask=ops.ones_like(x[..., 0], "bool"))


Attending = own_class(
    attending,
    masks=True,
    norm=L.LayerNormalization,
    first=lambda: L.MultiHeadAttention(1, 2),
    second=lambda: L.MultiHeadAttention(1, 2),
    memory=lambda: L.LSTM(4, return_sequences=True),
    plain=lambda: L.Dense(4),
)


def test_masks_that_keras_hands_on_by_itself_are_told():
    layer = Attending()
    x = keras.Input((5,), dtype="int32")
    layer(L.Embedding(6, 4, mask_zero=True)(x))
    found = {name: calls[0].get("masked") for name, calls in _by_name(layer).items()}
    assert found == {
        "norm": None,
        "first": ["query_mask"],  # the other one is given
        "second": ["query_mask"],  # a sum carries no mask
        "memory": ["mask"],
        "plain": None,
    }


def _by_name(layer):
    calls = inner_calls([layer])
    names = ("norm", "first", "second", "memory", "plain")
    return {name: calls[id(getattr(layer, name))] for name in names}
