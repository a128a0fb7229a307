"""The sentences that all reports share."""

import dataclasses
import math

import pytest
from result_samples import (
    explained_run,
    failing_check,
    failing_run,
    incomplete_run,
    passing_check,
    run,
)

from parity.ladder.items import FAIL, SKIPPED, Item, Level
from parity.ladder.result import Found, Result
from parity.programs.program_spec import ProgramSpec
from parity.report.sentences import (
    allowance,
    amount,
    confidence_text,
    coverage,
    difference,
    inherited_text,
    is_check,
    is_scenario,
    item_place,
    left_out_texts,
    level_item,
    level_numbers,
    likely_causes,
    place_text,
    sentence,
    setting_texts,
    special_status,
)

CAUSE = "padding 'same' with a stride is not symmetric (A5)"
ALL = ": all 2 levels agree"
FAR = f" as far as it was ported{ALL}"
PROGRAM = ProgramSpec(keras="app:build", torch="port:build").told()


def of_program(result):
    """The same found in a program of a user's."""
    return dataclasses.replace(result, spec=PROGRAM)


def in_float64(result):
    return dataclasses.replace(result, spec=result.spec | {"dtype": "float64"})


@pytest.mark.parametrize(
    ("result", "kinds"),
    [
        (run(), (True, False)),
        (of_program(run()), (False, False)),
        (passing_check(), (False, True)),
    ],
    ids=["scenario", "program", "check"],
)
def test_a_whole_training_is_no_check(result, kinds):
    assert (is_scenario(result), is_check(result)) == kinds


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (run(), "the two runs are the same, within float32 rounding: all 11 levels agree"),
        (in_float64(run()), "the two runs are the same: all 11 levels agree"),
        (
            failing_run(),
            "the two runs are different: the first difference is dense1.kernel, level trajectory; "
            "9 of 11 levels compared",
        ),
        (explained_run(), f"the two runs are different: {CAUSE}; 11 of 11 levels compared"),
        (
            Result("error", {}),
            "there is no comparison: a half failed, or its files are missing",
        ),
        (
            explained_run(divergences=explained_run().divergences * 2),
            f"the two runs are different in 2 places, the first: {CAUSE}; 11 of 11 levels compared",
        ),
        (incomplete_run(), "not decided: slots could not be compared; 11 of 11 levels agree"),
        (
            run((*run().levels[:-1], Level("behaviour", SKIPPED, "no validation"))),
            "10 of 11 levels agree; not compared: behaviour (no validation)",
        ),
        (of_program(run()), "the port is right: all 11 levels agree"),
        (
            of_program(explained_run()),
            f"the port differs from Keras: {CAUSE}; 11 of 11 levels compared",
        ),
        (failing_check(), f"the port differs from Keras: {CAUSE}; 2 of 3 levels compared"),
    ],
)
def test_a_verdict_says_no_more_than_was_compared(result, told):
    assert sentence(result) == told


@pytest.mark.parametrize(
    ("number", "tolerance", "told"),
    [
        (1, {}, f"{FAR}; 1 part of the program was not ported"),
        (3, {}, f"{FAR}; 3 parts of the program were not ported"),
        (0, {"": 1e-6}, f"{ALL}; with your tolerance of 1e-06"),
        (
            0,
            {"loss": 1e-6, "data": 0.5},
            f"{ALL}; with your tolerance of 1e-06 at loss, 0.5 at data",
        ),
    ],
)
def test_a_pass_says_what_it_rests_on(number, tolerance, told):
    result = dataclasses.replace(passing_check(), tolerance=tolerance)
    assert sentence(result, number) == f"the port is right{told}"


@pytest.mark.parametrize(
    ("confidence", "told"),
    [(0.99, "99 %"), (0.95, "95 %"), (0.8, "likely"), (0.5, "likely"), (0.3, "possible")],
)
def test_only_what_is_proven_has_a_percentage(confidence, told):
    assert confidence_text({"confidence": confidence}) == told


def test_only_the_surest_causes_are_shown():
    causes = [{"confidence": sure} for sure in (0.9, 0.8, 0.5, 0.46, 0.3)]
    assert likely_causes(causes) == causes[:3]
    assert likely_causes(causes[3:]) == causes[3:]


