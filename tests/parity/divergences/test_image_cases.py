"""`matrices.py --images`: random layers of images, right ports, and wrong ones by name."""

import pytest
from port_files import FEW_STEPS

from benchmarks.accuracy.matrices import run_pairs
from benchmarks.image_cases.table import FAULTS, RIGHT

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("warm_halves")]

CHECKED = (
    *("turned_on_black_each", "turned_on_black_loader", "lit_library_behind", "piped_library"),
    *("turned_by_degrees", "turned_nearest", "lit_behind", "piped_in_eval"),
)


@pytest.fixture(scope="module")
def outcomes():
    """Of some of them by name, with few frameworks started; the benchmark checks all."""
    cases = [case for case in (*RIGHT, *FAULTS) if case.name in CHECKED]
    return {each.name: each for each in run_pairs(cases, 3, workers=1, steps=FEW_STEPS)}


@pytest.mark.parametrize("name", [pair.name for pair in RIGHT if pair.name in CHECKED])
def test_a_right_port_raises_no_alarm(outcomes, name):
    assert (outcomes[name].verdict, outcomes[name].item) == ("pass", "")


@pytest.mark.parametrize(
    "fault", [fault for fault in FAULTS if fault.name in CHECKED], ids=lambda fault: fault.name
)
def test_a_wrong_port_is_caught_and_named(outcomes, fault):
    outcome = outcomes[fault.name]
    assert outcome.verdict == "fail"
    assert outcome.ids[0] in fault.ids
    assert outcome.others == ()


def test_every_fault_has_a_right_port_of_the_same_model():
    assert {fault.keras for fault in FAULTS} <= {pair.keras for pair in RIGHT}
