"""Initial weights: what one distribution draws passes, what another draws is caught.

`benchmarks.accuracy.initial_weights` draws what Keras's documentation says, in NumPy, and what
ports say, by torch.nn.init.
"""

import math

import numpy as np
import pytest
import torch

from benchmarks.accuracy.initial_weights import CONFIGS, IN_TORCH, WRONG, drawn, judge
from parity.ladder.initial_weights import compare_draws, drawn_tolerance, p_limit
from parity.ladder.items import FAIL, PASS

SHAPE = (24, 16)  # fan in, fan out
LIMIT = p_limit(20)


def compared(initializer, keras, torch, shape=SHAPE, limit=LIMIT):
    flat = [np.asarray(array) for array in (keras, torch)]
    return compare_draws("dense.kernel", *flat, initializer, shape, limit)


def draws(name, seed, num=3, shape=SHAPE):
    draw = np.random.default_rng(seed)
    config = {"class": name, **CONFIGS[name]}
    return config, np.stack([drawn(config, shape, draw).reshape(-1) for _ in range(num)])


def test_the_limit_shares_one_false_alarm_in_a_thousand_checks():
    assert p_limit(20) == 1e-3 / 20
    assert p_limit(0) == 1e-3


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("shape", [(1, 4), (3, 3, 1, 8)], ids=str)
def test_right_ports_pass(name, shape):
    """At a limit of 1e-3, 40 ports of each kind: two alarms come once in 1,300 seeds."""
    draw = np.random.default_rng(math.prod(shape))
    torch.manual_seed(math.prod(shape))  # the ports draw by it
    wrong = sum(judge(name, shape, IN_TORCH.get(name), draw, p_limit(1)) for _ in range(40))
    assert wrong <= 1


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: f"{wrong[0]}-{wrong[1]}")
def test_another_initialiser_is_caught_in_a_kernel_of_96_values(wrong):
    text, name, say = wrong
    if text.startswith("std 0.045"):
        pytest.skip("10 % of a normal distribution need 5,000 values; docs/measurements.md")
    draw = np.random.default_rng(7)
    torch.manual_seed(7)
    assert all(judge(name, (4, 24), say, draw, LIMIT) for _ in range(2))


def test_the_item_tells_what_keras_draws_and_what_speaks_against_the_port():
    config, keras = draws("GlorotUniform", 1)
    item = compared(config, keras, keras[:, ::-1] * 0.8)
    assert item.status == FAIL
    assert "GlorotUniform is U(±0.3873); standard deviation 0.224 there, 0.1" in item.note
    assert "its greatest values are too small or too large" in item.note
    item = compared(config, keras, keras * 1.1)
    assert item.allowed == pytest.approx(0.3873, rel=1e-4)
    assert "beyond Keras's bound: GlorotUniform is U(±0.3873)" in item.note


def test_a_port_that_draws_keras_own_numbers_passes_however_unlikely_they_are():
    """Whether it does is seen at the seed of the check; the numbers of other seeds follow."""
    config, keras = draws("HeNormal", 1)
    seeded = np.concatenate([keras[:1], keras[1:] * 0.3])
    assert compared(config, keras, seeded).status == PASS
    assert compared(config, keras, seeded.astype(np.float32)).status == PASS
    seeded[0] = seeded[0][::-1]
    assert compared(config, keras, seeded).status == FAIL


@pytest.mark.parametrize(
    ("port", "status"),
    [(lambda q: q, PASS), (lambda q: q * 1.01, FAIL), (lambda q: q + 0.01, FAIL)],
    ids=["right", "gain", "shift"],
)
def test_an_orthogonal_weight_is_orthogonal(port, status):
    config, keras = draws("Orthogonal", 1)
    _, other = draws("Orthogonal", 2)
    item = compared(config, keras, port(other))
    assert item.status == status
    assert (item.note == "singular values are not all 1") == (status == FAIL)


def test_what_keras_does_not_draw_is_the_same_number():
    zeros, ones = np.zeros((2, 7)), np.ones((2, 7))
    assert compared({"class": "Zeros"}, zeros, zeros, (7,)).status == PASS
    assert compared(None, ones, ones, (7,)).status == PASS
    for other in (ones, zeros + 1e-300, zeros * np.nan):
        assert compared({"class": "Zeros"}, zeros, other, (7,)).status == FAIL


