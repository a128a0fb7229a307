"""Keras's random layers of images in float64: the numbers and the pixels of float32."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import assert_same_bits
from keras import layers as L

from parity.halves.keras import casts, versions
from parity.halves.keras.calls import recorded_calls
from parity.halves.keras.kinds import is_container, kind_of
from parity.halves.keras.loss_constants import constants_as_written
from parity.halves.keras.random_layers import generator_of, state_of

IMAGES = np.random.default_rng(0).uniform(0, 255, (5, 14, 11, 3)).astype("float32")
IN_DOUBLE = IMAGES.astype("float64")
FAMILY = {
    "RandomFlip": lambda: L.RandomFlip(seed=3),
    "RandomRotation": lambda: L.RandomRotation(0.2, seed=3),
    "RandomZoom": lambda: L.RandomZoom(0.3, seed=3),
    "RandomTranslation": lambda: L.RandomTranslation(0.2, 0.1, seed=3),
    "RandomContrast": lambda: L.RandomContrast(0.4, seed=3),
    "RandomBrightness": lambda: L.RandomBrightness(0.3, seed=3),
    "RandomCrop": lambda: L.RandomCrop(8, 7, seed=3),
    "RandomShear": lambda: L.RandomShear(0.3, 0.2, seed=3),
    "RandomHue": lambda: L.RandomHue(0.3, seed=3),
    "RandomSaturation": lambda: L.RandomSaturation(0.6, seed=3),
    "RandomGrayscale": lambda: L.RandomGrayscale(0.5, seed=3),
    "RandomErasing": lambda: L.RandomErasing(0.9, seed=3),
    "RandomGaussianBlur": lambda: L.RandomGaussianBlur(0.9, seed=3),
    "RandomInvert": lambda: L.RandomInvert(0.5, seed=3),
    "RandomPosterization": lambda: L.RandomPosterization(4, seed=3),
    "RandomSharpness": lambda: L.RandomSharpness(0.7, seed=3),
    "RandomElasticTransform": lambda: L.RandomElasticTransform(0.9, seed=3),
    "RandomPerspective": lambda: L.RandomPerspective(0.9, seed=3),
    "RandomColorJitter": lambda: L.RandomColorJitter(brightness_factor=0.3, seed=3),
}


@pytest.fixture(autouse=True)
def _in_double(in_float64):
    with casts.in_float64():
        yield


@pytest.mark.parametrize("kind", FAMILY)
def test_a_layer_draws_in_float64_what_it_draws_in_float32(kind):
    double = FAMILY[kind]()
    made = np.asarray(double(IN_DOUBLE, training=True))
    versions.use_dtype("float32")
    single = FAMILY[kind]()
    for layer in single._flatten_layers():
        layer.dtype_policy = "float32"
    # Called as the program does, past the casts of a check.
    expected = np.asarray(single.call(keras.ops.convert_to_tensor(IMAGES), training=True))
    assert_same_bits(made, expected.astype("float64"))
    assert (double.compute_dtype, kind_of(double)) == ("float64", f"random_image:{kind}")


@pytest.mark.parametrize("kind", ["RandomRotation", "RandomContrast", "RandomHue"])
def test_a_layer_stays_in_float32_where_constants_are_as_written(kind):
    with constants_as_written():
        made = FAMILY[kind]()(IN_DOUBLE, training=True)
        assert tf.convert_to_tensor(0.1).dtype == tf.float64  # behind the call they are again
    np.testing.assert_array_equal(made, FAMILY[kind]()(IN_DOUBLE, training=True))


@pytest.mark.parametrize("kind", ["RandomFlip", "RandomRotation", "RandomContrast"])
def test_images_lose_no_digits_in_eval_mode(kind):
    np.testing.assert_array_equal(FAMILY[kind]()(IN_DOUBLE / 3, training=False), IN_DOUBLE / 3)


def test_a_state_is_that_before_the_call():
    layer = FAMILY["RandomFlip"]()
    with recorded_calls(IMAGES) as calls:
        for _ in range(2):
            layer(IN_DOUBLE, training=True)
    states = [each.tolist() for each in (*(call.state for call in calls), state_of(layer))]
    assert (states, calls.drew) == ([[3, 0], [3, 1], [3, 2]], {})  # the port gets what it made
    assert generator_of(layer) is layer.generator


def test_a_pipeline_is_taken_apart():
    pipeline = L.Pipeline([FAMILY["RandomFlip"](), FAMILY["RandomRotation"]()])
    assert is_container(pipeline)
    with recorded_calls(IMAGES) as calls:
        pipeline(IN_DOUBLE, training=True)
    assert [call.kind for call in calls] == [
        "random_image:RandomFlip",
        "random_image:RandomRotation",
    ]
