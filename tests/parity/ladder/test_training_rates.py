"""How far the learning rates of two trainings may be apart, and where they part."""

import numpy as np
import pytest

from parity.ladder.anchored_tolerance import Rounding, allowed_rates, compare_rates, parting
from parity.ladder.items import FAIL, PASS

ENDS = [2, 4, 6]
SCHEDULED, CONSTANT = Rounding(is_scheduled=True), Rounding(is_scheduled=False)
UNIT = 2.0**-23  # in the last place of a float32 of 1


def test_a_rate_may_differ_by_float32_and_by_four_units_of_the_largest_rate():
    found = allowed_rates(np.array([1.0, 0.5, 0.0]), SCHEDULED)
    assert found == pytest.approx([1.2e-7 + 4 * UNIT, 0.6e-7 + 4 * UNIT, 4 * UNIT], rel=1e-12)


def test_in_float32_each_change_of_the_rate_may_be_rounded():
    rates = np.array([1.0, 1.0, 0.5, 0.5, 0.25])
    by_changes = allowed_rates(rates, Rounding(in_float32=True)) - allowed_rates(rates, SCHEDULED)
    assert by_changes == pytest.approx([0, 0, 0.5 * UNIT, 0.5 * UNIT, 2 * 0.25 * UNIT], rel=1e-6)


def constant(length=6, **changes):
    """Rates of 0.5, but for some: `step_2=0.25`."""
    rates = np.full(length, 0.5)
    for step, value in changes.items():
        rates[int(step.removeprefix("step_")) - 1] = value
    return rates


CUT = np.array([1e-3, 1e-3, 1e-6, 1e-6, 1e-10, 1e-10])
OFF = CUT * np.array([1, 1, 1, 1, 1.01, 1.01])
ZEROS, FALLEN = np.zeros(6), np.array([1.0, 1.0, 0.25, 0.25])
# Rates of Keras and of the port, how they may be rounded, what their item tells, and the epoch in
# which they part.
CASES = {
    # A rate that callbacks cut is as near as it is small. Of a schedule, which ends with a rate of
    # nearly 0, that may be its rounding.
    "cut": (CUT, OFF, CONSTANT, {"status": FAIL, "step": 5, "epoch": 2}, 2),
    "scheduled": (CUT, OFF, SCHEDULED, {"status": PASS}, None),
    # Rates of zero are equal to none but themselves.
    "zeros": (ZEROS, ZEROS, SCHEDULED, {"status": PASS}, None),
    "nearly zeros": (ZEROS, np.array([0, 0, 0, 1e-200, 0, 0]), SCHEDULED, {"status": FAIL}, 1),
    # The first step with another rate is named, and not the largest difference.
    "another rate": (
        constant(), constant(step_4=0.25, step_5=0.125, step_6=0.125), SCHEDULED,
        {"status": FAIL, "name": "learning_rate", "unit": "rel", "epoch": 1, "step": 4,
         "keras": 0.5, "torch": 0.25, "worst": 0.5}, 1),
    # Of rates that agree the largest difference is told, ...
    "agreeing": (constant(), constant(step_2=0.5 + 1e-9, step_5=0.5 + 2e-9), SCHEDULED,
                 {"status": PASS, "epoch": 2, "step": 5}, None),
    # ... and of two the one nearest to its own limit: a fall of the rate makes the limit smaller,
    # but for four units of the largest rate.
    "nearest": (
        FALLEN, FALLEN + np.array([5e-7, 0, 4.6e-7, 0]), SCHEDULED,
        {"status": PASS, "step": 3, "allowed": pytest.approx(1.2e-7 + 4 * UNIT / 0.25),
         "worst": pytest.approx(4.6e-7 / 0.25)}, None),
    **{
        f"parting at step {step}": (constant(), constant(**{f"step_{step}": 0.5005}), SCHEDULED,
                                    {"status": FAIL, "epoch": epoch, "step": step}, epoch)
        for step, epoch in ((1, 0), (2, 0), (3, 1), (6, 2))
    },
    # Of trainings of different lengths the steps of both are compared.
    **{
        f"{length} steps": (constant(), constant(length), SCHEDULED, {"status": PASS}, None)
        for length in (4, 8)
    },
    # A rate that is not finite is that of both halves, or a difference.
    **{
        f"{value} of {half} at step {step}": (
            constant(**({bad: value} if half != "torch" else {})),
            constant(**({bad: value} if half != "keras" else {})), SCHEDULED,
            {"status": PASS} if half == "both" else {"status": FAIL, "step": step},
            None if half == "both" else (step - 1) // 2)
        for value in (np.nan, np.inf)
        for half in ("keras", "torch", "both")
        for step, bad in ((1, "step_1"), (4, "step_4"))
    },
}  # fmt: skip


@pytest.mark.parametrize(("keras", "torch", "rounding", "told", "epoch"), CASES.values(), ids=CASES)
def test_where_rates_differ_and_part(keras, torch, rounding, told, epoch):
    item = compare_rates(keras, torch, ENDS, rounding)
    assert {name: getattr(item, name) for name in told} == told
    assert parting(keras, torch, ENDS, rounding) == epoch


def test_rates_that_callbacks_cut_may_differ_by_float32_alone():
    assert allowed_rates(CUT, CONSTANT) == pytest.approx(1.2e-7 * CUT, rel=1e-12)


@pytest.mark.parametrize(("ours", "status"), [(0, PASS), (3, FAIL)])
def test_without_a_step_their_number_is_compared(ours, status):
    item = compare_rates(np.zeros(0), np.full(ours, 0.5), [], SCHEDULED)
    assert (item.name, item.status, item.keras, item.torch) == ("steps", status, 0, ours)
