"""The report of a check: the ladder, the first divergence, its place, its cause and the fix."""

import dataclasses

import pytest
import result_samples
from checked import level, result_of
from result_samples import PLACE

from parity.ladder.items import SKIPPED, Level
from parity.ladder.result import ERROR
from parity.report.lines import WIDTH
from parity.report.sentences import MAX_CAUSES
from parity.report.text.check import check_lines, table_lines

CAUSE = {**result_samples.CAUSE, "id": "A3", "title": "padding is symmetric"}


def report(result):
    return ["".join(text for text, _ in line) for line in check_lines(result)]


def failing(causes=(), place=None, **values):
    found = level("forward", worst=1.0, note="3 of 4 above")
    return dataclasses.replace(
        result_of(level("data"), found, causes=causes, place=place), **values
    )


def test_a_right_port_is_told_in_one_line_for_each_level():
    lines = report(result_of(level("data"), level("structure")))
    assert lines[0].startswith("model.py:build  seed 0  float64  replayed")
    assert lines[0].endswith("PASS")
    assert lines[-2] == "  The port is right: all 2 levels agree"
    assert "cause" not in "\n".join(lines)


def test_a_wrong_port_has_a_cause_a_place_and_a_fix():
    lines = report(failing(causes=(CAUSE,), place=PLACE))
    text = "\n".join(lines)
    assert lines[0].endswith("FAIL")
    assert lines[-2] == "  The port differs from Keras; 2 of 2 levels compared"
    for part in ("where conv1 in Keras, module `features.0` in the port",
                 "cause A3  padding is symmetric  (99 %)", CAUSE["keras"], CAUSE["torch"],
                 CAUSE["fix"], "line  net.py:7", CAUSE["detail"], "parity explain A3"):  # fmt: skip
        assert part in text


@pytest.mark.parametrize(
    ("confidence", "told"),
    [(0.99, "99 %"), (0.95, "95 %"), (0.8, "likely"), (0.5, "likely"), (0.3, "possible")],
)
def test_only_what_is_proven_has_a_percentage(confidence, told):
    text = "\n".join(report(failing(causes=({**CAUSE, "confidence": confidence},))))
    assert f"padding is symmetric  ({told})" in text


def test_a_divergence_that_nobody_knows_says_so():
    text = " ".join(" ".join(report(failing())).split())
    assert "no known divergence explains these numbers" in text


def test_a_check_without_result_says_why():
    lines = report(dataclasses.replace(result_of(), verdict=ERROR, errors=("killed\n  log",)))
    assert lines == [
        "model.py:build  seed 0  float64  replayed  ERROR",
        "  killed",
        "    log",
        "  A half failed",
        "",
    ]


def test_only_the_surest_causes_are_shown():
    causes = tuple({**CAUSE, "id": f"X{n}"} for n in range(MAX_CAUSES + 2))
    lines = report(failing(causes=causes, place=PLACE))
    assert sum("  cause X0" in line or "  or    X" in line for line in lines) == MAX_CAUSES
    assert "X3" not in "\n".join(lines)


def test_a_pass_says_how_much_it_rests_on():
    """A level that the models lack counts as none."""
    levels = [level("data"), level("forward"), Level("loss", SKIPPED, "the port gives no loss")]
    absent = Level("schedule", SKIPPED, "Keras has none", applies=False)
    sentence = " ".join(" ".join(report(result_of(*levels, absent))[-3:]).split())
    assert sentence.endswith("2 of 3 levels agree; not compared: loss (the port gives no loss)")
    assert "is right" not in sentence


def test_a_port_that_lacks_parts_is_right_only_as_far_as_it_goes():
    def told(number, *levels):
        lines = check_lines(result_of(*levels), number)
        return " ".join(" ".join("".join(text for text, _ in line) for line in lines).split())

    both = level("data"), level("loss")
    far = "The port is right as far as it was ported: all 2 levels agree; "
    assert told(1, *both).endswith(f"{far}1 part of the program was not ported")
    assert told(3, *both).endswith(f"{far}3 parts of the program were not ported")
    assert told(0, *both).endswith("The port is right: all 2 levels agree")
    some = told(2, level("data"), Level("loss", SKIPPED, "there is none"))
    assert some.endswith("loss (there is none); 2 parts of the program were not ported")


