"""Contrast and brightness are Keras's, from the same seed, call after call."""

import pytest
import torch
from covering import one_test
from hypothesis import given, settings
from hypothesis import strategies as st
from image_pairs import SEEDS, pair, pixels, same, turn, turn_back

from torch_impl import layers

NUM_CALLS = 3
shapes = st.one_of(
    st.tuples(st.integers(1, 12), st.integers(1, 9), st.integers(1, 9), st.integers(1, 4)),
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4)),
)
dtypes = st.sampled_from(["float32", "float64"])
seeds = st.sampled_from(SEEDS)
ranges = st.sampled_from([(0, 255), (0.0, 1.0), (-1, 1), [-50.5, 70]])


def factors(low, high):
    numbers = st.floats(low, high, width=32)
    return st.one_of(numbers, st.tuples(numbers, numbers))


kinds = st.one_of(
    st.tuples(st.just("RandomContrast"), factors(0, 1)),
    st.tuples(st.just("RandomBrightness"), factors(-1, 1)),
)


@given(kinds, ranges, seeds, shapes, dtypes)
@settings(max_examples=100)
def test_contrasts_and_brightnesses_are_keras_ones(kind, value_range, seed, shape, dtype):
    theirs, ours = pair(*kind, value_range, dtype=dtype, seed=seed)
    for call in range(NUM_CALLS):
        x = pixels(shape, call, dtype, scale=value_range[1])
        assert same(turn_back(ours(turn(x))), theirs(x, training=True))


@one_test
@pytest.mark.parametrize("kind", ["RandomContrast", "RandomBrightness"])
def test_eval_mode_passes_through_and_masks_are_left_alone(kind):
    ours, x = getattr(layers, kind)(0.4, seed=5), torch.rand(4, 3, 5, 6)
    assert torch.equal(ours.eval()(x), x)
    assert ours.num_draws == 0
    assert torch.equal(ours.apply_drawn(x, ours.draw(x.shape), is_mask=True), x)


@one_test
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.RandomContrast(-0.1), r"factor=-0.1: expected a number in \[0, 1\]"),
        (lambda: layers.RandomBrightness(1.5), r"factor=1.5: expected a number in \[-1, 1\]"),
        (lambda: layers.RandomBrightness(1, 3), "value_range=3: expected two numbers"),
        (lambda: layers.RandomContrast(1, (1, 2, 3)), r"value_range=\(1, 2, 3\): expected two"),
    ],
)
def test_another_argument_is_an_error_that_shows_it(make, message):
    with pytest.raises(ValueError, match=message):
        make()
