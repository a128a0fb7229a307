"""By how little a rule has decided, worked out by hand."""

import pytest

from parity.ladder.decisions import closest_call, told_call


def test_the_closest_call_is_the_epoch_whose_improvement_was_decided_by_least():
    # Improvements by 0.5, -0.25, 0.125 over the best one, less a min_delta of 0.0625.
    assert closest_call([1.0, 0.5, 0.75, 0.375], min_delta=0.0625) == (3, 0.0625)
    # By 0.4375, and by -0.3125.
    assert closest_call([1.0, 0.5, 0.75], min_delta=0.0625) == (2, 0.3125)


def test_the_first_epoch_is_no_call_and_the_second_may_be_the_closest():
    assert closest_call([1.0]) == (0, float("inf"))
    assert closest_call([1.0, 0.75, 0.25]) == (1, 0.25)


def test_of_calls_that_are_equally_close_the_first_is_told():
    assert closest_call([1.0, 0.75, 0.5]) == (1, 0.25)


def test_epochs_that_are_not_watched_are_no_calls():
    assert closest_call([1.0, 1.0, 0.75, 0.25], start=2) == (3, 0.5)


def test_a_loss_that_is_not_a_number_is_no_call():
    assert closest_call([1.0, float("nan"), 0.5]) == (2, 0.5)


@pytest.mark.parametrize("losses", [[], [1.0]], ids=["none", "one"])
def test_without_two_epochs_nothing_was_decided(losses):
    assert closest_call(losses) == (0, float("inf"))


def test_a_call_is_told_with_its_epoch_from_1_and_the_difference_of_the_halves():
    assert told_call("val_loss", 0.00123, 4, 0.0001) == (
        "the val_loss of the halves differ by up to 0.0012, and Keras decided on an improvement by "
        "0.0001 in epoch 5"
    )
