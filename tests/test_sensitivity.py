"""Every fault that is planted in the torch half is caught, where it belongs and by its name."""

import math

import pytest
from faults import FAULTS, planted
from pairs import compared_with, levels_not_passed, shared_run

from parity.programs.scenarios import scenario

SETTINGS = {"dtype": "float64", "epochs": 2, "train_size": 70, "val_size": 30}


def reference(tmp_path_factory, fault):
    """The folder of the Keras run of a fault's scenario."""
    spec = scenario(fault.scenario).replace(**{**SETTINGS, **fault.settings})
    return shared_run(tmp_path_factory, spec)


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_caught_at_its_level_under_its_name(fault, tmp_path, tmp_path_factory):
    folder = reference(tmp_path_factory, fault)
    with planted(fault):
        result = compared_with(folder, tmp_path / "run")
    assert result.verdict == "fail"
    first = result.divergences[0]
    assert first.level == fault.level
    assert fault.item in ("", first.item.name)
    assert next((cause["id"] for cause in first.causes), None) == fault.cause
    # What the first difference explains is no divergence of its own.
    others = {each.level for each in result.divergences[1:]}
    assert others <= {fault.level, "metrics"}


@pytest.mark.long
@pytest.mark.parametrize(
    "fault",
    list({fault.scenario: fault for fault in FAULTS}.values()),
    ids=lambda fault: fault.scenario,
)
def test_without_a_fault_the_same_run_passes_every_level_and_cuts_its_rate_alike(
    fault, tmp_path, tmp_path_factory
):
    folder = reference(tmp_path_factory, fault)
    result = compared_with(folder, tmp_path / "run")
    assert levels_not_passed(result) == {}
    assert (result.verdict, result.divergences) == ("pass", ())
    if fault.scenario == "capacity":
        rates = result.history["keras"]["learning_rate"]
        assert result.history["torch"]["learning_rate"] == rates
        num_cuts = len(set(rates)) - 1
        assert num_cuts >= 2
        assert math.isclose(rates[-1], 1e-3 * 0.1**num_cuts, rel_tol=1e-12)
