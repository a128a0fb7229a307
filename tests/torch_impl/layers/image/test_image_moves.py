"""Flipped, turned, zoomed, shifted and sheared pixels are Keras's, from the same seed."""

from itertools import cycle

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from covering import one_test
from hypothesis import given, settings
from hypothesis import strategies as st
from image_pairs import SEEDS, near, pair, pixels, same, turn, turn_back, whole_pixels

from torch_impl import layers
from torch_impl.layers.image.projective import FILL_MODES

pytestmark = pytest.mark.usefixtures("direct")

KINDS = {
    "RandomFlip": ("horizontal",),
    "RandomRotation": (0.3,),
    "RandomZoom": (0.4, (-0.5, 0.8)),
    "RandomTranslation": (0.7, (-0.3, 0.9)),
    "RandomShear": (0.7, (0.3, 0.9)),
}
FLIPS = ("horizontal", "vertical", "horizontal_and_vertical")
NUM_CALLS = 3

shapes = st.one_of(
    st.tuples(st.integers(1, 19), st.integers(1, 12), st.integers(1, 12), st.integers(1, 4)),
    st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(1, 4)),
)
dtypes = st.sampled_from(["float32", "float64"])
seeds = st.sampled_from(SEEDS)
moves = st.fixed_dictionaries(
    {
        "fill_mode": st.sampled_from(FILL_MODES),
        "interpolation": st.sampled_from(["nearest", "bilinear"]),
        "fill_value": st.floats(-3, 3, width=32),
        "seed": seeds,
    }
)


def factors(low, high):
    numbers = st.floats(low, high, width=32)
    return st.one_of(numbers, st.tuples(numbers, numbers))


def assert_same_calls(kind, arguments, options, shape, dtype):
    theirs, ours = pair(kind, *arguments, dtype=dtype, **options)
    for call in range(NUM_CALLS):
        x = pixels(shape, call, dtype)
        assert same(turn_back(ours(turn(x))), theirs(x, training=True))


@given(st.sampled_from(FLIPS), seeds, shapes, dtypes)
@settings(max_examples=40)
def test_flips_are_keras_flips(mode, seed, shape, dtype):
    assert_same_calls("RandomFlip", (mode,), {"seed": seed}, shape, dtype)


@pytest.mark.long
@given(factors(-1, 1), moves, shapes, dtypes)
@settings(max_examples=40)
def test_rotations_are_keras_rotations(factor, options, shape, dtype):
    assert_same_calls("RandomRotation", (factor,), options, shape, dtype)


@pytest.mark.long
@given(factors(-0.9375, 1), st.one_of(st.none(), factors(-0.9375, 1)), moves, shapes, dtypes)
@settings(max_examples=40)
def test_zooms_are_keras_zooms(height, width, options, shape, dtype):
    assert_same_calls("RandomZoom", (height, width), options, shape, dtype)


@pytest.mark.long
@given(factors(-1, 1), factors(-1, 1), moves, shapes, dtypes)
@settings(max_examples=40)
def test_shifts_are_keras_shifts(height, width, options, shape, dtype):
    assert_same_calls("RandomTranslation", (height, width), options, shape, dtype)


@given(factors(0, 1), factors(0, 1), moves, shapes)
@settings(max_examples=40)
def test_shears_are_keras_shears(x_factor, y_factor, options, shape):
    # Keras draws these in the dtype of the policy.
    arguments = {"x_factor": x_factor, "y_factor": y_factor, **options}
    assert_same_calls("RandomShear", (), arguments, shape, "float32")


@one_test
@pytest.mark.parametrize(("kind", "seed"), list(zip(cycle(KINDS), SEEDS)))
def test_a_model_and_tf_data_draw_what_the_module_draws(kind, seed):
    x = whole_pixels((13, 7, 9, 3), 3)
    theirs, ours = pair(kind, *KINDS[kind], seed=seed, in_graph=True)
    entry = keras.Input((7, 9, 3), dtype="uint8")
    model = keras.Model(entry, theirs(entry))
    run = tf.function(lambda batch: model(batch, training=True), autograph=False)
    for _ in range(NUM_CALLS):
        assert same(turn_back(ours(turn(x))), run(tf.constant(x)))
    theirs, ours = pair(kind, *KINDS[kind], seed=seed)
    data = tf.data.Dataset.from_tensors(x).repeat(NUM_CALLS).map(lambda b: theirs(b, training=True))
    for batch in data:
        assert same(turn_back(ours(turn(x))), batch)


@one_test
@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"RandomRotation"}))
def test_with_a_floatx_of_float64_the_numbers_are_those_of_float64(kind):
    keras.config.set_floatx("float64")
    theirs, ours = pair(kind, *KINDS[kind], dtype="float64", seed=5)
    ours.random_dtype = torch.float64
    for call in range(NUM_CALLS):
        x = pixels((9, 8, 6, 2), call, "float64")
        assert same(turn_back(ours(turn(x))), theirs(x, training=True))
    ours.random_dtype = torch.float32
    assert np.abs(turn_back(ours(turn(x))) - theirs(x, training=True)).max() > 1


@one_test
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_tensorflows(kind):
    """Those of moved images are the upstream ones, moved by the inverse map."""
    theirs, ours = pair(kind, *KINDS[kind], seed=5)
    for call in range(NUM_CALLS):
        x, upstream = pixels((3, 6, 7, 2), call), pixels((3, 6, 7, 2), 9)
        constant = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(constant)
            total = tf.reduce_sum(theirs(constant, training=True) * upstream)
        expected = tape.gradient(total, constant).numpy()
        tensor = turn(x).requires_grad_()
        (ours(tensor) * turn(upstream)).sum().backward()
        assert near(turn_back(tensor.grad), expected, 1e-5)


@one_test
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: layers.RandomFlip("both"),
            "mode='both': expected one of",
        ),
        (lambda: layers.RandomRotation(2), r"factor=2: expected a number in \[-1, 1\]"),
        (lambda: layers.RandomRotation("a"), "factor='a': expected a number"),
        (lambda: layers.RandomRotation((0.1,)), r"factor=\(0.1,\): expected a number"),
        (lambda: layers.RandomZoom(-1), r"height_factor=-1: expected a number in \(-1, 1\]"),
        (lambda: layers.RandomZoom(0.1, float("nan")), "width_factor=nan: expected a number"),
        (
            lambda: layers.RandomTranslation(0.1, (0, 2)),
            r"width_factor=\(0, 2\): expected",
        ),
        (lambda: layers.RandomShear(-0.1), r"x_factor=-0.1: expected a number in \[0, 1\]"),
        (lambda: layers.RandomZoom(0.1, fill_mode="mirror"), "fill_mode='mirror': expected one of"),
        (lambda: layers.RandomZoom(0.1, interpolation="cubic"), "interpolation='cubic': expected"),
        (lambda: layers.RandomFlip(seed=1.5), "seed=1.5: expected an integer in"),
        (
            lambda: layers.RandomFlip(random_dtype=torch.half),
            "random_dtype=torch.float16",
        ),
        (lambda: layers.RandomFlip()(torch.ones(3, 4)), r"images of shape \(3, 4\): expected"),
        (lambda: layers.RandomRotation(degrees=10), "RandomRotation's factor, in turns"),
    ],
)
def test_another_argument_is_an_error_that_shows_it(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()
