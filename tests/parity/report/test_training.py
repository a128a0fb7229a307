"""Sentences that a person believes: what was compared, and why both halves part."""

import pytest

from parity.ladder.items import FAIL, PASS, Item, Level
from parity.ladder.result import Result
from parity.report.sentences import whole_training_texts

ANCHORS = {
    **{"num_steps": 3, "num_trained": 380, "steps": [0, 7]},
    **{"difference": [1e-14, 4e-14], "allowed": [1e-9, 1e-9], "rounding": [0.99, 1.2]},
}
DRIFT = {"steps": [1, 40], "difference": [1e-8, 0.0625], "parted": 40}


def result(*, verdict=PASS, dtype="float32", **fields):
    spec = {"scenario": "dropout", "dtype": dtype}
    return Result(verdict, spec, **{"anchors": ANCHORS, "drift": DRIFT, **fields})


def test_a_run_that_passes_says_from_how_many_states_and_by_how_little():
    first, second = whole_training_texts(result())
    assert first == (
        "Compared from 2 recorded states over 380 steps: 3 steps later in float64, an array "
        "differs by at most 4.0e-14 of its largest value; float32 rounds its steps at most 1.2 "
        "times as much as Keras's."
    )
    assert second.startswith("Left alone, the two runs part from step 40 on, since a float32")


def test_a_run_that_fails_does_not_blame_rounding():
    assert "since" not in whole_training_texts(result(verdict=FAIL))[1]


def test_a_run_that_stays_together_does_not_say_that_it_parts():
    assert len(whole_training_texts(result(drift={**DRIFT, "parted": None}))) == 1


@pytest.mark.parametrize("fields", [{"drift": None}, {"anchors": None}], ids=str)
def test_nothing_is_said_of_what_was_not_compared(fields):
    assert whole_training_texts(result(**fields)) == []


def test_two_verdicts_are_explained_by_their_numbers():
    items = (Item("gap", 0.008, 0.09, "abs", 1, keras=0.057, torch=0.049),)
    level = Level("behaviour", PASS, "the same verdict, or ...", items)
    behaviour = {"keras": {"verdict": "overfit"}, "torch": {"verdict": "good_fit"}}
    *_, told = whole_training_texts(result(levels=(level,), behaviour=behaviour))
    assert told.startswith("The verdicts on the fit differ, overfit (keras) and good_fit (torch)")
    assert "may differ by" in told