def test_levels_that_are_not_compared_for_one_reason_are_told_together():
    names, why = ("optimizer", "trajectory"), "the port gives no optimizer"
    levels = [Level(name, SKIPPED, why) for name in names]
    text = " ".join(" ".join(report(result_of(level("data"), *levels))).split())
    assert f"not compared: optimizer, trajectory ({why})" in text


def test_a_tolerance_of_the_users_own_is_told():
    result = result_of(level("data"), level("loss"))
    for tolerance, told in (
        ({"": 1e-6}, "with your tolerance of 1e-06"),
        ({"loss": 1e-6, "data": 0.5}, "with your tolerance of 1e-06 at loss, 0.5 at data"),
    ):
        text = " ".join(" ".join(report(dataclasses.replace(result, tolerance=tolerance))).split())
        assert text.endswith(f"The port is right: all 2 levels agree; {told}")


@pytest.mark.parametrize(
    "name", ["x" * 500, "a\x1b[2Jb", "a\nb", "ä" * 90], ids=["long", "escape", "break", "wide"]
)
def test_names_from_outside_are_cut_and_made_visible(name):
    told = {"what": name, "why": name}
    result = failing(
        causes=({**CAUSE, "title": name, "detail": name},),
        place={**PLACE, "keras": name, "torch": name},
        spec={"torch": name, "seed": 0},
        incomplete=({**told, "do": name},),
        not_compared=(told,),
    )
    lines = report(result)
    assert all(line.isprintable() for line in lines)
    assert len(lines[0]) <= WIDTH


# --- several programs ----------------------------------------------------------------------------


def rows(results):
    return ["".join(text for text, _ in line) for line in table_lines(results)]


def test_several_programs_are_a_table_with_the_first_cause_of_each():
    right = result_of(level("data"), level("structure"))
    open_ = dataclasses.replace(
        right,
        verdict="incomplete",
        incomplete=({"what": "layer a", "why": "it draws", "do": "seed it"},),
    )
    broken = dataclasses.replace(right, verdict=ERROR, errors=("it broke\nin line 3",))
    found = {"one": right, "two": failing((CAUSE,)), "three": broken, "four": open_}
    lines = rows(found)
    assert lines[0] == "  program  verdict"
    assert lines[1] == "  one      pass       the port is right: all 2 levels agree"
    assert lines[2].startswith("  two      fail       forward: conv.kernel: A3 padding is sym")
    assert lines[2].endswith("...")
    assert lines[3] == "  three    error      it broke"
    assert lines[4] == "  four     incomplete layer a: it draws"
    assert lines[5] == "  1 pass, 1 fail, 1 error, 1 incomplete of 4 programs"


def test_a_table_is_as_wide_as_a_terminal_whatever_the_names():
    found = {"a" * 90: failing((CAUSE, CAUSE)), "\x1b[31mred": result_of(level("data"))}
    lines = rows(found)
    assert max(map(len, lines)) <= WIDTH
    assert "\x1b" not in "".join(lines)


def test_what_was_not_compared_is_told_once():
    """The level knows more of it than Keras's half alone, which told of another thing, too."""
    what, agrees = "gradient of a", "it agrees, but rounding may change it"
    entries = tuple({"what": name, "why": "rounding may"} for name in (what, "gradient of b"))
    levels = [dataclasses.replace(level("gradient"), not_compared=((what, agrees),))]
    result = dataclasses.replace(result_of(level("data"), *levels), not_compared=entries)
    told = [line for line in report(result) if "not compared" in line]
    assert told == [
        "  not compared: gradient of b: rounding may",
        f"  not compared: {what}: {agrees}",
    ]


@pytest.mark.parametrize(("name", "is_told"), [("data", True), ("schedule", False)])
def test_the_ladder_says_why_there_is_no_data_and_not_that_there_is_no_schedule(name, is_told):
    why = "no layer of the port could be paired by its input"
    absent = Level(name, SKIPPED, why, applies=False)
    line = next(
        each for each in report(result_of(absent, level("forward"))) if each.split()[:1] == [name]
    )
    assert line.split(maxsplit=2)[1:] == (["-", why] if is_told else ["-"])
