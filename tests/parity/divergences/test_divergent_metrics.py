"""A part of `matrices.py --metrics`: right metrics by hand, and wrong ones with their names."""

import pytest
from port_files import FEW_STEPS

from benchmarks.accuracy.matrices import run_pairs
from benchmarks.metric_cases.table import FAULTS, RIGHT

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("warm_halves")]

MODELS = ("classes", "yes_or_no")
_RIGHT = [pair for pair in RIGHT if pair.keras.rpartition(":")[2] in MODELS]
_WRONG = [fault for fault in FAULTS if fault.keras.rpartition(":")[2] in MODELS]


@pytest.fixture(scope="module")
def outcomes():
    """Of all of them by name, with few frameworks started."""
    return {
        each.name: each for each in run_pairs([*_RIGHT, *_WRONG], 7, workers=1, steps=FEW_STEPS)
    }


@pytest.mark.parametrize("name", [pair.name for pair in _RIGHT])
def test_a_right_metric_raises_no_alarm(outcomes, name):
    assert (outcomes[name].verdict, outcomes[name].item) == ("pass", "")


@pytest.mark.parametrize("fault", _WRONG, ids=lambda fault: fault.name)
def test_a_wrong_metric_is_caught_and_named_and_nothing_else_is(outcomes, fault):
    outcome = outcomes[fault.name]
    assert (outcome.verdict, outcome.level) == ("fail", "metrics")
    assert outcome.ids[0] in fault.ids
    assert not outcome.others


def test_every_fault_has_a_right_port_of_the_same_model():
    assert {fault.keras for fault in FAULTS} <= {pair.keras for pair in RIGHT}
