"""A sweep that has not finished is judged by its own margins, and what it lacks is counted."""

import json

import pytest
from report_folders import stored_run, stored_runs, sweep_result, sweep_rows, write

from parity.errors import InputError
from parity.programs.scenarios import MARGINS, scenario
from parity.sweeps.stored_run import UNLIKE_FED
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


def test_runs_that_are_not_of_the_plan_do_not_count(tmp_path):
    rows = sweep_rows(seeds=4)
    stored_runs(tmp_path, rows)
    plan(tmp_path, rows[:8])
    result, _ = sweep_of_store(tmp_path)
    assert (result.num_runs, {row.scenario for row in result.rows}) == (8, {"too_large"})


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


def test_a_port_that_was_fed_other_data_than_keras_is_missing_with_the_reason(tmp_path):
    rows = sweep_rows(seeds=2)
    stored_runs(tmp_path, rows)
    number = next(n for n, row in enumerate(rows) if row.half == "torch")
    path = tmp_path / "results" / "00" / f"{number:064x}.json"
    path.write_text(path.read_text().replace("0" * 63 + '0"}', "f" * 64 + '"}'))
    result, _ = sweep_of_store(tmp_path)
    (lost,) = result.failures
    assert (lost["scenario"], lost["half"]) == (rows[number].scenario, "torch")
    assert lost["reason"] == UNLIKE_FED


@pytest.mark.parametrize(
    ("first", "second", "later"), [(5.0, 4.0, 0.7), (4.0, 5.0, 0.6), (5.0, 5.0, 0.7)]
)
def test_of_two_records_of_a_run_the_later_one_counts(tmp_path, first, second, later):
    row = sweep_rows(scenarios=("too_large",), seeds=1)[0]
    for key, started, accuracy in (("a" * 64, first, 0.7), ("b" * 64, second, 0.6)):
        told = stored_run(row) | {"key": key, "run": {"wall_s": 1.0, "started": started}}
        told["history"]["val_accuracy"] = [accuracy] * 10
        write(tmp_path / "results" / key[:2] / f"{key}.json", told)
    (found,) = sweep_of_store(tmp_path)[0].rows
    assert found.judgement.val_accuracy == pytest.approx(later)


def test_a_record_of_no_known_scenario_is_told_and_the_others_are_kept(tmp_path):
    rows = sweep_rows(scenarios=("too_large",), seeds=2)
    stored_runs(tmp_path, rows)
    key = f"{1:064x}"
    path = tmp_path / "results" / key[:2] / f"{key}.json"
    record = json.loads(path.read_text())
    record["spec"]["scenario"] = "mine"
    write(path, record)
    result, problems = sweep_of_store(tmp_path)
    assert problems[1:] == ("mine seed 0 torch: not a scenario of parity list",)
    assert result.num_runs == 3


@pytest.mark.parametrize(
    ("keras", "torch", "mode"),
    [
        (["independent"], ["seeded"], "seeded"),
        (["seeded"], ["independent"], "independent"),
        ([], ["seeded", "seeded"], "seeded"),
        ([], ["seeded", "independent"], "independent"),
        (["seeded"], [], "independent"),
    ],
    ids=str,
)
def test_without_a_plan_the_mode_is_that_of_the_ports_if_all_have_the_same(
    tmp_path, keras, torch, mode
):
    modes = {"keras": keras, "torch": torch}
    rows = sweep_rows(scenarios=("too_large",), seeds=2)
    for number, row in enumerate(rows):
        if row.seed < len(modes[row.half]):
            record = stored_run(row, mode=modes[row.half][row.seed])
            key = f"{number:064x}"
            write(tmp_path / "results" / key[:2] / f"{key}.json", record | {"key": key})
    assert sweep_of_store(tmp_path)[0].mode == mode


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


def test_a_plan_of_an_earlier_version_binds_half_and_seed_alone(tmp_path):
    rows = sweep_rows(seeds=3)
    stored_runs(tmp_path, rows, batch_size=16)
    plan(tmp_path, rows)
    found = json.loads((tmp_path / PLAN).read_text())
    del found["settings"]
    write(tmp_path / PLAN, found)
    assert sweep_of_store(tmp_path)[0].failures == ()


def test_runs_of_equal_content_count_under_every_name(tmp_path):
    """A run that another scenario has begun is the same run."""
    rows = sweep_rows(scenarios=("too_large",), seeds=3)
    stored_runs(tmp_path, rows)
    for path in (tmp_path / "results").rglob("*.json"):
        record = json.loads(path.read_text())
        record["spec"]["scenario"] = "mine"
        write(path, record)
    plan(tmp_path, rows)
    assert sweep_of_store(tmp_path)[0].num_runs == 6


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
