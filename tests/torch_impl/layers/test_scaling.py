"""Values are scaled by Keras's numbers, and integers looked up in Keras's table."""

import numpy as np
import pytest
import torch
from covering import one_test
from layer_pairs import BAR, Pair, as_they_are, assert_same, difference, keras_layer, signed

from torch_impl.layers import Embedding, Normalization, Rescaling
from torch_impl.weights import assign, read


def back(tensor):
    return tensor.detach().numpy()


@one_test
@pytest.mark.parametrize(
    "arguments",
    [(1 / 255,), (1 / 127.5, -1.1), ([0.1, 0.2, 0.3],)],
    ids=["scale", "offset", "each"],
)
def test_rescaling_is_keras_one(arguments):
    ours = Rescaling(*arguments)
    assert_same(Pair(keras_layer("Rescaling", *arguments), ours, (4, 3), as_they_are, back))


GIVEN = {
    "last": {"axis": -1, "mean": [1.0, 2.0, 3.0], "variance": [0.5, 1e-20, 2.0]},
    "first": {"axis": 1, "mean": [1.0, 2.0, 3.0, 4.0], "variance": [0.5, 1.0, 2.0, 3.0]},
    "all": {"axis": None, "mean": 1.5, "variance": 0.3},
    "inverted": {"axis": -1, "mean": [1.0, 2.0, 3.0], "variance": [1, 2, 3], "invert": True},
}


@one_test
@pytest.mark.parametrize("name", GIVEN)
def test_given_statistics_normalise_as_in_keras(name):
    options = GIVEN[name]
    axis = () if options["axis"] is None else options["axis"]
    ours = Normalization({-1: [3], 1: [4], (): []}[axis], **{**options, "axis": axis})
    theirs = keras_layer("Normalization", **options)
    assert not read(ours)
    assert_same(Pair(theirs, ours, (4, 3), as_they_are, back))


def test_statistics_that_keras_has_taken_up_are_weights():
    theirs = keras_layer("Normalization")
    theirs.adapt(signed((50, 3)) * 2 + 1)
    ours = Normalization([3]).double()
    arrays = {weight.name: weight.numpy() for weight in theirs.weights}
    assert assign(ours, arrays) == {"mean", "variance", "count"}
    x = signed((4, 3), 1)
    assert difference(back(ours(torch.tensor(x))), theirs(x).numpy()) <= BAR


@one_test
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.float32], ids=str)
def test_an_embedding_looks_up_keras_rows(dtype):
    theirs = keras_layer("Embedding", 7, 3)
    numbers = np.random.default_rng(0).integers(0, 7, (2, 5))
    expected = theirs(numbers).numpy()
    ours = Embedding(7, 3).double()
    arrays = {weight.path: weight.numpy() for weight in theirs.weights}
    assert assign(ours, arrays) == set(arrays)
    np.testing.assert_array_equal(back(ours(torch.tensor(numbers).to(dtype))), expected)
