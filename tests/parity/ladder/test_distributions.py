"""The formulas of Keras's initialisers: bound, spread and form, and p values that are uniform."""

import math

import numpy as np
import pytest
from scipy import stats

from parity.ladder.initial_weights import Law, fans, law_of, p_values, two_sample_p_values

KERNEL = (3, 3, 4, 8)  # fan in 36, fan out 72


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5, 7), (5, 7)),
        ((6,), (6, 6)),
        ((), (1, 1)),
        (KERNEL, (36, 72)),
        ((3, 3, 4, 1), (36, 9)),  # depthwise: every channel counts, unlike in torch
        ((5, 2, 3), (10, 15)),
    ],
)
def test_fans_are_those_of_keras(shape, expected):
    assert fans(shape) == expected


@pytest.mark.parametrize(
    ("config", "bound", "deviation"),
    [
        ({"class": "GlorotUniform"}, math.sqrt(6 / 108), math.sqrt(2 / 108)),
        ({"class": "HeUniform"}, math.sqrt(6 / 36), math.sqrt(2 / 36)),
        ({"class": "LecunUniform"}, math.sqrt(3 / 36), math.sqrt(1 / 36)),
        ({"class": "GlorotNormal"}, 2 * math.sqrt(2 / 108) / 0.87962566, math.sqrt(2 / 108)),
        ({"class": "HeNormal"}, 2 * math.sqrt(2 / 36) / 0.87962566, math.sqrt(2 / 36)),
        ({"class": "LecunNormal"}, 2 * math.sqrt(1 / 36) / 0.87962566, math.sqrt(1 / 36)),
        ({"class": "RandomUniform", "minval": -0.1, "maxval": 0.3}, 0.2, 0.4 / math.sqrt(12)),
        ({"class": "RandomNormal", "mean": 1, "stddev": 0.5}, math.inf, 0.5),
        ({"class": "TruncatedNormal", "mean": 0, "stddev": 0.5}, 1.0, 0.5 * 0.87962566),
        (
            {
                "class": "VarianceScaling",
                "scale": 3,
                "mode": "fan_out",
                "distribution": "untruncated_normal",
            },
            math.inf,
            math.sqrt(3 / 72),
        ),
        ({"class": "Orthogonal", "gain": 2}, 2.0, 2 / 6),
        (
            {"class": "GlorotUniform", "input_axes": [2], "output_axes": [3]},
            math.sqrt(6 / 12),
            math.sqrt(2 / 12),
        ),
    ],
    ids=lambda value: value["class"] if isinstance(value, dict) else "",
)
def test_bound_and_spread_follow_from_keras_formula(config, bound, deviation):
    law = law_of(config, KERNEL)
    assert law.bound == pytest.approx(bound, rel=1e-8)
    assert law.deviation == pytest.approx(deviation, rel=1e-8)


@pytest.mark.parametrize(
    "config",
    [
        None,
        {"class": "Zeros"},
        {"class": "nets.MyInitializer", "stddev": 1},
        {"class": "RandomNormal"},
        {"class": "RandomNormal", "mean": 0, "stddev": 0},
        {"class": "RandomNormal", "mean": 0, "stddev": "wide"},
        {"class": "VarianceScaling", "scale": 1, "mode": "fan_none", "distribution": "uniform"},
        {"class": "GlorotUniform", "input_axes": [9], "output_axes": [3]},
    ],
)
def test_what_has_no_known_formula_has_no_law(config):
    assert law_of(config, KERNEL) is None


LAWS = {
    "uniform": (Law("uniform", 0.2, 0.5), lambda d, n: d.uniform(-0.3, 0.7, n)),
    "normal": (Law("normal", 0.1, 0.5), lambda d, n: d.normal(0.1, 0.5, n)),
    "truncated": (
        Law("truncated", 0.0, 0.5),
        lambda d, n: stats.truncnorm(-2, 2, scale=0.5).rvs(n, random_state=d),
    ),
    "orthogonal": (
        Law("orthogonal", 0.0, 2.0, 5),
        lambda d, n: (lambda x: 2 * x[:, 0] / np.linalg.norm(x, axis=1))(d.normal(size=(n, 5))),
    ),
}


@pytest.mark.parametrize("kind", LAWS)
def test_the_cdf_is_that_of_the_numbers(kind):
    law, draw = LAWS[kind]
    values = draw(np.random.default_rng(0), 20_000)
    assert stats.kstest(values, law.cdf).pvalue > 0.01
    assert values.std() == pytest.approx(law.deviation, rel=0.03)
    assert np.abs(values - law.center).max() <= law.bound


@pytest.mark.parametrize("kind", ["uniform", "normal", "truncated"])
def test_every_p_value_is_uniform_for_right_numbers(kind):
    """500 samples of 12: shares of p below 0.1 and 0.01 within four of their deviations."""
    law, draw = LAWS[kind]
    generator = np.random.default_rng(12)
    found = [p_values(law, draw(generator, 12)) for _ in range(500)]
    for test in ("form", "spread", "extremes"):
        p = np.array([each[test] for each in found])
        for level in (0.1, 0.01):
            assert abs((p < level).mean() - level) < 4 * math.sqrt(level / 500), test


def test_the_two_sample_tests_are_no_more_often_wrong_than_they_say():
    draw = np.random.default_rng(3)
    found = [two_sample_p_values(draw.normal(size=60), draw.normal(size=90)) for _ in range(500)]
    for test in ("form", "spread", "extremes"):
        p = np.array([each[test] for each in found])
        for level in (0.1, 0.01):
            assert (p < level).mean() < level + 4 * math.sqrt(level / 500), test


def test_extremes_of_one_sample_alone_are_unlikely():
    """The 10 farthest of 20 values are all of one sample of 10: by 2 / (20 over 10)."""
    a, b = np.arange(10) / 100 - 0.05, np.array([5.0, -5] * 5) * np.arange(1, 11)
    assert two_sample_p_values(a, b)["extremes"] == pytest.approx(2 / math.comb(20, 10))


def test_a_narrower_uniform_port_is_told_by_its_greatest_value():
    """U(±0.354) for U(±0.414): 96 values pass Kolmogorov and Smirnov, (0.354 / 0.414)**96 not."""
    values = np.linspace(-0.354, 0.354, 96)
    found = p_values(Law("uniform", 0.0, 0.414), values)
    assert found["extremes"] == pytest.approx((0.354 / 0.414) ** 96)
    assert found["form"] > 1e-5


def test_a_value_beyond_the_bound_is_impossible_but_for_rounding_to_float32():
    law = Law("uniform", 0.0, 0.1)
    assert p_values(law, np.array([0.05, 0.1001]))["extremes"] == 0
    assert p_values(law, np.array([0.05, float(np.float32(0.1))]))["extremes"] > 0.9
