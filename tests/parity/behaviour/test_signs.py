"""Signs of causes, each at its limit."""

import pytest

from parity.behaviour import signs
from parity.behaviour.judgement import Expectation
from parity.behaviour.rules import judge


def seen(sign, **columns):
    judgement = judge(columns, Expectation())
    return sign(signs.Observations(judgement.verdict, judgement, columns, {}, None))


@pytest.mark.parametrize(
    ("val_loss", "is_seen"),
    [
        ([1.0, 0.5, 0.55, 0.61], True),
        ([1.0, 0.5, 0.55, 0.60], False),  # 1.2 times is the noise of good fits
        ([1.0, 0.7, 0.5, 0.61], False),  # lowest after the first half
    ],
)
def test_validation_turned(val_loss, is_seen):
    assert seen(signs.validation_turned, loss=[1.0, 0.5, 0.2, 0.1], val_loss=val_loss) == is_seen


@pytest.mark.parametrize(("peak", "is_seen"), [(0.84, True), (0.825, False)])
def test_accuracy_peaked(peak, is_seen):
    columns = {"accuracy": [0.5, 0.8, 0.9, 0.95], "val_accuracy": [0.5, peak, 0.8, 0.8]}
    assert seen(signs.accuracy_peaked, **columns) == is_seen


@pytest.mark.parametrize(
    ("val", "is_seen"),
    [
        ([0.5, 0.6, 0.7, 0.6, 0.7, 0.6], True),
        ([0.5, 0.6, 0.67, 0.6, 0.67, 0.6], False),  # steps of 0.07
        ([0.1, 0.3, 0.5, 0.7, 0.9, 0.95], False),  # rises, and does not jump
    ],
)
def test_validation_jumps(val, is_seen):
    assert seen(signs.validation_jumps, accuracy=val, val_accuracy=val) == is_seen


@pytest.mark.parametrize(("first", "is_seen"), [(0.29, True), (0.31, False)])
def test_apart_from_the_start(first, is_seen):
    columns = {"accuracy": [0.5, 0.8, 0.9], "val_accuracy": [first, 0.3, 0.3]}
    assert seen(signs.apart_from_the_start, **columns) == is_seen


def test_percent_is_seen_as_fractions():
    columns = {"accuracy": [50.0, 80.0, 90.0], "val_accuracy": [29.0, 30.0, 30.0]}
    assert seen(signs.apart_from_the_start, **columns)


@pytest.mark.parametrize(("loss", "is_seen"), [(1.39, True), (1.38, False)])
def test_a_penalty_is_more_than_accuracy_explains(loss, is_seen):
    # All right at the loss of a half each is log 2 = 0.693, twice: 1.386.
    assert seen(signs.has_penalty, accuracy=[0.9, 1.0], loss=[3.0, loss]) == is_seen


def test_a_flat_loss_and_one_that_jumps():
    assert seen(signs.loss_is_flat, loss=[2.5, 2.3026, 2.3026, 2.3027])
    assert not seen(signs.loss_is_flat, loss=[2.5, 2.30, 2.29, 2.28])
    assert seen(signs.loss_jumps, loss=[2.0, 2.2, 1.9, 2.1, 1.8])
    assert not seen(signs.loss_jumps, loss=[2.0, 1.9, 1.8, 1.85, 1.7])
