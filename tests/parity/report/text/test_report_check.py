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
from parity.report.text.check import check_lines

CAUSE = {**result_samples.CAUSE, "id": "A3", "title": "padding is symmetric"}


def report(result):
    return ["".join(text for text, _ in line) for line in check_lines(result)]


def failing(**values):
    result = result_of(level("data"), level("forward", worst=1.0, note="3 of 4 above"))
    return dataclasses.replace(result, **values)


def test_a_right_port_is_told_in_one_line_for_each_level():
    lines = report(result_of(level("data"), level("structure")))
    assert lines[0].startswith("model.py:build  seed 0  float64  replayed")
    assert lines[0].endswith("PASS")
    assert lines[-2] == "  the port is right"
    assert "cause" not in "\n".join(lines)


def test_a_wrong_port_has_a_cause_a_place_and_a_fix():
    lines = report(failing(causes=(CAUSE,), place=PLACE))
    text = "\n".join(lines)
    assert lines[0].endswith("FAIL")
    assert lines[-2] == "  the port differs from Keras"
    for part in ("conv1 in Keras, features.0 in the port (net.py:7): introduced here",
                 "cause A3  padding is symmetric  (99 %)", CAUSE["keras"], CAUSE["torch"],
                 CAUSE["fix"], CAUSE["detail"], "parity explain A3"):  # fmt: skip
        assert part in text


def test_an_inherited_error_is_told_as_such():
    place = {**PLACE, "introduced": False, "where": None}
    text = " ".join(" ".join(report(failing(causes=(CAUSE,), place=place))).split())
    assert "features.0 in the port: inherited from earlier layers" in text


def test_a_divergence_that_nobody_knows_says_so():
    text = " ".join(" ".join(report(failing())).split())
    assert "no known divergence explains these numbers" in text


def test_a_check_without_result_says_why():
    lines = report(dataclasses.replace(result_of(), verdict=ERROR, errors=("killed\n  log",)))
    assert lines == [
        "model.py:build  seed 0  float64  replayed  ERROR",
        "  killed",
        "    log",
        "  a half failed",
        "",
    ]


def test_only_the_surest_causes_are_shown():
    causes = tuple({**CAUSE, "id": f"X{n}"} for n in range(MAX_CAUSES + 2))
    lines = report(failing(causes=causes, place=PLACE))
    assert sum("  cause X0" in line or "  or X" in line for line in lines) == MAX_CAUSES
    assert "X3" not in "\n".join(lines)


def test_a_skipped_level_says_why_unless_it_was_not_asked_for():
    text = "\n".join(
        report(
            result_of(
                level("data"),
                Level("loss", SKIPPED, "the port gives no loss"),
                Level("init", SKIPPED, "not asked for"),
            )
        )
    )
    assert "loss not compared: the port gives no loss" in text
    assert "init not compared" not in text


@pytest.mark.parametrize(
    "name", ["x" * 500, "a\x1b[2Jb", "a\nb", "ä" * 90], ids=["long", "escape", "break", "wide"]
)
def test_names_from_outside_are_cut_and_made_visible(name):
    result = failing(
        causes=({**CAUSE, "title": name, "detail": name},),
        place={**PLACE, "keras": name, "torch": name},
        spec={"torch": name, "seed": 0},
    )
    lines = report(result)
    assert all(line.isprintable() for line in lines)
    assert len(lines[0]) <= WIDTH
