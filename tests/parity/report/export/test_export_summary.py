"""The summary of a CI job: what it says first, that it is short, and that texts stay texts."""

import dataclasses

import pytest
from bench_results import HOSTILE, row
from bench_results import result as bench_result
from checked import level as check_level
from checked import result_of
from markdown_it import MarkdownIt  # of rich, which is a dependency
from result_samples import (
    BAD,
    CAUSE,
    GOOD,
    SETTING,
    bench,
    broken_run,
    explained_run,
    failing_check,
    failing_run,
    incomplete_check,
    named,
    run,
    sweep,
)

from parity.ladder.result import Found
from parity.report.export.bench_tables import to_markdown
from parity.report.export.summary import MAX_LINES, _cut, summary_markdown


def lines(*results):
    told = summary_markdown(results)
    assert told.endswith("\n")
    assert not told.endswith("\n\n")
    found = told.splitlines()
    assert len(found) <= MAX_LINES
    return found


def blocks(*results):
    """The kinds of all blocks and inlines, and all texts, by a parser that knows nothing of us."""
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = parser.parse(summary_markdown(results))
    kinds = [token.type for token in tokens]
    children = [child for token in tokens for child in token.children or []]
    kinds += [child.type for child in children]
    return kinds, ["".join(c.content for c in token.children or []) for token in tokens]


def test_a_run_that_passes_reads_like_this():
    assert lines(run())[:6] == [
        "**PASS: dropout, seed 42, float32, 20 epochs, batch 32, seeded: the two runs are the "
        "same, within float32 rounding: all 11 levels agree**",
        "",
        "| level | status | differs | allowed | where |",
        "| --- | --- | ---: | ---: | --- |",
        "| data | pass | 0 | 1.0e-12 | of 1,000,000 values |",
        "| structure | pass | 0 | 1.0e-12 | of 1,000,000 values |",
    ]
    assert lines(run())[-2:] == [
        "- keras: val\\_accuracy 0.5000, overfit, 12.2 s, 1 rate cut",
        "- torch: val\\_accuracy 0.5000, overfit, 6.5 s, 1 rate cut",
    ]


def test_a_failing_check_leads_with_its_cause_and_the_fix():
    told = lines(failing_check())
    assert told[0] == (
        "**FAIL: model.py:build, seed 0, float64, replayed: the port differs from Keras; "
        "2 of 3 levels compared**"
    )
    assert told[2:4] == [
        "- **forward** A5 symmetric-same-padding: padding 'same' with a stride is not symmetric "
        "(99 %)"
        "<br>**fix** in `net.py:7` `torch_impl.layers.Conv2D(padding='same')`"
        "<br>**seen** padding=1 on both sides gives the port's numbers"
        "<br>**values** forward: conv.kernel: keras 1.5, torch -2.5; differs by 7.5e-01 "
        "(rel), allowed 1.0e-12; 3 of 4 above"
        "<br>**where** conv1 in Keras, module \\`features.0\\` in the port",
        "- **setting** C1 epsilon: 0.001 in norm, 1e-05 in features.1, also in 1 more",
    ]
    assert "| forward | FAIL | 7.5e-01 | 1.0e-12 | conv.kernel |" in told
    assert "| behaviour | skipped | - | - | a check trains a few steps |" in told


def test_a_failing_run_leads_with_its_cause_and_the_fix():
    told = lines(explained_run())
    assert told[0].endswith("the two runs are different; 11 of 11 levels compared**")
    (bullet,) = [line for line in told if line.startswith("- **forward**")]
    assert bullet.startswith("- **forward** A5 symmetric-same-padding: padding 'same'")
    assert "<br>**fix** in `net.py:7` `torch_impl.layers.Conv2D" in bullet
    assert "first divergence" not in "".join(told)
    follows = "- 4 more items differ only because of this: 3 at trajectory and 1 at schedule"
    assert follows in told


def test_all_divergences_of_a_check_have_a_line_and_those_that_are_accepted_come_last():
    levels = (check_level("init", worst=0.5), check_level("forward", worst=0.25))
    init, forward = (Found(each.id, each.items[0], causes=(CAUSE,)) for each in levels)
    accepted = dataclasses.replace(init, is_accepted=True)
    unknown = dataclasses.replace(init, causes=())
    check = dataclasses.replace(
        result_of(*levels, check_level("loss", worst=0.125)),
        divergences=(accepted, unknown, forward),
        inherited=(("loss", ("loss",)),),
        incomplete=incomplete_check().incomplete,
        not_compared=({"what": "head.bias", "why": "its gradient is zero"},),
    )
    told = lines(check)
    assert [line.split("**")[1] for line in told if line.startswith("- **")] == [
        *("init", "forward", "accepted", "could not be compared", "not compared"),
    ]
    assert told[2] == (
        "- **init** init: conv.kernel: keras 1.5, torch -2.5; differs by 5.0e-01 (rel), "
        "allowed 1.0e-12"
    )
    assert (
        "- 1 more item differs, perhaps because of these, which no trial shows: 1 at loss" in told
    )
    assert "| loss | FAIL | 1.2e-01 | 1.0e-12 | conv.kernel |" in told
    many = dataclasses.replace(check, divergences=(forward,) * 50)
    assert "- and 30 more divergences" in lines(many)


