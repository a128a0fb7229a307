"""A part of `matrices.py --losses`: right ports with several losses, and wrong ones, by name."""

import pytest
from port_files import FEW_STEPS

from benchmarks.accuracy.matrices import run_pairs
from benchmarks.loss_cases.table import FAULTS, RIGHT

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("warm_halves")]


@pytest.fixture(scope="module")
def outcomes():
    """Of all of them by name, with few frameworks started."""
    return {each.name: each for each in run_pairs([*RIGHT, *FAULTS], 3, workers=1, steps=FEW_STEPS)}


@pytest.mark.parametrize("name", [pair.name for pair in RIGHT])
def test_a_right_port_raises_no_alarm(outcomes, name):
    assert (outcomes[name].verdict, outcomes[name].item) == ("pass", "")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_wrong_loss_is_caught_at_its_level_and_named(outcomes, fault):
    outcome = outcomes[fault.name]
    assert (outcome.verdict, outcome.level) == ("fail", fault.level)
    assert outcome.ids[0] in fault.ids


def test_every_fault_has_a_right_port_of_the_same_model():
    assert {fault.keras for fault in FAULTS} <= {pair.keras for pair in RIGHT}
