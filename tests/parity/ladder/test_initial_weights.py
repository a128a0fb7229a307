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


def waves(window=1.0):
    """A kernel of an STFT: 16 samples, 9 frequencies, the same in five draws."""
    angles = 2 * np.pi * np.arange(16)[:, None] * np.arange(9) / 16
    return np.repeat((np.sin(angles) * window).reshape(1, -1), 5, axis=0)


def with_first(first, others):
    return np.concatenate([first, others])


HE, KERAS_HE = draws("HeNormal", 1)
ORTHOGONAL, KERAS_ORTHOGONAL = draws("Orthogonal", 1)
GLOROT, KERAS_GLOROT = draws("GlorotUniform", 1)
OTHER = draws("Orthogonal", 2)[1]
SEEDED = with_first(KERAS_HE[:1], KERAS_HE[1:] * 0.3)
DRAW = np.random.default_rng(0)
LAPLACE, LAPLACE_TOO = DRAW.laplace(size=(10, 384)), DRAW.laplace(size=(4, 384))
NORMAL = DRAW.normal(scale=2**0.5, size=(4, 384))
OWN = np.random.default_rng(2).normal(0, 0.7, (1, 384))
ASSIGNED = with_first(OWN, KERAS_GLOROT[1:2])
ASSIGNED_TOO = np.random.default_rng(3).normal(0, 0.7, (3, 384))
ZERO, CONSTANT = {"class": "Zeros"}, {"class": "Constant", "value": 0.1}
ZEROS, ONES, TENTHS = np.zeros((2, 7)), np.ones((2, 7)), np.full((1, 9), 0.1)
HANN = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(16)[:, None] / 16)
DRAWS = np.random.default_rng(0).normal(size=(5, 7))
NOT_ORTHOGONAL, TOO_FEW = (
    "singular values are not all 1",
    "too few numbers to test the distribution",
)
# Initialiser, draws of Keras and of the port, the shape, whether it passes, and a note.
CASES = {
    # Whether a port draws Keras's own numbers is seen at the seed of the check; the numbers of
    # other seeds follow, however unlikely they are.
    "Keras's own": (HE, KERAS_HE, SEEDED, SHAPE, PASS, None),
    "Keras's own in float32": (HE, KERAS_HE, SEEDED.astype(np.float32), SHAPE, PASS, None),
    "others": (HE, KERAS_HE, with_first(SEEDED[:1, ::-1], SEEDED[1:]), SHAPE, FAIL, None),
    "orthogonal": (ORTHOGONAL, KERAS_ORTHOGONAL, OTHER, SHAPE, PASS,
                   "Orthogonal is orthogonal of gain 1; standard deviation 0.204 there, 0.204 in "
                   "torch"),
    "orthogonal of a gain": (ORTHOGONAL, KERAS_ORTHOGONAL, OTHER * 1.01, SHAPE, FAIL,
                             NOT_ORTHOGONAL),
    "orthogonal, shifted": (ORTHOGONAL, KERAS_ORTHOGONAL, OTHER + 0.01, SHAPE, FAIL,
                            NOT_ORTHOGONAL),
    # What Keras does not draw is the same number.
    "zeros": (ZERO, ZEROS, ZEROS, (7,), PASS, None),
    "ones": (None, ONES, ONES, (7,), PASS, None),
    "ones for zeros": (ZERO, ZEROS, ONES, (7,), FAIL, None),
    "nearly zeros": (ZERO, ZEROS, ZEROS + 1e-300, (7,), FAIL, None),
    "no numbers for zeros": (ZERO, ZEROS, ZEROS * np.nan, (7,), FAIL, None),
    "rounded to float32": (CONSTANT, TENTHS, np.float64(TENTHS.astype(np.float32)), (9,), PASS,
                           None),
    "another constant": (CONSTANT, TENTHS, TENTHS + 1e-7, (9,), FAIL, None),
    # A weight that was set after it was drawn is compared with what it is: the config says
    # GlorotUniform, but a user assigned other numbers.
    "assigned": (GLOROT, ASSIGNED, ASSIGNED_TOO, SHAPE, PASS, None),
    "as the config says": (GLOROT, ASSIGNED, KERAS_GLOROT[:2], SHAPE, FAIL,
                           None),
    # An unknown initialiser is compared by two samples.
    "unknown": ({"class": "nets.Laplace"}, LAPLACE, LAPLACE_TOO, SHAPE, PASS, None),
    "unknown and wider": ({"class": "nets.Laplace"}, LAPLACE, LAPLACE_TOO * 1.2, SHAPE, FAIL, None),
    "another form": (None, LAPLACE, NORMAL, SHAPE, FAIL, None),
    # Numbers that both set in every model are compared one by one: they repeat, so the greatest
    # ones of one half may all be a last bit above the other's.
    "set in every model": (None, waves(), waves() * (1 - 2.0**-52), (16, 1, 9), PASS, None),
    "windowed": (None, waves(), waves(HANN), (16, 1, 9), FAIL, None),
    "NaN": (GLOROT, KERAS_GLOROT, KERAS_GLOROT * np.nan, SHAPE, FAIL, None),
    "infinite": (GLOROT, KERAS_GLOROT, KERAS_GLOROT * np.inf, SHAPE, FAIL, None),
    "other entries": (None, DRAWS, np.resize(DRAWS, (5, 6)), (7,), FAIL, None),
    "no draws": (None, DRAWS, np.zeros((0, 7)), (7,), FAIL, None),
    "another number of draws": (None, DRAWS, np.resize(DRAWS, (4, 7)), (7,), PASS, None),
    "too few": (None, [[1.0, 2.0, 3.0]], [[7.0, 8.0, 9.0]], (3,), PASS, TOO_FEW),
}  # fmt: skip


@pytest.mark.parametrize(
    ("initializer", "keras", "port", "shape", "status", "note"), CASES.values(), ids=CASES
)
def test_what_is_drawn_otherwise_fails(initializer, keras, port, shape, status, note):
    item = compared(initializer, keras, port, shape)
    assert item.status == status
    assert note in (None, item.note)


def test_draws_of_a_fixed_seed_count_once():
    """The same 384 numbers five times are no 1,920 numbers."""
    draw = np.random.default_rng(11)
    for _ in range(20):
        a, b = (np.tile(draw.laplace(size=(1, 384)), (5, 1)) for _ in range(2))
        assert compared(None, a, b).status == PASS


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
