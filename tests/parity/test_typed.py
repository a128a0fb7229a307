"""Dataclasses from plain values: what fits is taken as it is, all else is told by its place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

import pytest

from parity.behaviour import Judgement
from parity.errors import InputError
from parity.stats import Equivalence
from parity.typed import from_plain


@dataclass(frozen=True)
class Part:
    name: str
    size: int | None = None


@dataclass(frozen=True)
class Whole:
    kind: Literal["a", "b"]
    weight: float
    is_new: bool
    parts: tuple[Part, ...]
    counts: Mapping[str, int]
    first: Part | None = None
    others: list[float] = field(default_factory=list)


GIVEN = {
    "kind": "a",
    "weight": 2,
    "is_new": False,
    "parts": [{"name": "x"}, {"name": "y", "size": 3}],
    "counts": {"one": 1},
}


def test_a_dataclass_comes_back_from_what_json_makes_of_it():
    whole = Whole("b", 0.5, True, (Part("x", 1), Part("y")), {"n": 2}, Part("z"), [1.0, 2.5])
    assert from_plain(Whole, json.loads(json.dumps(asdict(whole))), "file") == whole


@pytest.mark.parametrize(
    "value",
    [
        Judgement("overfit", "gap", "because", 20, train_accuracy=0.99, best_epoch_number=4),
        Equivalence("equivalent", 0.1, 0.0, 0.2, 0.01, 1.0, 0.5, 0.3, 0.05, 8, 0.9, None),
    ],
    ids=["judgement", "equivalence"],
)
def test_results_of_ours_come_back(value):
    assert from_plain(type(value), json.loads(json.dumps(asdict(value))), "file") == value


def test_a_whole_number_is_a_float_where_a_float_is_expected_and_defaults_are_taken():
    whole = from_plain(Whole, GIVEN, "file")
    assert (whole.weight, type(whole.weight)) == (2.0, float)
    assert (whole.first, whole.others) == (None, [])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kind": "c"}, "file: kind: expected"),
        ({"weight": "2"}, "file: weight: expected float, found '2'"),
        ({"weight": True}, "file: weight: expected float, found True"),
        ({"is_new": 0}, "file: is_new: expected bool, found 0"),
        ({"parts": {"name": "x"}}, "file: parts: expected"),
        ({"parts": [{"name": "x"}, {"name": 1}]}, "file: parts[1]: name: expected str, found 1"),
        ({"parts": [{"name": "x", "size": True}]}, "file: parts[0]: size: expected int or null"),
        ({"parts": [{"size": 1}]}, "file: parts[0]: name is missing"),
        ({"parts": [7]}, "file: parts[0]: expected an object, found 7"),
        ({"counts": {"one": 1.5}}, "file: counts: one: expected int, found 1.5"),
        ({"first": "x"}, "file: first: expected Part or null, found 'x'"),
        ({"colour": "red"}, "file: unknown 'colour'; expected kind, weight"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_does_not_fit_is_told_with_its_place(change, told):
    with pytest.raises(InputError) as caught:
        from_plain(Whole, {**GIVEN, **change}, "file")
    assert told in str(caught.value)


def test_a_long_value_is_not_told_whole():
    with pytest.raises(InputError) as caught:
        from_plain(Part, {"name": ["x" * 5000]}, "file")
    assert len(str(caught.value)) < 200
