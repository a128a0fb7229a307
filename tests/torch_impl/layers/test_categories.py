"""Numbers of values and their encodings are Keras's, in the layers and in the twins of models."""

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from helpers import assert_same_bits
from keras import layers as L

from torch_impl import layers
from torch_impl.keras_config import NoTwinError, from_keras_config

MODES = ["one_hot", "multi_hot", "count"]
EDGES = [-0.5, 0.1, 0.7]
INTEGERS = {
    "CategoryEncoding": (lambda mode: L.CategoryEncoding(8, output_mode=mode), MODES),
    "IntegerLookup": (
        lambda mode: L.IntegerLookup(vocabulary=[3, 1, 5], output_mode=mode),
        ["int", *MODES],
    ),
    "IntegerLookup_others": (
        lambda mode: L.IntegerLookup(vocabulary=[3, 1], num_oov_indices=3, output_mode=mode),
        ["int", *MODES],
    ),
    "IntegerLookup_masked": (
        lambda mode: L.IntegerLookup(vocabulary=[3, 1, 5], mask_token=0, num_oov_indices=2),
        ["int"],
    ),
    "IntegerLookup_padded": (
        lambda mode: L.IntegerLookup(
            vocabulary=[3, 1], max_tokens=7, pad_to_max_tokens=True, output_mode=mode
        ),
        MODES,
    ),
}
CASES = [(name, mode) for name, (_, modes) in INTEGERS.items() for mode in modes]


def assert_same_twin(layer, array, policy="float32"):
    keras.config.set_floatx(policy)
    keras.config.set_dtype_policy(policy)
    inputs = L.Input(array.shape[1:], dtype=str(array.dtype))
    model = keras.Model(inputs, layer()(inputs))
    twin = from_keras_config(model.to_json())
    assert_same_bits(twin(torch.tensor(array)).numpy(), model(array).numpy())


@one_test
@pytest.mark.parametrize("shape", [(5, 4), (5, 1), (6, 2, 3)], ids=str)
@pytest.mark.parametrize(("name", "mode"), CASES)
def test_integers_are_numbered_and_encoded_as_in_keras(name, mode, shape):
    make, _ = INTEGERS[name]
    assert_same_twin(lambda: make(mode), np.random.default_rng(2).integers(0, 8, shape))


@one_test
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@pytest.mark.parametrize("mode", ["int", *MODES])
def test_values_are_numbered_as_in_keras_also_on_a_boundary(mode, dtype):
    array = np.array([[-0.5, 0.1, 0.7], [-2.0, 3.0, 0.0], [np.float32(0.1), 0.69, 0.71]])
    layer = lambda: L.Discretization(bin_boundaries=EDGES, output_mode=mode)  # noqa: E731
    assert_same_twin(layer, array.astype(dtype), dtype if dtype == "float64" else "float32")


def test_an_adapted_layer_has_its_boundaries():
    layer = L.Discretization(num_bins=3)
    layer.adapt(np.arange(30.0))
    assert_same_twin(lambda: layer, np.linspace(-3, 33, 12).reshape(4, 3).astype("float32"))


def test_counts_are_weighted_as_in_keras():
    array, weights = np.array([[1, 0, 1], [2, 2, 2]]), np.array([[0.5, 2, 1], [1, 0.25, 3]])
    theirs = L.CategoryEncoding(4, output_mode="count")(array, count_weights=weights).numpy()
    ours = layers.CategoryEncoding(4, "count")(torch.tensor(array), torch.tensor(weights))
    assert_same_bits(ours.numpy(), theirs)


REFUSED = {
    "sparse": (
        lambda: L.Discretization(bin_boundaries=EDGES, output_mode="count", sparse=True),
        "sparse=True: expected False",
    ),
    "not_adapted": (lambda: L.Discretization(num_bins=3), "bin_boundaries=None: expected a layer"),
    "inverse": (
        lambda: L.IntegerLookup(vocabulary=[1, 2], invert=True),
        "invert=True: expected False",
    ),
    "tf_idf": (
        lambda: L.IntegerLookup(vocabulary=[1, 2], output_mode="tf_idf", idf_weights=[1.0, 2.0]),
        "output_mode='tf_idf': expected one of",
    ),
    "text": (
        lambda: L.StringLookup(vocabulary=["a"]),
        "of class 'StringLookup': it takes text, of which torch has no tensors; put it in front",
    ),
    "hash": (
        lambda: L.Hashing(3, output_mode="count", sparse=True),
        "sparse=True: expected False",
    ),
    "texts_of_a_hash": (lambda: L.Hashing(3, mask_value=""), "mask_value='': expected an integer"),
}


@one_test
@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_offered_is_refused_by_its_name(make, message):
    layer = make()
    config = {
        "class_name": type(layer).__name__,
        "config": layer.get_config(),
        "build_config": {"input_shape": [None, 3]},
    }
    start = {"class_name": "InputLayer", "config": {"name": "in", "dtype": "int64"}}
    with pytest.raises(NoTwinError, match=message):
        from_keras_config({"layers": [start, config]})


def test_an_integer_without_a_number_is_an_error():
    lookup = layers.IntegerLookup([3, 1], num_oov_indices=0)
    assert lookup(torch.tensor([1, 3])).tolist() == [1, 0]
    with pytest.raises(ValueError, match="4 is not in the vocabulary: expected num_oov_indices"):
        lookup(torch.tensor([1, 4]))
    with pytest.raises(ValueError, match="expected different integers, at least one"):
        layers.IntegerLookup([3, 3])
