"""ImageDataGenerator has Keras's surface, and feeds what Keras feeds from the same seed."""

import inspect

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from helpers import MOVED, assert_same_pixels, matches_scipy_to_the_bit
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_flows import assert_same_stream, generators
from tensorflow.keras.preprocessing.image import ImageDataGenerator as KerasGenerator

from torch_impl.augment import ImageDataGenerator

OPTIONS = {**MOVED, "vertical_flip": True, "channel_shift_range": 2.0}


def images_of(shape, dtype="float32", seed=0):
    """Of both signs and not zero at the border."""
    return (np.random.default_rng(seed).normal(scale=3, size=shape) + 0.5).astype(dtype)


ONE = torch.zeros(4, 4, 1)
WRONG_OPTIONS = [
    ({"data_format": "NCHW"}, "data_format='NCHW': expected 'channels_last' .* or 'channels_f"),
    ({"validation_split": 1.0}, "validation_split=1.0: expected a fraction strictly between"),
    ({"validation_split": -0.1}, "validation_split=-0.1: expected a fraction"),
    ({"dtype": "float16"}, "dtype='float16': expected float32 or float64"),
    ({"dtype": torch.int64}, "dtype=torch.int64: expected float32 or float64"),
    ({"fill_mode": "mirror"}, "fill_mode='mirror': expected one of nearest, constant, reflect"),
    ({"interpolation_order": 2}, "interpolation_order=2: expected 0 .* order 2, 4 and 5 are"),
    ({"interpolation_order": True}, "interpolation_order=True: expected 0"),
    ({"zoom_range": "x"}, "zoom_range='x': expected a number z"),
]


# The settings of a generator, a method and its arguments.
@one_test
@pytest.mark.parametrize(
    ("options", "method", "arguments", "message"),
    [
        *(
            ({}, "apply_transform", arguments, message)
            for *arguments, message in (
                (ONE, {"angle": 3}, "transform parameters 'angle': expected names among theta"),
                (
                    ONE[None],
                    {"theta": [1, 2]},
                    r"theta of shape \(2,\): expected one number, or on",
                ),
                (ONE, {"theta": float("nan")}, r"theta=\[nan\]: expected finite numbers"),
                (ONE, {"theta": float("inf")}, r"theta=\[inf\]: expected finite numbers"),
                (ONE.byte(), {}, r"dtype torch.uint8: expected float32 or float64"),
            )
        ),
        *(
            (
                {"data_format": data_format},
                method,
                [torch.zeros(shape)],
                rf"{method}: x of shape .*; is it data_format='{other}'",
            )
            for method in ("flow", "fit")
            for data_format, other, shape in (
                ("channels_last", "channels_first", (2, 1, 28, 28)),
                ("channels_first", "channels_last", (2, 9, 9, 3)),
            )
        ),
        ({}, "get_random_transform", [(6, 9)], r"img_shape=\(6, 9\): expected three axes"),
        *((options, "flow", [], message) for options, message in WRONG_OPTIONS),
    ],
)
def test_what_is_no_option_or_no_image_or_cannot_be_moved_is_an_error(
    options, method, arguments, message
):
    with pytest.raises(ValueError, match=message):
        getattr(ImageDataGenerator(**options), method)(*arguments)


def defaults_of(cls, method):
    parameters = inspect.signature(getattr(cls, method)).parameters.values()
    return [(parameter.name, parameter.default) for parameter in parameters]


@one_test
@pytest.mark.parametrize(
    "name",
    [
        *("__init__", "flow", "flow_from_directory", "fit", "standardize"),
        *("get_random_transform", "apply_transform", "random_transform"),
    ],
)
def test_a_method_has_keras_arguments_and_defaults(name):
    theirs, ours = defaults_of(KerasGenerator, name), defaults_of(ImageDataGenerator, name)
    assert ours[: len(theirs)] == theirs
    further = [argument for argument, _ in ours[len(theirs) :]]
    assert further == (["keras_quirks", "random_state"] if name == "__init__" else [])


