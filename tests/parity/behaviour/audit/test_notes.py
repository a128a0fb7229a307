"""What an audit says that it did not look at, or would not have seen."""

from dataclasses import replace
from functools import cache

from parity.behaviour.audit import audit as module
from parity.behaviour.audit.audit import audit
from parity.data.load import load_data


@cache
def data():
    return load_data("embedded", train=300, val=60, test=10, seed=1)


@cache
def result_of():
    return audit(data())


def test_the_share_of_planted_copies_that_was_recognised_is_said():
    result = result_of()
    (note,) = result.notes()
    size = result.near_copies.size
    assert f"{size.power_still:.0%} were recognised" in note
    assert f"{size.power_moved:.0%} if they were rotated" in note
    assert size.power_still > 0.95 < size.power_moved + 0.1
    assert result.to_json()["notes"] == [note]


def test_a_sample_is_said(monkeypatch):
    monkeypatch.setattr(module, "MAX_TRAIN", 100)
    monkeypatch.setattr(module, "MAX_VAL", 30)
    notes = audit(data()).notes()
    assert notes[0].startswith("near copies and labels were looked for among 100 of 300 training")
    assert "about 3.0 times as large" in notes[1]


def test_what_was_not_looked_for_is_said():
    result = replace(result_of(), near_copies=None, labels=None)
    assert result.notes() == (
        "near copies were not looked for: there are too few images or pixels",
        "how many labels are wrong is unknown: too few neighbours agree",
    )


def test_images_too_small_to_be_moved_are_said():
    near = result_of().near_copies
    small = replace(near, size=replace(near.size, power_moved=None))
    (note,) = replace(result_of(), near_copies=small).notes()
    assert note.endswith("; moved ones are not looked for in such small images")
