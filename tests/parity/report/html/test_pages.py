"""What the pages of the different results say."""

import dataclasses
import math

import bench_results
from checked import level, result_of
from page_parts import blocks, cells, section
from report_folders import (
    check_result,
    diagnosis_folder,
    error_folder,
    run_folder,
    run_spec,
    stored_runs,
    sweep_folder,
    sweep_result,
)
from result_samples import (
    CAUSE,
    PLACE,
    accepted_check,
    incomplete_check,
    passing_check,
)
from result_samples import sweep as made_sweep

from parity.ladder.items import PASS
from parity.ladder.result import Found
from parity.report.html.bench_page import bench_page
from parity.report.html.diagnosis_page import diagnosis_page
from parity.report.html.page import Code, Picture, Table
from parity.report.html.pair_page import pair_page
from parity.report.html.render import render
from parity.report.html.run_page import run_page
from parity.report.html.runs_page import runs_page
from parity.report.html.seed_curves import seed_pictures
from parity.report.html.sweep_page import sweep_page
from parity.report.read import FoundRun, find, read_run
from parity.report.seed_histories import seed_histories


def test_a_check_leads_with_its_cause_and_the_fix():
    page = run_page(FoundRun(None, check_result()))
    assert page.sentence == (
        "The port differs from Keras: epsilon of Adam is torch's (F2). 2 of 2 levels compared."
    )
    assert page.divergences.title == "1 divergence"
    (found,) = page.divergences.found
    (cause,) = found.causes
    assert cause.title == "F2 adam-epsilon-placement: epsilon of Adam is torch's"
    assert cause.confidence == "99 %"
    assert cause.fix == "torch_impl.optim.Adam(..., epsilon=1e-7)"
    codes = {code.label: code.text for code in blocks(page, Code)}
    assert codes["Command"] == "parity check --keras app:build --torch port.py:build"


def test_several_runs_are_a_table_with_the_gravest_first(tmp_path):
    run_folder(tmp_path / "good")
    run_folder(tmp_path / "bad", failing="init")
    error_folder(tmp_path / "ugly")
    (tmp_path / "good" / "report.html").touch()
    found = find(tmp_path)
    page = runs_page(found.runs, (), tmp_path)
    table = section(page, "runs").blocks[0]
    assert [row[1] for row in cells(table)] == ["error", "fail", "pass"]
    assert [row[0].link for row in table.rows] == ["", "", "good/report.html"]
    assert page.verdict == "error"
    assert page.divergences.found[0].place.startswith("init: conv2d.kernel")
    (commands,) = section(page, "again").blocks
    assert commands.text == "parity run dropout --seed 42 --epochs 3 --dtype float64"
    assert page.sentence == (
        "1 of 3 runs differ; dropout, seed 42 fails at init; 1 run without a comparison; "
        "22 of 22 levels compared in all."
    )


def test_two_runs_beside_each_other_tell_what_was_changed(tmp_path):
    run_folder(tmp_path / "before")
    passing = read_run(tmp_path / "before")
    run_folder(tmp_path / "now", spec=run_spec(seed=43), failing="forward")
    page = pair_page(passing, read_run(tmp_path / "now"))
    assert page.sentence == "The verdict is worse: pass before, fail now."
    settings = cells(section(page, "settings").blocks[0])
    assert ["seed", "42", "43"] in settings
    rows = {row[0]: row[1:] for row in cells(section(page, "levels").blocks[0])}
    assert rows["forward"][0:3:2] == ["pass", "fail"]
    assert rows["forward"][-1] == "new"
    same = pair_page(passing, passing)
    assert same.sentence == "The verdict has not changed: pass before and now."


def test_a_sweep_draws_every_quantity_and_every_seed():
    page = sweep_page(sweep_result(seeds=9))
    assert (page.verdict, page.look) == ("pass", "pass")
    drawings = [each.caption for each in blocks(page, Picture)]
    assert len(drawings) == len(set(drawings)) == 7  # 3 levels, an effect, and 3 of the seeds
    facts = {fact.name: fact.value for fact in page.facts}
    assert (facts["Keras"], facts["PyTorch"]) == ("keras 3.15.1", "torch 2.13.0")
    assert section(page, "again").blocks[0].text == "parity sweep too_large"
    table = section(page, "verdicts").blocks[0]
    assert cells(table)[0][:4] == ["too_large", "overfit", "overfit 9/9", "overfit 9/9"]


def test_a_sweep_that_differs_says_in_what():
    page = sweep_page(sweep_result(shift=0.08))
    assert page.verdict == "fail"
    assert page.sentence.startswith("The two halves behave differently: accuracy of too_large, ")


def test_runs_that_did_not_train_have_a_table_if_there_are_any():
    page = sweep_page(made_sweep("inconclusive", collapsed=(0, 1, "inconclusive")))
    (table,) = section(page, "collapses").blocks
    # Torch minus Keras: the interval of the sample is symmetric.
    assert cells(table) == [
        ["leak", "inconclusive", "0 of 10", "1 of 10", "0", "0", "-25% to +25%", "±10%", "1"]
    ]
    assert section(sweep_page(made_sweep()), "collapses") is None
    different = sweep_page(made_sweep("fail", collapsed=(0, 9, "different")))
    assert "share of runs of leak that did not train" in different.sentence


