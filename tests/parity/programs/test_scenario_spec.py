"""A built-in scenario as a program: all of it follows from its settings."""

import json

import pytest
from rows import each_row

from parity.errors import InputError
from parity.programs.check_spec import probes_of
from parity.programs.program_spec import ProgramSpec
from parity.programs.run_spec import Augmentation, ReduceLR, RunSpec
from parity.programs.scenario_spec import ScenarioSpec, of_run, program_spec_from
from parity.programs.scenarios import SCENARIOS, scenario

RUNS = {
    **{name: scenario(name) for name in SCENARIOS},
    "changed": RunSpec(
        scenario="dropout",
        model="dropout",
        epochs=3,
        seed=7,
        dtype="float64",
        device="cuda:1",
        threads=3,
        augmentation=Augmentation(10, 0.1, 0.1, 0.1, 0.1, True),
        reduce_lr=ReduceLR(monitor="loss"),
    ),
}


@each_row("run", RUNS.values(), ids=RUNS)
def test_it_comes_back_from_json_as_it_was(run):
    spec = of_run(run)
    found = program_spec_from(json.loads(json.dumps(spec.to_dict())))
    assert (type(found), found, found.run) == (ScenarioSpec, spec, run)


@each_row(
    "values",
    [{"run": {"epochs": 0}}, {"run": {"epoch": 1}}, {"run": 3}, {"runs": {}}, [], None, "run"],
)
def test_what_is_no_spec_is_refused(values):
    with pytest.raises(InputError):
        program_spec_from(values)


def test_what_a_program_has_is_that_of_the_scenario():
    run = RUNS["changed"]
    spec = of_run(run)
    expected = {
        **{name: getattr(run, name) for name in ("seed", "dtype", "device", "threads")},
        **{"program": "dropout", "name": "dropout", "is_script": False, "given": (run,)},
        "keras": "parity.halves.keras.scenarios:program",
        "torch": "parity.halves.torch.scenarios:program",
        # What `fit` gets is said by the factories, which are called with the settings.
        **{"epochs": None, "batch_size": None, "data": None},
    }
    assert {name: getattr(spec, name) for name in expected} == expected
    assert spec.replace(seed=8).given == (run,)


def test_a_result_has_the_settings_of_the_scenario_and_not_those_of_a_program():
    run = RUNS["changed"]
    assert of_run(run).told() == run.to_dict()
    told = ProgramSpec(keras="app:build", torch="port:build").told()
    assert (told["keras"], "folder" in told) == ("app:build", False)


@each_row("dtype", ["float32", "float64"])
def test_its_single_batches_are_in_float64_and_those_of_a_program_as_it_is_trained(dtype):
    spec = of_run(scenario("dropout").replace(dtype=dtype))
    assert (spec.dtype, spec.probe_dtype, probes_of(spec).dtype) == (dtype, "float64", "float64")
    program = ProgramSpec(keras="app:build", torch="port:build", dtype=dtype)
    assert (program.probe_dtype, probes_of(program).dtype) == (dtype, dtype)
