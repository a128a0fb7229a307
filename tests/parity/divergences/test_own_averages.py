"""Averages of weights, and of variances, are told by Keras's share, and by nothing like it."""

import numpy as np
import pytest
from own_halves import HalfByHand, own_evidence

from parity.divergences.custom_training import other_average, unbiased_variance

DRAW = np.random.default_rng(0)
W0, W1, A0 = (DRAW.normal(size=6) for _ in range(3))
SHAPES = {"net.kernel": (6,), "slow.kernel": (6,)}
KEPT = 0.9


def average(weight, share=1 - KEPT):
    return A0 + share * (weight - A0)


def half(slow, weight=W1):
    arrays = {"weights/net.kernel": W0, "weights/slow.kernel": A0}
    arrays |= {"trajectory/1/net.kernel": weight, "trajectory/1/slow.kernel": slow}
    applied = [{"optimizer": "sgd", "weights": ["net.kernel"]}]
    return HalfByHand(arrays, SHAPES, applied=applied)


def told(port, keras=None, failed=("slow.kernel",)):
    keras = keras or half(average(W1))
    evidence = own_evidence("trajectory", keras, port, [(name, 1) for name in failed])
    match = other_average(evidence)
    return match and match.detail


@pytest.mark.parametrize(
    ("slow", "text"),
    [
        (A0, "the port leaves them as they are"),
        (average(W1, 0.5), "the port keeps 0.5 and adds 0.5"),
        (average(W0), "the port adds these as they are before the step"),
        (W1, "the port keeps 0 and adds 1"),
    ],
)
def test_another_average_is_told_with_keras_share(slow, text):
    found = told(half(slow))
    assert found.startswith("Keras keeps 0.9 of slow.kernel and adds 0.1")
    assert text in found


def test_what_is_no_average_is_not_named():
    assert told(half(A0 + 0.01 * np.arange(6))) is None  # the port goes another way
    assert told(half(A0), half(A0 + 0.1)) is None  # that of Keras is none
    assert told(half(A0), failed=("slow.kernel", "net.kernel")) is None  # the weight differs, too
    assert told(half(average(W1 + 1), W1 + 1)) is None  # it follows a weight that differs


def variance(factor, calls=1, momentum=0.99):
    """A moving variance behind some batches, whose variances are taken times a factor."""
    moving = A0**2
    for number in range(calls):
        moving = momentum * moving + (1 - momentum) * factor * (W0 + number) ** 2
    node = {"weights": ["norm.moving_variance"], "config": {"momentum": momentum}}
    arrays = {"weights/norm.moving_variance": A0**2, "trajectory/1/norm.moving_variance": moving}
    return HalfByHand(arrays, {"norm.moving_variance": (6,)}, [node], applied=[])


@pytest.mark.parametrize("calls", [1, 2, 3])
def test_an_unbiased_variance_is_told_with_the_number_of_values(calls):
    keras, port = variance(1, calls), variance(48 / 47, calls)
    failed = [("norm.moving_variance", 1)]
    match = unbiased_variance(own_evidence("trajectory", keras, port, failed))
    assert match.detail == "norm.moving_variance: 48 / 47 times the variance of the batch"


@pytest.mark.parametrize("factor", [1.0, 1.0131, 0.9, 2.5])
def test_another_variance_is_not_taken_for_it(factor):
    failed = [("norm.moving_variance", 1)]
    evidence = own_evidence("trajectory", variance(1), variance(factor), failed)
    assert unbiased_variance(evidence) is None
