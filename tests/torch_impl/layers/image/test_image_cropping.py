"""Images resized and cropped, at the middle or at random, are Keras's."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from covering import one_test
from hypothesis import given, settings
from hypothesis import strategies as st
from image_pairs import SEEDS, pair, pixels, same, turn, turn_back, whole_pixels

from torch_impl import layers
from torch_impl.layers.image.resample import METHODS

lengths = st.integers(1, 17)
shapes = st.one_of(
    st.tuples(st.integers(1, 3), lengths, lengths, st.integers(1, 4)),
    st.tuples(lengths, lengths, st.integers(1, 4)),
)
dtypes = st.sampled_from(["float32", "float64"])
SHAPING = (
    {},
    {"antialias": True},
    {"crop_to_aspect_ratio": True},
    {"pad_to_aspect_ratio": True, "fill_value": 3.5},
)


@given(lengths, lengths, st.sampled_from(METHODS), st.sampled_from(SHAPING), shapes, dtypes)
@settings(max_examples=100)
def test_resized_images_are_keras_images(height, width, method, options, shape, dtype):
    theirs, ours = pair("Resizing", height, width, method, dtype=dtype, **options)
    x = pixels(shape, 1, dtype)
    assert same(turn_back(ours(turn(x))), theirs(x))


@given(lengths, lengths, st.sampled_from(METHODS), st.sampled_from(SHAPING[:3]), shapes)
@settings(max_examples=50)
def test_whole_numbers_are_rounded_as_by_keras_layer_alone(height, width, method, options, shape):
    theirs, ours = pair("Resizing", height, width, method, **options)
    x = whole_pixels(shape)
    assert same(turn_back(ours(turn(x))), theirs(x))


@given(lengths, lengths, shapes, dtypes)
@settings(max_examples=60)
def test_the_middle_is_keras_middle(height, width, shape, dtype):
    theirs, ours = pair("CenterCrop", height, width, dtype=dtype)
    x = pixels(shape, 1, dtype)
    expected = np.asarray(theirs(x))
    found = turn_back(ours(turn(x)))
    assert found.dtype == dtype  # Keras resizes to float32, whatever its policy
    assert same(found.astype(expected.dtype), expected)


@given(lengths, lengths, st.sampled_from(SEEDS), shapes, dtypes)
@settings(max_examples=60)
def test_random_places_are_keras_places(height, width, seed, shape, dtype):
    theirs, ours = pair("RandomCrop", height, width, dtype=dtype, seed=seed)
    for call in range(3):
        x = pixels(shape, call, "float32").astype(dtype)
        assert same(turn_back(ours(turn(x))), theirs(x, training=True))


@one_test
@pytest.mark.parametrize("seed", SEEDS)
def test_a_model_crops_as_the_module_does_and_rounds_to_float32(seed):
    x = pixels((3, 9, 8, 2), 1, "float64")
    theirs, ours = pair("RandomCrop", 4, 5, dtype="float64", seed=seed)
    entry = keras.Input((9, 8, 2), dtype="float64")
    model = keras.Model(entry, theirs(entry))
    run = tf.function(lambda batch: model(batch, training=True), autograph=False)
    for _ in range(3):
        assert same(turn_back(ours(turn(x))), run(tf.constant(x)))


@one_test
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Resizing(0, 3), "height=0: expected an integer of at least 1"),
        (lambda: layers.Resizing(3, 2.5), "width=2.5: expected an integer of at least 1"),
        (lambda: layers.Resizing(3, 3, "cubic"), "interpolation='cubic': expected one of"),
        (lambda: layers.Resizing(3, 3, fill_mode="wrap"), "fill_mode='wrap': expected one of"),
        (
            lambda: layers.Resizing(3, 3, crop_to_aspect_ratio=True, pad_to_aspect_ratio=True),
            "pad_to_aspect_ratio=True: expected one of them",
        ),
        (lambda: layers.CenterCrop(-1, 3), "height=-1: expected an integer of at least 1"),
        (lambda: layers.CenterCrop(1, 3)(torch.ones(3)), r"images of shape \(3,\): expected"),
        (lambda: layers.RandomCrop(size=3), "expected height and width"),
    ],
)
def test_another_argument_is_an_error_that_shows_it(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()
