"""What changes in a port between two steps of its training is counted, and told by its kind."""

import pytest
import torch

from parity.halves.torch.program.anchors import num_changed, what_changed

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


def test_nothing_changes_in_front_of_the_first_step():
    assert num_changed({}, STATE) == 0
