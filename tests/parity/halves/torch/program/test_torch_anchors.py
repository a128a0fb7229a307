"""What changes in a port between two steps of its training is counted, and told by its kind."""

import pytest
import torch

from parity.halves.torch.program.anchors import followed, num_changed, what_changed

W, V = torch.tensor([1.0, 2.0]), torch.tensor([3.0, float("nan")])
STATE = {"weights": [W], "average": [2 * W], "momentum": [V], "count of steps": [torch.ones(1)]}


@pytest.mark.parametrize(
    ("changed", "number", "told"),
    [
        ({}, 0, ""),
        ({"weights": [W + torch.tensor([0.0, 1.0])]}, 1, "weights"),
        ({"momentum": [0 * W]}, 2, "momentum (zero or gone)"),
        ({"momentum": []}, 7, "momentum (zero or gone)"),
        (
            {"weights": [2 * W], "momentum": [V + 1], "count of steps": [torch.zeros(1)]},
            4,
            "weights, momentum, count of steps (zero or gone)",
        ),
    ],
)
def test_what_changes_is_told_by_its_kind(changed, number, told):
    assert num_changed(STATE, STATE | changed) == number
    assert what_changed(STATE, STATE | changed) == told


@pytest.mark.parametrize(
    ("by", "rates", "is_kept"),
    [
        (2.0, (2.0,), True),  # the rate is half of that before
        (2.0, (1.0, 2.0), True),  # that of one group
        (1.0, (2.0,), False),  # as torch leaves it: Keras's has the former rate inside
        (2.0, (1.0,), False),
        (3.0, (2.0,), False),
    ],
)
def test_a_momentum_without_the_rate_may_follow_it(by, rates, is_kept):
    before = {"momentum": [W, 3 * W], "average": [W]}
    now = {"momentum": [by * W, by * 3 * W], "average": [W]}
    found = followed(before, now, ["momentum"], rates)
    assert found["momentum"] is (now if is_kept else before)["momentum"]
    assert followed(before, now, [], rates) == before


def test_nothing_changes_in_front_of_the_first_step():
    assert num_changed({}, STATE) == 0