def test_missing_runs_are_listed_with_their_reasons():
    lost = {"scenario": "leak", "seed": 3, "half": "torch", "reason": "out of memory"}
    page = sweep_page(sweep_result(failures=[lost]))
    assert (page.verdict, page.look) == ("incomplete", "warn")
    assert cells(section(page, "missing").blocks[0]) == [["leak", "3", "torch", "out of memory"]]


def test_a_benchmark_shows_medians_ratios_and_what_was_not_measured():
    found = bench_results.noisy(3, speed=1.7, noise=0.0)
    lost = bench_results.row("torch-own", status="failed", reason="out of memory")
    page = bench_page(dataclasses.replace(found, rows=(*found.rows, lost)))
    assert page.verdict == "incomplete"
    assert page.sentence.startswith("PyTorch trains 1.70 times as fast as keras (1.70 to 1.70;")
    rows = {row[0]: row for row in cells(blocks(page, Table)[0])}
    assert rows["torch"][2] == "1,700"
    assert rows["torch-own"][1] == "failed"
    assert rows["torch-own"][-1] == "out of memory"


def test_an_interrupted_benchmark_is_amber_and_says_so():
    page = bench_page(dataclasses.replace(bench_results.noisy(3), is_finished=False))
    assert (page.verdict, page.look) == ("incomplete", "warn")
    (problem,) = page.problems
    assert problem.startswith("The benchmark was interrupted: ")


def test_a_diagnosis_leads_with_its_causes(tmp_path):
    found = diagnosis_folder(tmp_path)
    page = diagnosis_page(found)
    assert page.verdict == "overfit"
    assert [row[0] for row in cells(section(page, "causes").blocks[0])] == [
        entry.cause.title for entry in found.causes
    ]
    assert len(section(page, "curves").blocks) == 2


def test_a_level_of_a_check_has_no_advice_for_runs():
    result = result_of(level("forward", worst=1.0))
    (found,) = run_page(FoundRun(None, result)).divergences.found
    assert found.causes == ()
    assert found.note == (
        "No known divergence explains these numbers; `parity list divergences` lists all."
    )


def several(**changes):
    """A check with three divergences: the second is not known, the third accepted."""
    levels = (
        level("init", worst=0.5, item="dense.bias"),
        level("forward", worst=0.25),
        level("loss", worst=0.125, item="loss"),
        level("schedule", worst=0.75, item="learning_rate"),
    )
    rate = dataclasses.replace(levels[-1].items[0], accepted=True)
    levels = (*levels[:-1], dataclasses.replace(levels[-1], status=PASS, items=(rate,)))
    init, forward, _, schedule = (Found(each.id, each.items[0]) for each in levels)
    init = dataclasses.replace(init, causes=(CAUSE, {**CAUSE, "id": "A7", "confidence": 0.6}))
    forward = dataclasses.replace(forward, items=("conv.kernel", "conv (eval)"), place=PLACE)
    accepted = dataclasses.replace(schedule, causes=(CAUSE,), is_accepted=True)
    fields = {
        "divergences": (accepted, init, forward),
        "inherited": (("loss", ("loss",)),),
        "not_compared": ({"what": "head.bias", "why": "its gradient is zero"},),
        **changes,
    }
    return dataclasses.replace(result_of(*levels), **fields)


def test_a_check_lists_all_its_divergences_and_what_follows_from_them():
    page = run_page(FoundRun(None, several()))
    assert page.divergences.title == "2 divergences, 1 accepted"
    init, forward, accepted = page.divergences.found
    assert [init.place, forward.place] == ["init: dense.bias", "forward: conv.kernel"]
    assert [cause.confidence for cause in init.causes] == ["99 %", "likely"]
    assert [fact.name for fact in init.causes[0].formulas] == ["Keras", "the port", "source"]
    facts = {fact.name: fact.value for fact in forward.facts}
    assert facts["layer"] == "conv1 in Keras, module `features.0` in the port (net.py:7)"
    assert facts["also seen in"] == "conv (eval)"
    assert accepted.is_accepted
    assert not init.is_accepted
    assert page.divergences.summary.startswith("1 more item differs, perhaps because of these")
    assert [(fact.name, fact.value) for fact in page.divergences.follows] == [("loss", "loss")]
    assert [rung.word for rung in page.ladder] == ["fail", "fail", "fail", "accepted"]
    assert page.left_out == ("head.bias: its gradient is zero",)


def test_divergences_that_the_same_values_show_refer_to_the_first_of_them():
    one, two = (dataclasses.replace(several().divergences[1], causes=(CAUSE,)) for _ in range(2))
    page = run_page(FoundRun(None, several(divergences=(one, two))))
    first, second = page.divergences.found
    assert [fact.name for fact in first.facts] == ["Keras", "PyTorch", "difference"]
    assert [(fact.name, fact.value) for fact in second.facts] == [("values", "the same as in 1")]


