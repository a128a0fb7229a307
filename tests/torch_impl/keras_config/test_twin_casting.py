"""Integers, bool and other real numbers go into a twin's layers as into Keras's."""

import itertools
from collections import defaultdict

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from keras import layers as L
from rows import each_row
from test_twin_layers import ATTENTION, CASES, IMAGES, MERGING, SEQUENCES, fill_weights, twin_of

from benchmarks.public_layers.table import SETTINGS
from parity.halves.keras import kernels
from torch_impl.keras_config import NoTwinError, from_keras_config
from torch_impl.keras_config.builders import BUILDERS
from torch_impl.keras_config.casting import INTEGERS

DTYPES = ["int32", "int64", "uint8", "int8", "bool", "float16", "float64"]
WORDS = ["tanh", "exponential", "relu", "relu6", "leaky_relu", "linear", "sigmoid", "gelu"]
MORE = {
    "MaxPooling3D": ((4, 5, 3, 2), lambda: L.MaxPooling3D(2)),
    "AveragePooling3D": ((4, 5, 3, 2), lambda: L.AveragePooling3D(2)),
    "ReLU_plain": (IMAGES, lambda: L.ReLU()),
    "ReLU_six": (IMAGES, lambda: L.ReLU(6)),
    "ReLU_two": (IMAGES, lambda: L.ReLU(2)),
    "ReLU_slope": (IMAGES, lambda: L.ReLU(negative_slope=0.3)),
    "ReLU_threshold": (IMAGES, lambda: L.ReLU(threshold=1, max_value=3)),
    "TimeDistributed_Dense": (IMAGES, lambda: L.TimeDistributed(L.Dense(2))),
    "TimeDistributed_pool": (IMAGES, lambda: L.TimeDistributed(L.MaxPooling1D())),
    **{f"Activation_{word}": (SEQUENCES, lambda word=word: L.Activation(word)) for word in WORDS},
}


# Of the layers that are not above: images, sounds, pools to a size, numbers of categories.
PUBLIC = {
    **{
        name: (setting.given[0].shape, setting.make)
        for name, setting in SETTINGS.items()
        if setting.layer not in {case.partition("_")[0] for case in CASES}
        and (len(setting.given), setting.form, setting.around) == (1, "one", None)
        and setting.is_drawn_alike
        and setting.given[0].high is None
    },
    **{
        f"{name}_of_the_table": (IMAGES, setting.make)
        for name, setting in SETTINGS.items()
        if setting.layer == "UpSampling2D"
    },
}
ONE_INPUT = {**CASES, **MORE, **PUBLIC}


KNOWN = [name for name in ONE_INPUT if name.partition("_")[0] in INTEGERS]
WHOLE = ("int32", "uint8")


def pairs():
    """Each layer with int32 and another dtype in turn, so that each rule meets all of them."""
    turns, found = defaultdict(itertools.count), []
    for name in KNOWN:
        others = WHOLE[1:] if name in PUBLIC else DTYPES[1:]
        turn = turns[INTEGERS[name.partition("_")[0]], name in PUBLIC]
        found += [(name, "int32"), (name, others[next(turn) % len(others)])]
    return found


# bool times noise or a scale, which Keras casts to bool, is refused here: (class, dtype, training).
UNLIKE = {
    ("GaussianDropout", "bool", True),
    *(("LayerScale", "bool", how) for how in (False, True)),
}
# Keras cuts off what the layer inside makes, in a graph other numbers than eagerly.
REFUSED = "SpectralNormalization"
# No layers of Keras, or of several inputs, or of numbers of categories, which are integers in
# tests/torch_impl/layers/test_categories.py and test_public_layers.py; the last draws other numbers
# than its twin.
NOT_COMPARED = {
    *("HeldWeight", "MaskedBy", "CustomScaleLayer", "StochasticDepth", "HashedCrossing"),
    *("ReversibleEmbedding", "CategoryEncoding", "IntegerLookup", "Hashing", "RandomGrayscale"),
}


@pytest.fixture(autouse=True)
def _called_as_in_a_check():
    kernels.install()


def test_every_layer_has_an_entry_and_every_entry_is_compared():
    attention = {name.partition("_")[0] for name in ATTENTION}
    compared = {name.partition("_")[0] for name in KNOWN} | MERGING.keys() | attention
    assert compared | NOT_COMPARED >= INTEGERS.keys() >= BUILDERS.keys()