def test_a_check_that_is_not_decided_leads_with_what_to_do():
    told = lines(incomplete_check())
    assert told[0].startswith(
        "**INCOMPLETE: model.py:build, seed 0, float64, replayed: not decided"
    )
    assert told[2] == (
        "- **could not be compared** noise: noise draws at random<br>**do** replay noise"
    )


def test_many_settings_that_differ_are_counted():
    told = lines(failing_check(settings=(SETTING,) * 40))
    assert sum(line.startswith("- **setting**") for line in told) == 5
    assert "- and 35 more different settings" in told


def test_a_run_without_result_tells_the_end_of_its_log():
    told = lines(broken_run("keras was killed\n  last <b>line</b>", "torch hung"))
    assert told[0].startswith("**ERROR: dropout, seed 42")
    assert told[2:] == [
        "- **error** keras was killed<br>last \\<b\\>line\\</b\\>",
        "- **error** torch hung",
    ]


def test_several_runs_are_one_table_in_which_those_that_fail_come_first():
    told = lines(run(seed=1), failing_run(seed=2), broken_run("killed\nlog", seed=3))
    assert told[0] == "**1 fail, 1 error, 1 pass of 3 runs; 20 of 22 levels compared**"
    assert told[2:4] == [
        "- **dropout, seed 2** trajectory: dense1.kernel (epoch 2, step 20): differs by 5.0e-01 "
        "(rel), allowed 1.0e-12",
        "- **dropout, seed 3** killed",
    ]
    passed = " | pass" * 11
    assert told[5:] == [
        "| run | verdict | data | structure | init | forward | loss | metrics | gradient "
        "| optimizer | trajectory | schedule | behaviour |",
        "|" + " --- |" * 13,
        f"| dropout, seed 2 | fail{' | pass' * 8} | FAIL | - | - |",
        f"| dropout, seed 3 | error{' | -' * 11} |",
        f"| dropout, seed 1 | pass{passed} |",
    ]


def test_a_run_of_several_that_fails_leads_with_its_cause_too():
    told = lines(run(), failing_check())
    assert told[2] == (
        "- **model.py:build, seed 0** **cause** A5 symmetric-same-padding: padding 'same' with "
        "a stride is not symmetric; **fix** in `net.py:7` "
        "`torch_impl.layers.Conv2D(padding='same')`; "
        "forward: conv.kernel: differs by 7.5e-01 (rel), allowed 1.0e-12; 3 of 4 above"
    )


@pytest.mark.parametrize("number", [2, 40, 56, 57, 200])
def test_many_runs_are_cut_and_counted(number):
    told = lines(*(run(seed=seed) for seed in range(number)))
    shown = sum(line.startswith("| dropout") for line in told)
    left = [line for line in told if "more" in line]
    assert left == ([] if shown == number else [f"... and {number - shown} more runs"])
    assert shown >= min(number, 50)


def test_many_failures_are_cut_and_counted():
    told = lines(*(failing_run(seed=seed) for seed in range(300)))
    assert told[0] == "**300 fail of 300 runs; 2,700 of 3,300 levels compared**"
    assert "- and 290 more that do not pass" in told


def test_a_sweep_tells_what_is_missing_and_what_is_not_equivalent():
    verdicts = ["equivalent", "inconclusive", "different"]
    told = lines(sweep("incomplete", verdicts=verdicts, missing=["killed\nlog"], agrees=False))
    assert told[0].startswith(
        "**incomplete (independent, visible margins): 0 of 1 verdicts agree, 1 of 3"
    )
    assert told[2] == "- **missing** leak, seed 0, torch: killed"
    assert told[3] == "- **margins** visible: ±10 % of runs that do not train"
    assert told[4] == "- **seeds** leak 10 of 11 finished, 1 missing, about 25 needed"
    assert told[6:] == [
        "| scenario | expected | keras | torch | same verdict |",
        "| --- | --- | --- | --- | --- |",
        "| leak | overfit | overfit 10/10 | good\\_fit 10/10 | NO |",
        "",
        "| scenario | quantity | verdict | keras | torch | margin | seeds | needed |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |",
        "| leak | quantity 2 | different | 0.9 | 0.8 | 0.015 | 10 | - |",
        "| leak | quantity 1 | inconclusive | 0.9 | 0.8 | 0.015 | 10 | 25 |",
    ]