def test_a_check_that_is_not_decided_says_what_to_do():
    result = incomplete_check("noise")
    page = run_page(FoundRun(None, result))
    assert (page.look, page.verdict, page.divergences) == ("warn", "incomplete", None)
    (entry,) = page.opens
    assert (entry.what, entry.why, entry.do) == ("noise", "noise draws at random", "replay noise")
    assert page.sentence.startswith("Not decided: noise could not be compared; ")


def test_what_is_accepted_is_shown_on_a_page_that_passes():
    page = run_page(FoundRun(None, accepted_check()))
    assert (page.look, page.divergences.title) == ("pass", "1 accepted divergence")
    html = render(page)
    assert '<span class="mark">accepted</span>' in html
    assert 'class="divergence calm"' in html


def test_every_part_of_a_check_is_in_the_html():
    html = render(run_page(FoundRun(None, several(incomplete=incomplete_check().incomplete))))
    for part in ("2 divergences, 1 accepted", "conv (eval)", "How Keras and the port compute it",
                 "Could not be compared", "replay noise", "Not compared, without effect",
                 "1 more item differs, perhaps because of these"):  # fmt: skip
        assert part in html


def test_several_checks_are_a_table_with_what_is_open_before_what_passes():
    runs = [FoundRun(None, passing_check()), FoundRun(None, incomplete_check())]
    page = runs_page(runs, (), None)
    assert (page.verdict, page.sentence) == (
        "incomplete",
        "1 run not decided; 4 of 4 levels compared in all.",
    )
    assert [row[1] for row in cells(section(page, "runs").blocks[0])] == ["incomplete", "pass"]


def test_two_checks_beside_each_other_tell_what_is_mended_new_and_still_there():
    levels = (level("init", worst=0.5), level("forward", worst=0.25), level("loss", worst=0.125))
    a, b, c = (
        Found(each.id, each.items[0], causes=({**CAUSE, "id": name},))
        for each, name in zip(levels, ("B1", "A5", "C9"), strict=True)
    )
    old = dataclasses.replace(result_of(*levels), divergences=(a, b))
    new = dataclasses.replace(result_of(*levels), divergences=(b, c))
    page = pair_page(FoundRun(None, old), FoundRun(None, new))
    assert page.sentence == "Both fail: 2 divergences before, 2 now."
    rows = cells(section(page, "divergences").blocks[0])
    assert [(row[0].split()[0], row[2]) for row in rows] == [
        ("A5", "still there"), ("C9", "new"), ("B1", "mended"),
    ]  # fmt: skip
    same = pair_page(FoundRun(None, passing_check()), FoundRun(None, passing_check()))
    assert section(same, "divergences") is None


def test_in_a_comparison_only_a_changed_status_has_a_colour():
    passing, failing = (
        result_of(level("init", worst=0.5), level("forward", worst=worst), level("loss", worst=1.0))
        for worst in (0.0, 0.25)
    )
    page = pair_page(FoundRun(None, passing), FoundRun(None, failing))
    (table,) = section(page, "levels").blocks
    looks = {row[0].text: [cell.look for cell in row] for row in table.rows}
    assert looks["init"] == looks["loss"] == [""] * 6
    assert looks["forward"] == ["", "", "", "fail", "", ""]
    same = pair_page(FoundRun(None, failing), FoundRun(None, failing))
    (table,) = section(same, "levels").blocks
    assert {cell.look for row in table.rows for cell in row} == {""}


def test_a_sweep_has_the_curves_of_all_seeds_and_a_bounded_size(tmp_path):
    result = sweep_folder(tmp_path)
    rows = [dataclasses.replace(row, key=f"{n:064x}") for n, row in enumerate(result.rows)]
    stored_runs(tmp_path, rows)
    histories = seed_histories(tmp_path, rows)
    assert {half: len(seeds) for half, seeds in histories["too_large"].items()} == {
        "keras": 8, "torch": 8,
    }  # fmt: skip
    pictures = section(sweep_page(result, (), histories), "curves").blocks
    assert len(pictures) == 4  # loss and accuracy of two scenarios
    assert "validation loss of 8 seeds" in pictures[0].caption
    lines = pictures[0].svg.count("stroke-opacity: 0.45")
    assert lines == 16
    long = {
        half: {n: {"val_loss": [1.0 + n] * 5000} for n in range(40)} for half in ("keras", "torch")
    }
    (picture,) = seed_pictures("long", "long", long, 400)
    assert "40 of 400 seeds" in picture.caption
    assert len(picture.svg) < 200_000
    assert "the mean of Keras ends at 20.50" in picture.caption
    assert section(sweep_page(result), "curves") is None


def test_a_run_that_diverges_leaves_a_gap_in_its_curve():
    runs = {"keras": {0: {"loss": [1.0, math.nan, math.inf]}, 1: {"loss": [3.0, 2.0]}}}
    (picture,) = seed_pictures("x", "x", runs, 2)
    assert "the mean of Keras ends at 2.000" in picture.caption