def test_constants_may_have_been_rounded_to_float32():
    keras = np.full((1, 9), 0.1)
    rounded = keras.astype(np.float32).astype(np.float64)
    assert compared({"class": "Constant", "value": 0.1}, keras, rounded, (9,)).status == PASS
    assert compared({"class": "Constant", "value": 0.1}, keras, keras + 1e-7, (9,)).status == FAIL


def test_a_weight_that_was_set_after_it_was_drawn_is_compared_with_what_it_is():
    """The config says GlorotUniform, but a user assigned other numbers."""
    config, told = draws("GlorotUniform", 1, 2)
    own = np.random.default_rng(2).normal(0, 0.7, (1, SHAPE[0] * SHAPE[1]))
    keras = np.concatenate([own, told[1:]])
    port = np.random.default_rng(3).normal(0, 0.7, (3, own.size))
    assert compared(config, keras, port).status == PASS
    assert compared(config, keras, told).status == FAIL


def test_an_unknown_initialiser_is_compared_by_two_samples():
    draw = np.random.default_rng(0)
    a, b = draw.laplace(size=(10, 384)), draw.laplace(size=(4, 384))
    assert compared({"class": "nets.Laplace"}, a, b).status == PASS
    assert compared({"class": "nets.Laplace"}, a, b * 1.2).status == FAIL
    assert compared(None, a, draw.normal(scale=2**0.5, size=(4, 384))).status == FAIL


def waves(window=1.0):
    """A kernel of an STFT: 16 samples, 9 frequencies."""
    angles = 2 * np.pi * np.arange(16)[:, None] * np.arange(9) / 16
    return (np.sin(angles) * window).reshape(1, -1)


def test_numbers_that_both_set_in_every_model_are_compared_one_by_one():
    """They repeat, so the greatest ones of one half may all be a last bit above the other's."""
    keras, shape = np.repeat(waves(), 5, axis=0), (16, 1, 9)
    rounded = keras * (1 - 2.0**-52)
    assert compared(None, keras, rounded, shape).status == PASS
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(16)[:, None] / 16)
    windowed = np.repeat(waves(hann), 5, axis=0)
    assert compared(None, keras, windowed, shape).status == FAIL


def test_draws_of_a_fixed_seed_count_once():
    """The same 384 numbers five times are no 1,920 numbers."""
    draw = np.random.default_rng(11)
    for _ in range(20):
        a, b = (np.tile(draw.laplace(size=(1, 384)), (5, 1)) for _ in range(2))
        assert compared(None, a, b).status == PASS


def test_values_that_are_not_finite_fail():
    config, keras = draws("GlorotUniform", 1)
    for wrong in (keras * np.nan, keras * np.inf):
        assert compared(config, keras, wrong).status == FAIL


@pytest.mark.parametrize("shape", [(5, 6), (0, 7), (4, 7)], ids=["entries", "none", "draws"])
def test_other_shapes_are_refused(shape):
    a = np.random.default_rng(0).normal(size=(5, 7))
    item = compared(None, a, np.resize(a, shape) if shape[0] else np.zeros(shape), (7,))
    # Another number of draws is no other shape.
    assert item.status == (PASS if shape == (4, 7) else FAIL)


def test_too_few_numbers_tell_no_distribution_and_say_so():
    item = compared(None, [[1.0, 2.0, 3.0]], [[7.0, 8.0, 9.0]], (3,))
    assert item.status == PASS
    assert item.note == "too few numbers to test the distribution"


@pytest.mark.parametrize(
    ("shape", "dtype", "units"),
    [
        ((4, 16), "float32", 8 * 3),  # (4 + 2) / (4 - 2)
        ((3, 3, 4, 4), "float64", 8 * 2),  # 36 x 4: (6 + 2) / (6 - 2)
        ((8, 8), "float32", 64 * 8),
    ],
)
def test_the_tolerance_of_an_orthogonal_weight_follows_from_its_shape(shape, dtype, units):
    initializer = {"class": "Orthogonal", "gain": 0.5}
    expected = 0.5 * units * np.finfo(dtype).eps
    assert drawn_tolerance(initializer, shape, dtype) == pytest.approx(expected)
    assert drawn_tolerance({"class": "HeNormal"}, shape, dtype) == 0
    assert drawn_tolerance(None, shape, dtype) == 0