def test_of_many_parts_with_one_reason_the_first_are_named_and_the_others_counted():
    parts = tuple({"what": f"w{n}", "why": "zero"} for n in range(7))
    found = [Result("pass", {}, not_compared=parts[:count]) for count in (6, 7)]
    told = [left_out_texts(result) for result in found]
    assert told == [["w0, w1, w2, w3, w4, w5: zero"], ["w0, w1, w2, w3, w4 and 2 more: zero"]]


def test_what_a_level_says_of_a_part_stands_for_what_keras_alone_has_said():
    level = Level("gradient", "pass", "", not_compared=(("a", "it agrees"), ("b", "it is zero")))
    entries = tuple({"what": what, "why": "it is zero"} for what in ("a", "c"))
    result = Result("pass", {}, (level,), not_compared=entries)
    assert left_out_texts(result) == ["c, b: it is zero", "a: it agrees"]


def test_what_follows_is_counted_level_by_level():
    result = explained_run()
    assert inherited_text(result) == (
        "4 more items differ only because of this: 3 at trajectory and 1 at schedule"
    )
    statuses = {level.id: special_status(result, level) for level in result.levels}
    assert {name for name, told in statuses.items() if told == "follows"} == {
        "trajectory", "schedule",
    }  # fmt: skip
    assert coverage(result) == (11, 11)


def test_what_no_trial_shows_to_follow_is_no_consequence():
    result = dataclasses.replace(explained_run(), proven=(("schedule", ("learning_rate",)),))
    assert inherited_text(result) == (
        "1 more item differs only because of this: 1 at schedule; 3 more items differ, perhaps "
        "because of this, which no trial shows: 3 at trajectory"
    )
    (trajectory,) = [level for level in result.levels if level.id == "trajectory"]
    assert special_status(result, trajectory) == ""


def p_item(worst):
    return Item("conv2d.kernel", worst, -math.log10(2.5e-4), "-log10 p", 100, note="U(±0.2)")


@pytest.mark.parametrize(
    ("p", "told"),
    [
        (7e-116, "p 7e-116"),
        (0.214, "p 0.21"),
        (1.0, "p 1"),
        (2e-4, "p 2e-04"),
        (1e-300, "p <1e-300"),
    ],
)
def test_a_statistical_test_tells_its_p_value(p, told):
    item = p_item(-math.log10(p))
    assert (amount(item), allowance(item)) == (told, "2.5e-04")
    assert difference(item) == f"differs, {told}, allowed 2.5e-04; U(±0.2)"
    assert len(amount(item)) <= 9  # the column of the ladder


def test_a_level_shows_the_numbers_of_its_first_divergence_and_else_the_worst_ones():
    bias = Item("dense.bias", 0.2, 0.0, "abs", 10)
    level = Level("init", FAIL, "made here", (bias, p_item(115.2)))
    result = dataclasses.replace(failing_run(), levels=(level,))
    assert level_numbers(result, level) == ("2.0e-01", "0")
    found = dataclasses.replace(result, divergences=(Found("init", level.items[1]),))
    assert level_numbers(found, level) == ("p 6e-116", "2.5e-04")
    assert level_item(found, level).name == "conv2d.kernel"


def test_a_module_never_looks_like_a_number():
    item = dataclasses.replace(p_item(1.0), name="0.1")
    assert item_place("structure", item) == "structure: module `0.1`"
    for torch, where, module, told in (
        ("0.1", "", {"module": "BatchNorm2d"}, "module `0.1` (BatchNorm2d) in the port"),
        ("0.1", "a.py:3", {}, "module `0.1` in the port (a.py:3)"),  # of an older version
        ("relu()#2", "", {"module": None}, "relu()#2 in the port"),
    ):
        place = {"keras": "norm", "torch": torch, "where": where, **module}
        assert place_text(Found("forward", item, place=place)) == f"norm in Keras, {told}"
    setting = {"id": "C1", "name": "epsilon", "keras": 0.001, "torch": 1e-05,
               "layers": [["norm", "0.1"]], "module": "BatchNorm2d"}  # fmt: skip
    assert setting_texts(dataclasses.replace(run(), settings=(setting,))) == [
        "C1  epsilon: 0.001 in norm, 1e-05 in module `0.1` (BatchNorm2d)"
    ]
