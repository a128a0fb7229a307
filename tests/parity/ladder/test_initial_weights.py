"""Initial weights: what one distribution draws passes, what another draws is caught.

NumPy and SciPy draw here, from the formulas of Keras's documentation.
"""

import numpy as np
import pytest
from scipy import special

from parity.ladder.initial_weights import P_VALUE, compare_draws
from parity.ladder.items import FAIL, PASS

SHAPE = (24, 16)  # fan in, fan out
DRAWS = 5


def glorot_uniform(draw, num, scale=1.0):
    bound = scale * np.sqrt(6 / sum(SHAPE))
    return draw.uniform(-bound, bound, size=(num, *SHAPE))


def he_normal(draw, num, scale=1.0):
    """Truncated at two deviations, and widened so that the variance is 2 / fan in."""
    deviation = scale * np.sqrt(2 / SHAPE[0]) / 0.87962566103423978
    share = draw.uniform(special.ndtr(-2), special.ndtr(2), size=(num, *SHAPE))
    return deviation * special.ndtri(share)


def normal(draw, num, scale=1.0):
    return draw.normal(scale=0.05 * scale, size=(num, *SHAPE))


def orthogonal(draw, num, scale=1.0):
    q, r = np.linalg.qr(draw.normal(size=(num, *SHAPE)))
    return scale * q * np.sign(np.diagonal(r, axis1=-2, axis2=-1))[:, None, :]


KINDS = {
    "GlorotUniform": glorot_uniform,
    "HeNormal": he_normal,
    "RandomNormal": normal,
    "Orthogonal": orthogonal,
}


def compared(kind, keras, torch, shape=SHAPE):
    flat = [array.reshape(len(array), -1) for array in (keras, torch)]
    return compare_draws("dense.kernel", *flat, {"class": kind}, shape)


@pytest.mark.parametrize("kind", KINDS)
def test_no_more_right_draws_are_refused_than_the_p_value_says(kind):
    """1,000 pairs at 1e-5: one false alarm comes once in a hundred runs, two once in 20,000."""
    draw = np.random.default_rng(11)
    num = 1_000
    keras, torch = (KINDS[kind](draw, num * DRAWS).reshape(num, DRAWS, -1) for _ in range(2))
    items = [compared(kind, a, b) for a, b in zip(keras, torch, strict=True)]
    assert sum(item.status == FAIL for item in items) <= 1
    assert P_VALUE == 1e-5


@pytest.mark.parametrize("size", [8, 39, 40, 199, 200, 1000], ids=str)
@pytest.mark.parametrize("kind", ["GlorotUniform", "HeNormal"])
def test_no_size_of_sample_raises_false_alarms(kind, size):
    draw = np.random.default_rng(size)
    for _ in range(200):
        a, b = (KINDS[kind](draw, 3).reshape(1, -1)[:, :size] for _ in range(2))
        assert compared(kind, a, b, shape=(size,)).status == PASS


WRONG = {
    "torch_default": (
        "GlorotUniform",
        lambda d, n: d.uniform(-1, 1, (n, *SHAPE)) / SHAPE[0] ** 0.5,
    ),
    "he_uniform": ("GlorotUniform", lambda d, n: glorot_uniform(d, n, np.sqrt(40 / 24))),
    "a_fifth_wider": ("GlorotUniform", lambda d, n: glorot_uniform(d, n, 1.2)),
    "one_percent_wider": ("GlorotUniform", lambda d, n: glorot_uniform(d, n, 1.02)),
    "normal_for_uniform": ("GlorotUniform", normal),
    "not_truncated": ("HeNormal", lambda d, n: d.normal(size=(n, *SHAPE)) * np.sqrt(2 / SHAPE[0])),
    "xavier_normal": ("HeNormal", lambda d, n: he_normal(d, n, np.sqrt(12 / 20) * 0.9)),
    "shifted": ("RandomNormal", lambda d, n: normal(d, n) + 0.02),
    "zeros": ("RandomNormal", lambda d, n: np.zeros((n, *SHAPE))),
    "not_orthogonal": ("Orthogonal", lambda d, n: d.normal(size=(n, *SHAPE)) / SHAPE[0] ** 0.5),
    "orthogonal_of_gain_2": ("Orthogonal", lambda d, n: orthogonal(d, n, 2.0)),
    "nan": ("Orthogonal", lambda d, n: orthogonal(d, n) * np.nan),
}


@pytest.mark.parametrize(("kind", "wrong"), WRONG.values(), ids=WRONG)
def test_another_distribution_is_caught(kind, wrong):
    draw = np.random.default_rng(5)
    caught = 0
    for _ in range(20):
        with np.errstate(invalid="ignore"):
            caught += compared(kind, KINDS[kind](draw, DRAWS), wrong(draw, DRAWS)).status == FAIL
    assert caught == 20


def test_the_form_of_a_distribution_is_told_from_20_000_numbers_on():
    """Of the same variance, and within the bound: only the form is another."""
    draw = np.random.default_rng(5)
    keras = he_normal(draw, 55).reshape(5, -1)
    torch = draw.uniform(-1, 1, keras.shape) * np.sqrt(6 / SHAPE[0])
    assert compare_draws("w", keras, torch, {"class": "HeNormal"}, (66, 64)).status == FAIL


def test_what_keras_does_not_draw_is_the_same_number():
    zeros, ones = np.zeros((5, 7)), np.ones((5, 7))
    assert compare_draws("b", zeros, zeros, {"class": "Zeros"}, (7,)).status == PASS
    assert compare_draws("b", ones, ones, None, (7,)).status == PASS
    for other in (ones, zeros + 1e-300, zeros * np.nan):
        assert compare_draws("b", zeros, other, {"class": "Zeros"}, (7,)).status == FAIL


def test_one_draw_of_a_large_model_is_compared_with_one():
    draw = np.random.default_rng(0)
    a, b = draw.normal(size=(1, 5_000)), draw.normal(size=(1, 5_000))
    assert compare_draws("w", a, b, None, (100, 50)).status == PASS
    assert compare_draws("w", a, b * 1.2, None, (100, 50)).status == FAIL


@pytest.mark.parametrize("shape", [(5, 6), (4, 7), (0, 7)], ids=["entries", "draws", "none"])
def test_other_shapes_are_refused(shape):
    a = np.random.default_rng(0).normal(size=(5, 7))
    item = compare_draws("w", a, np.resize(a, shape), None, (7,))
    # Fewer draws, as of a factory that is built once, are still draws.
    assert item.status == (PASS if shape == (4, 7) else FAIL)


def test_too_few_numbers_tell_no_distribution_and_say_so():
    item = compare_draws("w", np.array([[1.0, 2.0, 3.0]]), np.array([[7.0, 8.0, 9.0]]), None, (3,))
    assert item.status == PASS
    assert item.note == "too few numbers to tell a distribution"