cases = st.fixed_dictionaries(
    {
        "rotation_range": st.sampled_from([0, 10, 90.0, 180]),
        "width_shift_range": st.sampled_from([0.0, 0.2, 3, [1, 2, 5], 2.5, 1.0]),
        "height_shift_range": st.sampled_from([0.0, 0.15, 2, [-1, 4], [0.2], 7.5]),
        "brightness_range": st.sampled_from([None, None, (0.5, 1.5), [0.0, 1.0]]),
        "shear_range": st.sampled_from([0.0, 15.0, 40]),
        "zoom_range": st.sampled_from([0.0, 0.3, (0.5, 0.9), (1, 2)]),
        "channel_shift_range": st.sampled_from([0.0, 0.5, 20.0]),
        "fill_mode": st.sampled_from(["nearest", "constant", "reflect", "wrap"]),
        "cval": st.sampled_from([0.0, 1.5, -3.0]),
        "horizontal_flip": st.booleans(),
        "vertical_flip": st.booleans(),
        "rescale": st.sampled_from([None, 1 / 255]),
        "interpolation_order": st.sampled_from([0, 1, 1, 3]),
    }
)
sides = st.one_of(st.integers(1, 64), st.sampled_from([1, 2, 28]))


@settings(max_examples=120, deadline=None)
@given(
    options=cases,
    shape=st.tuples(st.integers(1, 5), sides, sides, st.sampled_from([1, 3, 4])),
    dtype=st.sampled_from(["float32", "float64"]),
    channels_first=st.booleans(),
    batch_size=st.integers(1, 4),
    shuffle=st.booleans(),
    batch_seed=st.sampled_from([None, None, 3]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_configuration_feeds_keras_pixels(
    options, shape, dtype, channels_first, batch_size, shuffle, batch_seed, seed
):
    """To the bit at order 0 and 1; a spline is rounded in another order than by scipy."""
    x, y = images_of(shape, dtype, seed), np.arange(shape[0])
    if channels_first:  # where Keras takes the columns for channels, and refuses
        options = {**options, "data_format": "channels_first", "brightness_range": None}
        x = np.moveaxis(x, -1, 1).copy()
    keras.config.set_floatx(dtype)
    order = {"batch_size": batch_size, "shuffle": shuffle, "seed": batch_seed}
    ours, theirs = (each.flow(x, y, **order) for each in generators(seed, **options, dtype=dtype))
    assert len(ours) == len(theirs)
    is_exact = options["interpolation_order"] < (3 if matches_scipy_to_the_bit() else 1)
    spread = np.ptp(x) * (options["rescale"] or 1) or 1
    tolerance = 0 if is_exact else (5e-7 if dtype == "float32" else 1e-12) * spread
    for number in range(len(theirs)):
        (fed, labels), (keras_fed, keras_labels) = ours[number], theirs[number]
        np.testing.assert_array_equal(labels, keras_labels)
        assert fed.numpy().dtype == keras_fed.dtype
        # A whole number more or less after the cut of the brightness is no rounding.
        if is_exact or options["brightness_range"] is None:
            np.testing.assert_allclose(fed.numpy(), keras_fed, rtol=0, atol=tolerance)
    assert_same_stream(ours)


@one_test
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_the_parts_of_a_random_transform_are_keras_parts(data_format):
    x = images_of((4, 6, 9, 3))
    x = np.moveaxis(x, -1, 1).copy() if data_format == "channels_first" else x
    for seed in (None, 5, None):
        ours, theirs = generators(1, **OPTIONS, data_format=data_format)
        params = ours.get_random_transform(x[0].shape, seed=seed)
        expected = theirs.get_random_transform(x[0].shape, seed=seed)
        assert list(params.items()) == list(expected.items())
        assert {type(value) for value in params.values()} == {float, bool, type(None)}
        first = ours.apply_transform(torch.tensor(x[0]), params)
        second = ours.random_transform(torch.tensor(x[1]), seed)
        assert_same_pixels(first.numpy(), theirs.apply_transform(x[0], expected), np.ptp(x))
        assert_same_pixels(second.numpy(), theirs.random_transform(x[1], seed), np.ptp(x))
