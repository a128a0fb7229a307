"""Every fault that is planted in the torch half is caught, where it belongs and by its name."""

import math
import os

import pytest
from faults import FAULTS, planted
from pairs import compare, keras_trace, torch_trace

from parity.programs.scenarios import scenario

SETTINGS = {"dtype": "float64", "epochs": 2, "train_size": 150, "val_size": 60}


def reference(tmp_path_factory, fault):
    """The Keras run of a fault's scenario, shared by all faults and all workers."""
    spec = scenario(fault.scenario).replace(**{**SETTINGS, **fault.settings})
    folder = tmp_path_factory.getbasetemp()
    # Above the folder of a worker lies that of one run of pytest; without workers, of all runs.
    shared = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    shared = shared / f"sensitivity-{fault.scenario}"
    keras_trace(shared, spec)
    return shared


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_caught_at_its_level_under_its_name(fault, tmp_path, tmp_path_factory):
    folder = reference(tmp_path_factory, fault)
    keras = keras_trace(folder, None)
    with planted(fault):
        torch = torch_trace(folder, tmp_path / "torch")
    levels = compare(keras, torch)
    failed = [level for level in levels if level.status == "fail"]
    assert [(level.id, level.first_failure.name) for level in failed] == [(fault.level, fault.item)]


@pytest.mark.parametrize(
    "fault",
    list({fault.scenario: fault for fault in FAULTS}.values()),
    ids=lambda fault: fault.scenario,
)
def test_without_a_fault_the_same_run_passes_every_level_and_cuts_its_rate_alike(
    fault, tmp_path, tmp_path_factory
):
    folder = reference(tmp_path_factory, fault)
    keras, torch = keras_trace(folder, None), torch_trace(folder, tmp_path / "torch")
    levels = compare(keras, torch)
    assert {level.id: level.status for level in levels if level.status != "pass"} == {}
    rates = keras.history["learning_rate"]
    assert torch.history["learning_rate"] == rates
    if fault.scenario == "capacity":
        num_cuts = len(set(rates)) - 1
        assert num_cuts >= 2
        assert math.isclose(rates[-1], 1e-3 * 0.1**num_cuts, rel_tol=1e-12)
