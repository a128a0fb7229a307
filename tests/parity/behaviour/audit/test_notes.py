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


def test_the_changes_that_are_not_looked_for_are_said():
    result = result_of()
    (note,) = result.notes()
    assert note == "copies that were shifted, rotated, resized or cropped are not looked for"
    assert result.to_json()["notes"] == [note]
    many = replace(result, near_copies=replace(result.near_copies, within_training=0.2))
    assert many.notes()[1:] == (
        "many training images are copies of others, which may hide near copies",
    )


def test_a_sample_is_said(monkeypatch):
    monkeypatch.setattr(module, "MAX_TRAIN", 100)
    monkeypatch.setattr(module, "MAX_VAL", 30)
    notes = audit(data()).notes()
    assert notes[0].startswith("near copies were looked for among 100 of 300 training")
    assert "about 3.0 times as large" in notes[1]


def test_too_few_images_for_near_copies_are_said():
    (note,) = replace(result_of(), near_copies=None).notes()
    assert note == "near copies were not looked for: there are too few images or pixels"
