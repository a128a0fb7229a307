"""The columns of a history and their levels."""

import math

import pytest

from parity.behaviour.curves import Curves, variance
from parity.behaviour.judgement import Expectation


def curves(**columns):
    return Curves(columns, Expectation())


def test_the_fall_of_a_loss_is_measured_to_its_level():
    assert curves(loss=[2.0, 1.5, 1.0, 0.5]).fall("loss") == pytest.approx(0.75)
    assert curves(loss=[math.nan, 2.0, 1.0]).fall("loss") == pytest.approx(0.5)
    assert curves(loss=[1.0]).fall("val_loss") is None
    assert curves(loss=[0.0, 1.0]).fall("loss") is None


def test_a_running_mean_has_validation_as_its_lower_bound_and_eval_mode_has_not():
    running = curves(accuracy=[0.5], val_accuracy=[0.75])
    assert (running.running, running.train, running.gap) == (0.5, 0.75, 0.0)
    measured = curves(accuracy=[0.5], eval_accuracy=[0.625], val_accuracy=[0.75])
    assert (measured.running, measured.train, measured.gap) == (0.625, 0.625, -0.125)


def test_an_accuracy_of_exact_hits_is_dropped_at_one_percent_and_half_the_loss():
    falling = {"loss": [1.0, 0.49]}
    assert curves(accuracy=[0.0, 0.01], **falling).train is None
    assert curves(accuracy=[0.0, 0.011], **falling).train == 0.011
    assert curves(accuracy=[0.0, 0.01], loss=[1.0, 0.5]).train == 0.01


def test_half_a_sample_keeps_the_variance_above_zero():
    assert variance(1.0, 10) == pytest.approx(0.05 * 0.95 / 10)
    assert variance(0.5, 100) == pytest.approx(0.0025)
