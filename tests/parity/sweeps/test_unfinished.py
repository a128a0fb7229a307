"""A sweep that has not finished is judged by its own margins, and what it lacks is counted."""

import json
import re
from dataclasses import replace

import pytest
from changes import REMOVED, changed
from report_folders import stored_run, stored_runs, sweep_result, sweep_rows, write
from rows import each_row

from parity.errors import InputError
from parity.programs.scenarios import MARGINS, scenario
from parity.sweeps.stored_run import UNLIKE_FED
from parity.sweeps.task import Task
from parity.sweeps.unfinished import NOT_RUN, PLAN, is_superseded, sweep_of_store, write_plan

COMMAND = "parity sweep too_large cured_by_dropout"


def key_of(number):
    """The key under which `stored_runs` stores a row."""
    return f"{number:064x}"


def plan(folder, rows, *, mode="independent", margins="strict"):
    tasks = [
        Task(row.half, scenario(row.scenario).replace(seed=row.seed), key_of(number))
        for number, row in enumerate(rows)
    ]
    write_plan(folder, tasks, mode=mode, margins=margins, command=COMMAND)


def ended(folder, *, seeds=3, record=None, **planned):
    """A folder with a plan, of which every run has ended; their records may have changes."""
    rows = sweep_rows(seeds=seeds)
    stored_runs(folder, rows, **(record or {}))
    plan(folder, rows, **planned)
    return rows


def record_of(folder, number):
    return folder / "results" / "00" / f"{key_of(number)}.json"


def edit(path, place, value):
    write(path, changed(json.loads(path.read_text()), place, value))


@pytest.mark.parametrize("mode", ["seeded", "independent"])
@pytest.mark.parametrize("margins", MARGINS)
def test_it_is_judged_by_the_margins_and_the_mode_of_its_plan(tmp_path, mode, margins):
    ended(tmp_path, mode=mode, margins=margins)
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
    seed_8 = {"scenario": "too_large", "seed": 7}
    assert [row for row in result.failures if row.items() >= seed_8.items()] == [
        {**seed_8, "half": half, "reason": NOT_RUN} for half in ("keras", "torch")
    ]
    (verdicts,) = result.equivalence.verdicts
    assert (verdicts.num_seeds, verdicts.num_missing) == (7, 1)


def test_runs_that_are_not_of_the_plan_do_not_count(tmp_path):
    plan(tmp_path, ended(tmp_path, seeds=4)[:8])
    result, _ = sweep_of_store(tmp_path)
    assert (result.num_runs, {row.scenario for row in result.rows}) == (8, {"too_large"})


def test_without_a_plan_the_visible_margins_judge_and_that_is_told(tmp_path):
    stored_runs(tmp_path, sweep_rows(seeds=3), mode="independent")
    result, problems = sweep_of_store(tmp_path)
    assert (result.verdict, result.margins, result.failures) == ("incomplete", "visible", ())
    assert problems == (
        "plan.json is missing: the visible margins judge it, and the runs that it lacks are not "
        "known",
    )


@each_row(
    ("place", "value", "message"),
    [
        (("margins",), "0.5", "margins is '0.5'; expected 'visible' or 'strict'"),
        (("runs", "mine"), {"keras": {"0": "a" * 64}}, "'mine', not a scenario of parity list"),
        (("runs", "leak"), {"keras": {"x": "a" * 64}}, "runs.leak.keras is 'x', no seed"),
        (("runs", "leak"), {"jax": {}}, "'jax'"),
        (("runs", "leak"), {"keras": {"0": "../../x"}}, "'../../x'"),
    ],
)
def test_a_damaged_plan_is_told_and_the_visible_margins_judge(tmp_path, place, value, message):
    ended(tmp_path, seeds=2)
    edit(tmp_path / PLAN, place, value)
    result, problems = sweep_of_store(tmp_path)
    assert (result.margins, result.num_runs) == ("visible", 8)
    assert re.search(f"{re.escape(message)}.*; the visible margins judge it", problems[0])


def test_a_port_that_was_fed_other_data_than_keras_is_missing_with_the_reason(tmp_path):
    rows = ended(tmp_path, seeds=2)
    number = [row.half for row in rows].index("torch")
    edit(record_of(tmp_path, number), ("data_sha256", "x_train"), "f" * 64)
    run = {"scenario": rows[number].scenario, "seed": rows[number].seed, "half": "torch"}
    assert sweep_of_store(tmp_path)[0].failures == ({**run, "reason": UNLIKE_FED},)