def values(shape, dtype, seed, lowest=-4):
    low, high = (0, 2) if dtype == "bool" else (0 if dtype == "uint8" else lowest, 8)
    return np.random.default_rng(seed).integers(low, high, (2, *shape)).astype(dtype)


def model_of(layer, shape, dtype, number):
    inputs = [L.Input(shape, dtype=dtype) for _ in range(number)]
    given = inputs if number > 1 else inputs[0]
    return keras.Model(given, layer(given))


def outputs(model, arrays, training):
    """What Keras gives, or None where it refuses."""
    try:
        found = model(arrays if len(arrays) > 1 else arrays[0], training=training)
    except (tf.errors.OpError, ValueError, TypeError):
        return None
    return [output.numpy() for output in keras.tree.flatten(found)]


def compare(layer, shape, dtype, number=1):
    """Of both modes: the same dtype and numbers as Keras, or a refusal where Keras has one."""
    try:
        model = model_of(layer, shape, dtype, number)
    except (ValueError, TypeError):
        return  # Keras does not build it
    compare_model(model, [shape] * number, dtype, layer)


def compare_model(model, shapes, dtype, layer=None):
    kind, integers = type(layer).__name__, not dtype.startswith("float")
    fill_weights(model)
    twin, lowest = twin_of(model), 0 if isinstance(layer, L.Embedding) else -4
    arrays = [values(shape, dtype, n, lowest) for n, shape in enumerate(shapes)]
    arrays = [(array + (0 if integers else 0.3)).astype(dtype) for array in arrays]
    tensors = [torch.tensor(array) for array in arrays]
    for training in (False, True):
        theirs = outputs(model, arrays, training)
        twin.train(training)
        if theirs is None or ((kind, dtype, training) in UNLIKE or (integers and kind == REFUSED)):
            with pytest.raises(NoTwinError, match=rf"^layer '.*' of class '.*': .*{dtype}.*"):
                twin(tensors)
            continue
        for mine, array in zip(keras.tree.flatten(twin(tensors)), theirs, strict=True):
            mine = mine.detach().numpy()
            assert mine.dtype == array.dtype
            coarse = np.issubdtype(array.dtype, np.floating)
            allowed = 4e-6 * max(1, np.abs(array).max()) if coarse else 0
            np.testing.assert_allclose(mine, array, rtol=0, atol=allowed)


@pytest.mark.filterwarnings("ignore:You passed `rms_scaling=True`")
@each_row("name, dtype", pairs())
def test_a_layer_takes_every_dtype_as_keras_does(name, dtype):
    shape, make = ONE_INPUT[name]
    layer = make()
    kinds = L.LayerNormalization | L.GroupNormalization | L.RMSNormalization
    if isinstance(layer, kinds) and dtype == "uint8":
        twin = from_keras_config(model_of(layer, shape, dtype, 1).get_config())
        with pytest.raises(ValueError, match="is uint8: expected real numbers, since Keras has no"):
            twin(torch.ones((2, *shape), dtype=torch.uint8))
        return
    compare(layer, shape, dtype)


@each_row("dtype", DTYPES)
def test_a_merging_layer_takes_every_dtype_as_keras_does(dtype):
    for name in MERGING:
        compare(getattr(L, name)(**MERGING[name]), SEQUENCES, dtype, number=2)
    compare(L.Dot(axes=-1), SEQUENCES, dtype, number=2)


@each_row("dtype", [*WHOLE, "float32"])
@each_row("name", ["MultiHeadAttention", "GroupQueryAttention", "Attention", "AdditiveAttention"])
def test_attention_takes_integers_as_keras_does(name, dtype):
    shapes, make = ATTENTION[name]
    inputs = [L.Input(shape, dtype=dtype) for shape in shapes]
    model = keras.Model(inputs if len(inputs) > 1 else inputs[0], make(*inputs))
    compare_model(model, shapes, dtype)


@pytest.mark.usefixtures("float64")
@each_row("dtype", ["int32", "bool"])
@each_row(
    "name", ["Dense", "LSTM", "BatchNormalization", "GlobalAveragePooling2D", "Activation_tanh"]
)
def test_a_layer_of_float64_takes_integers_as_keras_does(name, dtype):
    shape, make = ONE_INPUT[name]
    compare(make(), shape, dtype)
