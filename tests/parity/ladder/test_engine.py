"""The table of levels and the engine that goes through it."""

import pytest
from documented import ROOT

from parity.ladder.engine import (
    OF_ANCHORED_TRAINING,
    OF_PROBE,
    OF_SEEDS,
    OF_TRAINING,
    compare_level,
    compare_levels,
)
from parity.ladder.items import FAIL, LEVEL_IDS, PASS, SKIPPED, Item, judged, judged_if_any, skipped

IDS = [
    *("data", "structure", "init", "forward", "loss", "metrics", "gradient", "optimizer"),
    *("trajectory", "schedule", "behaviour"),
]


def test_the_levels_are_those_of_the_contract():
    assert list(LEVEL_IDS) == IDS


def test_the_page_of_the_ladder_lists_the_levels_in_order():
    rows = (ROOT / "docs" / "ladder.md").read_text(encoding="utf-8").split("|---|---|---|\n")[1]
    assert [row.split("|")[1].strip() for row in rows.split("\n\n")[0].splitlines()] == IDS


def test_every_level_has_a_comparer_of_a_probe():
    assert list(OF_PROBE) == IDS


@pytest.mark.parametrize("comparers", [OF_TRAINING, OF_ANCHORED_TRAINING, OF_SEEDS])
def test_a_training_has_comparers_of_some_levels_in_their_order(comparers):
    assert list(comparers) == [name for name in IDS if name in comparers]


def test_a_training_is_compared_at_the_same_levels_with_and_without_recorded_states():
    assert list(OF_TRAINING) == list(OF_ANCHORED_TRAINING)


def found_by(statuses):
    """Comparers of which each finds what is said of its level; the others pass."""
    passed = judged("made", [Item("item", 0.0, 0.0, "abs", 1)])
    failed = judged("made", [Item("item", 1.0, 0.0, "abs", 1)])
    found = {PASS: passed, FAIL: failed, SKIPPED: skipped("not given")}
    return {name: lambda *_, name=name: found[statuses.get(name, PASS)] for name in IDS}


@pytest.mark.parametrize("failing", IDS)
def test_a_level_that_fails_does_not_stop_the_next(failing):
    levels = compare_levels(found_by({failing: FAIL}), "keras", "torch")
    assert [level.id for level in levels] == IDS
    assert [level.id for level in levels if level.status == FAIL] == [failing]
    assert {level.status for level in levels if level.id != failing} == {PASS}


def test_only_levels_that_were_asked_for_are_compared():
    levels = compare_levels(
        found_by({"data": FAIL, "loss": FAIL}), "keras", "torch", names=["init", "loss", "schedule"]
    )
    found = {level.id: level.status for level in levels if level.status != SKIPPED}
    assert found == {"init": PASS, "loss": FAIL, "schedule": PASS}
    assert {x.tolerance_source for x in levels if x.status == SKIPPED} == {"not asked for"}


def test_a_level_tells_what_it_leaves_out_and_whether_there_is_anything():
    told = (("dense.bias", "its gradient is zero"),)
    comparers = {
        "gradient": lambda: judged("made", [Item("item", 0.0, 0.0, "abs", 1)], told),
        "schedule": lambda: skipped("no rates", applies=False),
        "loss": lambda: judged_if_any("made", [], told),
    }
    gradient, schedule, loss = (compare_level(name, comparers) for name in comparers)
    assert (gradient.status, gradient.not_compared, gradient.applies) == (PASS, told, True)
    assert (schedule.status, schedule.applies) == (SKIPPED, False)
    assert (loss.status, loss.not_compared, loss.applies) == (SKIPPED, told, True)


def test_nothing_compared_fails_a_run_and_skips_a_probe():
    assert judged("why", []).status == FAIL
    nothing = judged_if_any("why", [])
    assert (nothing.status, nothing.items) == (SKIPPED, ())
    assert nothing.tolerance_source == "there is nothing to compare"
