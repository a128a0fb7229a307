"""A sweep that has not finished is judged by its own margins, and what it lacks is counted."""

import json

import pytest
from report_folders import stored_runs, sweep_result, sweep_rows, write

from parity.errors import InputError
from parity.programs.scenarios import MARGINS, scenario
from parity.sweeps.task import Task
from parity.sweeps.unfinished import NOT_RUN, PLAN, is_superseded, sweep_of_store, write_plan

COMMAND = "parity sweep too_large cured_by_dropout"


def planned(rows):
    """Tasks of rows, with the keys under which `stored_runs` stores them."""
    return [
        Task(row.half, scenario(row.scenario).replace(seed=row.seed), f"{number:064x}")
        for number, row in enumerate(rows)
    ]


def plan(folder, rows, *, mode="independent", margins="strict"):
    write_plan(folder, planned(rows), mode=mode, margins=margins, command=COMMAND)


@pytest.mark.parametrize("mode", ["seeded", "independent"])
@pytest.mark.parametrize("margins", MARGINS)
def test_it_is_judged_by_the_margins_and_the_mode_of_its_plan(tmp_path, mode, margins):
    rows = sweep_rows(seeds=3)
    stored_runs(tmp_path, rows)
    plan(tmp_path, rows, mode=mode, margins=margins)
    result, problems = sweep_of_store(tmp_path)
    assert (result.verdict, result.mode, result.margins) == ("incomplete", mode, margins)
    assert (result.num_runs, result.failures, problems) == (12, (), ())
    limits = {row.equivalence.margin for row in result.equivalence.comparisons}
    # Of the ten epochs, 5 or 10 %.
    assert limits == ({0.005, 0.5} if margins == "strict" else {0.015, 0.02, 1.0})
    assert result.environment["command"] == COMMAND


def test_runs_of_the_plan_without_a_result_are_missing(tmp_path):
    rows = sweep_rows(seeds=8)
    plan(tmp_path, rows)
    stored_runs(tmp_path, rows[:14])  # seven seeds of the first scenario
    result, problems = sweep_of_store(tmp_path)
    assert (result.num_runs, len(result.failures), problems) == (14, len(rows) - 14, ())
    assert result.failures[0] == {
        "scenario": "too_large", "seed": 7, "half": "keras", "reason": NOT_RUN,
    }  # fmt: skip
    (verdicts,) = result.equivalence.verdicts
    assert (verdicts.num_seeds, verdicts.num_missing) == (7, 1)


def test_a_result_of_the_plan_that_is_damaged_is_missing_and_told(tmp_path):
    rows = sweep_rows(seeds=3)
    stored_runs(tmp_path, rows)
    plan(tmp_path, rows)
    key = f"{0:064x}"
    (tmp_path / "results" / key[:2] / f"{key}.json").write_text("{")
    result, problems = sweep_of_store(tmp_path)
    assert [(row["seed"], row["half"]) for row in result.failures] == [(0, "keras")]
    assert problems[0].startswith("results/00/000000000000...json cannot be used (")


def test_without_a_plan_the_visible_margins_judge_and_that_is_told(tmp_path):
    stored_runs(tmp_path, sweep_rows(seeds=3), mode="independent")
    result, problems = sweep_of_store(tmp_path)
    assert (result.verdict, result.margins, result.failures) == ("incomplete", "visible", ())
    assert problems == (
        "plan.json is missing: the visible margins judge it, and the runs that it lacks are not "
        "known",
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"margins": "0.5"}, "margins is '0.5'; expected 'visible' or 'strict'"),
        ({"runs": {"mine": {"keras": {"0": "a" * 64}}}}, "'mine', not a scenario of parity list"),
        ({"runs": {"leak": {"keras": {"x": "a" * 64}}}}, "runs.leak.keras is 'x', no seed"),
        ({"runs": {"leak": {"jax": {}}}}, "'jax'"),
        ({"runs": {"leak": {"keras": {"0": "../../x"}}}}, "'../../x'"),
    ],
)
def test_a_damaged_plan_is_told_and_the_visible_margins_judge(tmp_path, change, message):
    rows = sweep_rows(seeds=2)
    stored_runs(tmp_path, rows)
    plan(tmp_path, rows)
    found = json.loads((tmp_path / PLAN).read_text())
    write(tmp_path / PLAN, {**found, **change})
    result, problems = sweep_of_store(tmp_path)
    assert (result.margins, result.num_runs) == ("visible", 8)
    assert message in problems[0]
    assert "the visible margins judge it" in problems[0]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"half": "torch"}, "half is 'torch'; expected 'keras'"),
        ({"seed": 7}, "seed is 7; expected 0"),
        ({"batch_size": 16}, "batch_size is 16; expected 32"),
    ],
    ids=str,
)
def test_another_run_under_a_key_of_the_plan_does_not_count(tmp_path, change, told):
    rows = sweep_rows(seeds=3)
    stored_runs(tmp_path, rows)
    plan(tmp_path, rows)
    path = tmp_path / "results" / "00" / f"{0:064x}.json"
    record = json.loads(path.read_text())
    record["half"] = change.get("half", "keras")
    record["spec"] |= {name: value for name, value in change.items() if name != "half"}
    write(path, record)
    result, problems = sweep_of_store(tmp_path)
    assert [(row["seed"], row["half"]) for row in result.failures] == [(0, "keras")]
    assert problems == (
        f"results/00/000000000000...json cannot be used (it is of another run: {told})",
    )


def test_a_folder_without_a_finished_run_is_an_error(tmp_path):
    (tmp_path / "results").mkdir()
    with pytest.raises(InputError, match="no run of the sweep has finished"):
        sweep_of_store(tmp_path)


def test_a_result_is_superseded_by_the_plan_of_a_later_sweep(tmp_path):
    result = sweep_result()
    rows = [
        Task(row.half, scenario(row.scenario).replace(seed=row.seed), row.key)
        for row in result.rows
    ]
    assert not is_superseded(result, tmp_path)  # there is no plan

    def later(tasks=rows, *, mode="independent", margins="visible"):
        write_plan(tmp_path, tasks, mode=mode, margins=margins, command=COMMAND)
        return is_superseded(result, tmp_path)

    assert not later()
    assert later(margins="strict")
    assert later(mode="seeded")
    assert later(rows[:-1])
    other = rows[0].spec.replace(seed=99)
    assert later([*rows, Task("keras", other, "f" * 64)])
    # Of other code.
    assert later([Task(rows[0].half, rows[0].spec, "f" * 64), *rows[1:]])
    assert later([*rows[:-1], Task(rows[-1].half, rows[-1].spec, "0" * 64)])
