"""A program of the table in a test: which trainings are made, and what is told of a failure."""

import shutil

import pytest
from programs_here import FOLDER
from swept import SEEDS, moved, rows

from parity import assert_parity
from parity.errors import InputError
from parity.ladder.result import Result
from parity.sweeps.rows import Sweep
from parity.testing.assertion import Settings, settings


@pytest.fixture
def project(tmp_path):
    """A project with the program of these tests; what is told of its results."""
    shutil.copytree(FOLDER, tmp_path / "mine")
    told = []
    with settings(Settings(root=tmp_path / "mine", tell=told.append)):
        yield told


@pytest.fixture
def runs(monkeypatch):
    """What would have been trained; the verdicts are those of a test."""

    def run_all(specs, options):
        run_all.specs, run_all.options = specs, options
        return [
            Result(verdict, spec.to_dict(), mode="replayed")
            for spec, verdict in zip(specs, run_all.verdicts, strict=False)
        ]

    run_all.verdicts = ["pass"] * 9
    monkeypatch.setattr("parity.runs.run.run_all", run_all)
    return run_all


def test_a_program_is_trained_with_its_own_seed(project, runs):
    result = assert_parity(program="small", level="run")
    (spec,) = runs.specs
    assert (spec.program, spec.keras, spec.arguments) == ("small", "train.py", ("3",))
    assert not spec.sets_seed
    assert result.verdict == "pass"


@pytest.mark.parametrize(("seeds", "expected"), [(2, [0, 1]), ([5, 3], [5, 3])])
def test_seeds_are_a_number_of_them_or_the_seeds(seeds, expected, project, runs):
    assert_parity(program="small", level="run", seeds=seeds)
    assert [spec.seed for spec in runs.specs] == expected
    assert all(spec.sets_seed for spec in runs.specs)


def test_the_first_training_that_fails_is_shown(project, runs):
    runs.verdicts = ["pass", "error"]
    with pytest.raises(AssertionError, match="not decided") as caught:
        assert_parity(program="small", level="run", seeds=3)
    assert "small  seed 1" in str(caught.value)
    assert [properties["verdict"] for properties in project] == ["pass", "error"]


@pytest.fixture
def swept(monkeypatch):
    """What would have been swept; the accuracies of torch are those of Keras, moved."""

    def run_sweep(specs, options, engine):
        run_sweep.specs, run_sweep.options = specs, options
        number = len(specs)
        torch = moved(SEEDS, run_sweep.shift)
        found = rows(SEEDS[:number], torch[:number], scenario="small")
        return Sweep(found, run_sweep.failures)

    run_sweep.shift, run_sweep.failures = 0.0, []
    monkeypatch.setattr("parity.sweeps.sweep.run_sweep", run_sweep)
    return run_sweep


def test_a_sweep_of_halves_that_behave_alike_passes(project, swept):
    result = assert_parity(program="small", level="sweep", seeds=8)
    assert result.verdict == "pass"
    assert [spec.seed for spec in swept.specs] == list(range(8))
    assert project == [{"verdict": "pass", "runs": 16}]


@pytest.mark.parametrize(
    ("shift", "seeds", "number", "verdict", "shown"),
    [
        (-0.1, {"seeds": 8}, 8, "no parity: fail", "small                   accuracy"),
        # Five seeds are the default, and decide nothing.
        (0.0, {}, 5, "not decided: inconclusive", "? n 6"),
    ],
    ids=["differ", "open"],
)
def test_a_sweep_of_halves_that_differ_or_of_few_seeds_fails_with_its_report(
    project, swept, shift, seeds, number, verdict, shown
):
    swept.shift = shift
    with pytest.raises(AssertionError, match=verdict) as caught:
        assert_parity(program="small", level="sweep", **seeds)
    assert len(swept.specs) == number
    assert shown in str(caught.value)


def test_the_margins_of_the_table_judge_a_sweep(project, swept, tmp_path):
    table = tmp_path / "mine" / "parity.toml"
    table.write_text("margins = {accuracy = 20, gap = 20}\n" + table.read_text())
    swept.shift = -0.1
    assert assert_parity(program="small", level="sweep", seeds=8).verdict == "pass"


def test_what_a_sweep_has_finished_is_kept_where_the_test_says(project, swept, tmp_path):
    assert_parity(program="small", level="sweep", seeds=8, out=tmp_path / "kept")
    assert swept.options.store == str(tmp_path / "kept")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"program": "smal"}, "program='smal': expected one of .* which has small, frozen"),
        ({"program": "small", "level": "loss"}, "level='loss', seeds=None: expected level='run'"),
        ({"program": "small", "level": "sweep", "seeds": 0}, "seeds=0: expected at least one"),
        ({"program": "smal", "level": "sweep"}, "program='smal': expected one of "),
        ({"program": "small", "seeds": 2}, "level='check', seeds=2: expected level='run'"),
        ({"program": "small", "level": "run", "seeds": 0}, "seeds=0: expected at least one seed"),
    ],
)
def test_what_cannot_be_used_is_told(arguments, message, project, runs):
    with pytest.raises(InputError, match=message):
        assert_parity(**arguments)
