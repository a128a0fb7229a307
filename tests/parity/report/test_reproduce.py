"""The command that carries out a run again is one that the command line takes, for the same run."""

import shlex

import pytest
from helpers import commands

from parity.cli.program_specs import specs_of
from parity.programs.program_spec import ProgramSpec
from parity.programs.scenarios import PROGRAMS, SCENARIOS, scenario
from parity.report.reproduce import command_of


def settings_of(command):
    """What a command line asks for, by click's own parser."""
    words = shlex.split(command)
    assert words[:2] == ["parity", "run"]
    return commands()["run"].make_context("run", words[2:]).params


def spec_of(command):
    given = settings_of(command)
    names = ("epochs", "batch_size", "train_size", "val_size", "data", "dtype", "device", "threads")
    settings = {name: given[name] for name in (*names, "split")}
    (spec,) = specs_of(given["programs"], [given["seed"]], False, settings)
    return spec


@pytest.mark.parametrize("name", [*PROGRAMS, *list(SCENARIOS)[-3:]])
def test_a_scenario_as_it_is_needs_its_name_and_its_seed(name):
    spec = scenario(name).replace(seed=7)
    assert command_of(spec.to_dict()) == f"parity run {name} --seed 7"
    assert spec_of(command_of(spec.to_dict())) == spec


def test_what_was_changed_is_an_option_and_gives_the_same_run():
    spec = scenario("dropout").replace(
        seed=3, epochs=2, batch_size=16, dtype="float64", data="my images.npz", threads=2
    )
    command = command_of(spec.to_dict())
    assert "--data 'my images.npz'" in command
    assert spec_of(command) == spec


@pytest.mark.parametrize(
    "changes",
    [{"learning_rate": 0.01}, {"scenario": "mine"}, {"train_size": None}],
    ids=["a setting without an option", "no scenario of ours", "all that a source has"],
)
def test_what_no_command_can_say_is_a_program_that_gives_the_same_run(changes):
    spec = scenario("dropout").replace(**changes)
    program = command_of(spec.to_dict())
    assert program.startswith("from parity import RunSpec, run\n")
    kept = program.replace('run(spec, out="parity-runs")', "").replace(", run\n", "\n")
    names = {}
    exec(compile(kept, "program", "exec"), names)  # noqa: S102 - it is our own text
    assert names["spec"] == spec


def test_a_check_names_its_factories_and_what_is_not_the_default():
    spec = {
        "keras": "app.keras_model:build",
        "torch": "my port.py:build",
        "data": None,
        "seed": 0,
        "steps": 9,
        "batch_size": 4,
        "device": "cpu",
        "threads": 1,
    }
    assert command_of(spec) == (
        "parity check --keras app.keras_model:build --torch 'my port.py:build' --steps 9"
    )


def test_a_program_names_its_halves_and_what_is_not_the_default():
    spec = {
        **ProgramSpec(
            program="mine",
            keras="train.py",
            torch="port.py:build",
            arguments=("--name", "a b"),
            epochs=3,
            seed=5,
            sets_seed=True,
            threads=2,
        ).to_dict()
    }
    command = command_of(spec)
    assert command == (
        "parity run --keras train.py --torch port.py:build --epochs 3 "
        "--arguments '--name '\"'\"'a b'\"'\"'' --seed 5 --threads 2"
    )
    given = settings_of(command)
    assert shlex.split(given["arguments"]) == ["--name", "a b"]
    assert (given["keras"], given["epochs"], given["seed"]) == ("train.py", 3, 5)
