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


# Cannot be called without numbers.
Strict = own_class(
    lambda self, x: self.inner(x) * float(np.asarray(x).sum()), inner=lambda: L.Dense(2)
)
Strict.build = lambda self, shape: self.inner.build(shape)
Strict.compute_output_shape = lambda self, shape: (*shape[:-1], 2)


def called(layer, shape):
    """The layer in a graph, and what its inner layers are called with."""
    layer(keras.Input(shape))
    return inner_calls([layer])


def test_each_different_call_is_told_with_shapes_and_dtypes():
    layer = Heads()
    found = called(layer, (2, 4))
    step = {"inputs": [[None, 4]], "outputs": [[None, 3]], "dtypes": ["float32"]}
    (joined,) = found[id(layer.joined)]
    sides = [[None, 3], [None, 3]], [[None, 6]]
    assert (found[id(layer.step)], joined["inputs"], joined["outputs"]) == ([step], *sides)


def test_nothing_is_drawn_and_later_calls_are_not_told():
    layer = Heads()
    layer(np.ones((5, 2, 4)))
    before = layer.drop.seed_generator.state.numpy()
    found = called(layer, (2, 4))
    layer.step(np.ones((5, 4)))
    assert len(found[id(layer.step)]) == 1
    np.testing.assert_array_equal(layer.drop.seed_generator.state, before)


def test_code_that_needs_numbers_tells_what_it_called_before_it_failed():
    layer = Strict()
    assert called(layer, (4,)) == {
        id(layer.inner): [{"inputs": [[None, 4]], "outputs": [[None, 2]], "dtypes": ["float32"]}]
    }
