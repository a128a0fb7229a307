"""By how little a rule has decided, worked out by hand."""

import pytest

from parity.ladder.anchored import close_call_text, closest_call

INF, NAN = float("inf"), float("nan")
CALLS = {
    # Improvements by 0.5, -0.25, 0.125 over the best one, less a min_delta of 0.0625.
    "an improvement": ([1.0, 0.5, 0.75, 0.375], {"min_delta": 0.0625}, (3, 0.0625)),
    # By 0.4375, and by -0.3125.
    "none": ([1.0, 0.5, 0.75], {"min_delta": 0.0625}, (2, 0.3125)),
    "the second": ([1.0, 0.75, 0.25], {}, (1, 0.25)),
    "the first of two": ([1.0, 0.75, 0.5], {}, (1, 0.25)),
    "not watched": ([1.0, 1.0, 0.75, 0.25], {"start": 2}, (3, 0.5)),
    "no number": ([1.0, NAN, 0.5], {}, (2, 0.5)),
    "no epoch": ([], {}, (0, INF)),
    "one epoch": ([1.0], {}, (0, INF)),
}


@pytest.mark.parametrize(("losses", "settings", "expected"), CALLS.values(), ids=CALLS)
def test_the_closest_call_is_the_epoch_whose_improvement_was_decided_by_least(
    losses, settings, expected
):
    assert closest_call(losses, **settings) == expected


def test_a_call_is_told_with_its_epoch_from_1_and_the_difference_of_the_halves():
    assert close_call_text("val_loss", 0.00123, 4, 0.0001) == (
        "the val_loss of the halves differ by up to 0.0012, and Keras decided on an improvement by "
        "0.0001 in epoch 5"
    )