def test_a_sweep_tells_which_runs_did_not_train():
    told = lines(sweep("inconclusive", collapsed=(0, 1, "inconclusive")))
    expected = "leak keras 0/10, torch 1/10 (inconclusive)"
    assert told[4] == f"- **runs that did not train** {expected}"
    assert not any("did not train" in line for line in lines(sweep()))


def test_a_benchmark_is_its_page_with_the_verdict_first():
    told = lines(bench(whole=False))
    assert told[0] == ("**incomplete: 4 rows, 2 measured, 1 failed, 1 refused without parity**")
    page = to_markdown(bench(whole=False)).splitlines()
    assert told[2:] == page[:-2]


def test_a_diagnosis_tells_the_causes_and_what_to_try():
    told = lines(BAD["diagnosis"])
    assert told[0].startswith("**overfit: training is better")
    assert told[2].startswith("- **cause** ")
    assert "; **try** " in told[2]
    assert lines(GOOD["diagnosis"])[0].startswith("**good fit: ")


@pytest.mark.parametrize("count", [10, 30, 200])
def test_whatever_is_long_is_cut_between_rows_and_counted(count):
    rows = [row(f"v{number}", *[1.0] * 7, part=f"p{number % 20}") for number in range(count)]
    long = [
        bench_result(*rows, baseline="v0"),
        sweep("fail", verdicts=["different"] * 5, missing=["killed"] * count, count=count),
    ]
    for result in long:
        told = lines(result)
        if count == 200:
            assert told[-1].startswith("... and ")
            assert told[-2] == ""
        assert_whole_tables(told)


@pytest.mark.parametrize("room", range(4, 30))
def test_no_cut_leaves_the_head_of_a_table_without_a_row(room):
    whole = lines(bench(whole=False))
    told = _cut(whole, room)
    assert len(told) <= room
    if room < len(whole):
        assert told[:-2] == whole[: len(told) - 2]
        assert told[-2:] == ["", f"... and {len(whole) - len(told) + 2} more lines"]
    assert_whole_tables(told)


def assert_whole_tables(told):
    for before, line, after in zip(["", *told], told, [*told[1:], ""], strict=False):
        if line.startswith("| ---"):
            assert before.startswith("| ")
            assert after.startswith("| ")
        if line.startswith("| ") and not before.startswith("| "):
            assert after.startswith("| ---")


def test_results_of_several_kinds_share_the_lines():
    results = [*GOOD.values(), *BAD.values()]
    told = lines(*results)
    assert told[0].startswith("**")
    assert " of 23 results**" in told[0]
    assert_whole_tables(told)
    assert_whole_tables(lines(run(), *[sweep("fail", agrees=False)] * 40))
    assert lines(*[bench()] * 40)[-1] == "... and 35 more results"


def test_no_result_is_told():
    assert lines() == ["**no results**"]


ALLOWED = {"text", "inline", "text_special", "html_inline", "code_inline"}
ALLOWED |= {
    f"{name}_{end}"
    for name in (
        *("paragraph", "heading", "table", "thead", "tbody", "tr", "th", "td", "bullet_list"),
        *("list_item", "strong"),
    )
    for end in ("open", "close")
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_is_text(text):
    results = named(text)
    for chosen in ([result] for result in results):
        kinds, _ = blocks(*chosen)
        assert set(kinds) <= ALLOWED
        harmless, _ = blocks(*named("x")[results.index(chosen[0]) :][:1])
        assert kinds.count("strong_open") == harmless.count("strong_open")
        assert kinds.count("td_open") == harmless.count("td_open")
    told = summary_markdown(results)
    assert all(character.isprintable() or character == "\n" for character in told)


def test_long_texts_are_cut():
    assert len(summary_markdown(named("x" * 20_000))) < 100_000
    assert len(summary_markdown([broken_run("line\n" * 10**4)])) < 10_000


def test_no_path_is_absolute():
    told = summary_markdown([*named("/home/me/net.py"), failing_run()])
    assert "home" not in told
    assert "net.py" in told


def test_a_level_that_nobody_knows_is_shown_too():
    level = dataclasses.replace(run().levels[0], id="new", status="odd")
    assert "| new | odd | 0 | 1.0e-12 | of 1,000,000 values |" in lines(run([level]))