@each_row(("first", "second", "later"), [(5.0, 4.0, 0.7), (4.0, 5.0, 0.6), (5.0, 5.0, 0.7)])
def test_of_two_records_of_a_run_the_later_one_counts(tmp_path, first, second, later):
    row = sweep_rows(scenarios=("too_large",), seeds=1)[0]
    for key, started, accuracy in (("a" * 64, first, 0.7), ("b" * 64, second, 0.6)):
        told = stored_run(row) | {"key": key, "run": {"wall_s": 1.0, "started": started}}
        told["history"]["val_accuracy"] = [accuracy] * 10
        write(tmp_path / "results" / key[:2] / f"{key}.json", told)
    (found,) = sweep_of_store(tmp_path)[0].rows
    assert found.judgement.val_accuracy == pytest.approx(later)


def test_a_record_of_no_known_scenario_is_told_and_the_others_are_kept(tmp_path):
    stored_runs(tmp_path, sweep_rows(scenarios=("too_large",), seeds=2))
    edit(record_of(tmp_path, 1), ("spec", "scenario"), "mine")
    result, problems = sweep_of_store(tmp_path)
    assert problems[1:] == ("mine seed 0 torch: not a scenario of parity list",)
    assert result.num_runs == 3


@each_row(
    ("keras", "torch", "mode"),
    [
        (["independent"], ["seeded"], "seeded"),
        (["seeded"], ["independent"], "independent"),
        ([], ["seeded", "seeded"], "seeded"),
        ([], ["seeded", "independent"], "independent"),
        (["seeded"], [], "independent"),
    ],
)
def test_without_a_plan_the_mode_is_that_of_the_ports_if_all_have_the_same(
    tmp_path, keras, torch, mode
):
    modes = {"keras": keras, "torch": torch}
    for number, row in enumerate(sweep_rows(scenarios=("too_large",), seeds=2)):
        for own in modes[row.half][row.seed : row.seed + 1]:
            write(record_of(tmp_path, number), stored_run(row, mode=own) | {"key": key_of(number)})
    assert sweep_of_store(tmp_path)[0].mode == mode


@each_row(
    ("place", "value", "told"),
    [
        (("half",), "torch", "it is of another run: half is 'torch'; expected 'keras'"),
        (("spec", "seed"), 7, "it is of another run: seed is 7; expected 0"),
        (("spec", "batch_size"), 16, "it is of another run: batch_size is 16; expected 32"),
        (("history", "loss"), REMOVED, ".*history has no 'loss'"),
    ],
)
def test_a_damaged_record_or_that_of_another_run_under_a_key_of_the_plan_does_not_count(
    tmp_path, place, value, told
):
    ended(tmp_path)
    edit(record_of(tmp_path, 0), place, value)
    result, (problem,) = sweep_of_store(tmp_path)
    assert [(row["seed"], row["half"]) for row in result.failures] == [(0, "keras")]
    assert re.fullmatch(rf"results/00/0{{12}}\.\.\.json cannot be used \({told}\)", problem)


def test_a_plan_of_an_earlier_version_binds_half_and_seed_alone(tmp_path):
    ended(tmp_path, record={"batch_size": 16})
    edit(tmp_path / PLAN, ("settings",), REMOVED)
    assert sweep_of_store(tmp_path)[0].failures == ()


def test_runs_of_equal_content_count_under_every_name(tmp_path):
    """A run that another scenario has begun is the same run."""
    for number in range(len(ended(tmp_path))):
        edit(record_of(tmp_path, number), ("spec", "scenario"), "mine")
    assert sweep_of_store(tmp_path)[0].num_runs == 12


def test_a_folder_without_a_finished_run_is_an_error(tmp_path):
    (tmp_path / "results").mkdir()
    with pytest.raises(InputError, match="no run of the sweep has finished"):
        sweep_of_store(tmp_path)


def test_a_result_is_superseded_by_the_plan_of_a_later_sweep(tmp_path):
    result = sweep_result()
    first, *rest, last = tasks = [
        Task(row.half, scenario(row.scenario).replace(seed=row.seed), row.key)
        for row in result.rows
    ]
    another = Task("keras", first.spec.replace(seed=99), "f" * 64)
    assert not is_superseded(result, tmp_path)  # there is no plan
    for later, mode, margins, expected in (
        (tasks, "independent", "visible", False),
        (tasks, "independent", "strict", True),
        (tasks, "seeded", "visible", True),
        ([first, *rest], "independent", "visible", True),
        ([*tasks, another], "independent", "visible", True),
        # Of other code.
        ([replace(first, key="f" * 64), *rest, last], "independent", "visible", True),
        ([first, *rest, replace(last, key="0" * 64)], "independent", "visible", True),
    ):
        write_plan(tmp_path, later, mode=mode, margins=margins, command=COMMAND)
        assert is_superseded(result, tmp_path) is expected
