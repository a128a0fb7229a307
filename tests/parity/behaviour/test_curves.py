"""The columns of a history and their levels."""

import math

import pytest
from rows import each_row

from parity.behaviour.rules import Curves, Expectation, variance

NAN = math.nan
SQUARES = [float(number**2) for number in range(24)]

# what is known besides, the columns, and what `Curves` says of them
FACTS = [
    # a history is as long as its longest column; what is missing has no level and no gap
    ({}, {}, {"num_epochs": 0, "train": None, "val": None, "gap": None, "chance": None}),
    ({}, {"loss": [1.0, 0.5], "val_loss": [1.0]}, {"num_epochs": 2}),
    ({}, {"accuracy": [0.5]}, {"train": 0.5, "gap": None}),
    ({}, {"val_accuracy": [0.5]}, {"train": None, "val": 0.5, "gap": None}),
    # guessing is right in an even share if nothing else is known
    ({"num_classes": 4}, {}, {"chance": 0.25}),
    ({"chance": 0.3}, {}, {"chance": 0.3}),
    ({"chance": 0.3, "num_classes": 4}, {}, {"chance": 0.3}),
    # a level is a mean of a quarter of the epochs and of five at most
    *(
        ({}, {"loss": SQUARES[:length]}, {"level loss": level})
        for length, level in (
            *((3, 4), (7, 36), (8, (36 + 49) / 2), (9, (49 + 64) / 2)),
            (23, (324 + 361 + 400 + 441 + 484) / 5),
            (24, (361 + 400 + 441 + 484 + 529) / 5),
        )
    ),
    # ... or the value of a chosen epoch, or the last one that was measured
    *(({"epoch": n}, {"loss": SQUARES[:8]}, {"level loss": n**2}) for n in range(8)),
    ({}, {"loss": [1.0, 2.0, 3.0, NAN]}, {"level loss": 3.0}),
    ({}, {"loss": [NAN]}, {"level loss": None}),
    (
        {"epoch": 0},
        {"loss": [NAN, 1.0], "val_loss": [NAN, 1.0]},
        {"fall loss": None, "best_epoch": None, "val_loss_rise": None},
    ),
    # a rise is the level in units of the lowest validation loss
    *(
        ({}, {"val_loss": val_loss}, {"best_epoch": epoch, "val_loss_rise": rise})
        for val_loss, epoch, rise in (
            ([3.0, 0.5, 0.5, 0.75], 1, 1.5),
            ([NAN, 2.0, 4.0], 1, 2.0),
            ([1.0, 0.0, 1.0], 1, None),
            ([1.0, -0.5, 1.0], 1, None),
            ([], None, None),
        )
    ),
    # the plateau begins after nine tenths of the fall
    *(
        ({}, {"loss": loss}, {"plateau": plateau})
        for loss, plateau in (
            ([], None),
            ([5.0], None),
            # The first epoch ends at 2.0, and nine tenths of the second one's fall end at 1.1.
            ([2.0, 1.0], 1.9),
            ([NAN, 2.0, 1.0], None),
            ([2.0, NAN, 1.0], None),
            # A twentieth of the first loss is no fall.
            ([20.0, 19.0], None),
            ([-20.0, -21.0], None),
            ([-20.0, -30.0], 1.9),
            # Nine tenths are reached at 2, in the second epoch.
            ([20.0, 2.0, 2.0, 0.0], 2.0),
        )
    ),
    # without both accuracies and a number of samples, the gap has no interval
    ({"num_val": 10}, {"accuracy": [0.5]}, {"gap_error": None}),
    ({"num_val": 10}, {"val_accuracy": [0.5]}, {"gap_error": None}),
    ({"num_train": 10}, {"accuracy": [0.5], "val_accuracy": [0.5]}, {"gap_error": None}),
    # the fall of a loss is measured to its level
    *(
        ({}, {"loss": loss}, {"fall loss": fall, "fall val_loss": None})
        for loss, fall in (
            ([2.0, 1.5, 1.0, 0.5], 0.75),
            ([NAN, 2.0, 1.0], 0.5),
            ([0.0, 1.0], None),
            ([-1.0, -2.0], None),
        )
    ),
    # a running mean has validation as its lower bound, and eval mode has not
    (
        {},
        {"accuracy": [0.5], "val_accuracy": [0.75]},
        {"running": 0.5, "train": 0.75, "gap": 0.0},
    ),
    (
        {},
        {"accuracy": [0.5], "eval_accuracy": [0.625], "val_accuracy": [0.75]},
        {"running": 0.625, "train": 0.625, "gap": -0.125},
    ),
    # an accuracy of exact hits is dropped at one percent and half the loss
    *(
        ({}, {"accuracy": [0.0, accuracy], "loss": loss}, {"train": train})
        for accuracy, loss, train in (
            (0.01, [1.0, 0.49], None),
            (0.005, [1.0, 0.49], None),
            (0.011, [1.0, 0.49], 0.011),
            (0.01, [1.0, 0.5], 0.01),
            (0.01, [3.0, 9.0, 1.4], None),
            (0.01, [3.0, 9.0, 1.6], 0.01),
            (0.01, [], 0.01),
        )
    ),
    # several outputs have the level of each column that there is
    (
        {"outputs": ("a", "b")},
        {"val_a_accuracy": [0.5, 0.75], "val_c_accuracy": [1.0, 1.0]},
        {"of_outputs val_{}_accuracy": {"a": 0.75}},
    ),
    ({}, {"val_a_accuracy": [0.5, 0.75]}, {"of_outputs val_{}_accuracy": None}),
]


@each_row(("known", "columns", "facts"), FACTS)
def test_columns_have_these_levels(known, columns, facts):
    """A fact is named by an attribute, or by a method and the column that it is given."""
    curves = Curves(columns, Expectation(**known))
    for fact, expected in facts.items():
        name, *column = fact.replace("plateau", "epochs_to_plateau").split()
        found = getattr(curves, name)
        found = found(*column) if callable(found) else found
        assert found == (expected and pytest.approx(expected)), fact


def test_half_a_sample_keeps_the_variance_above_zero():
    assert variance(1.0, 10) == pytest.approx(0.05 * 0.95 / 10)
    assert variance(0.0, 10) == pytest.approx(0.05 * 0.95 / 10)
    assert variance(0.5, 100) == pytest.approx(0.0025)
