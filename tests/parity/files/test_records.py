"""Records: what fits is taken as it is, all else is one sentence with its place."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

import pytest
from msgspec import UNSET, Meta, UnsetType
from rows import each_row

from parity.behaviour.result_file import JudgementRecord
from parity.behaviour.rules import Judgement
from parity.errors import InputError
from parity.files import ranges, records
from parity.stats import Equivalence
from parity.sweeps.result_file import EquivalenceRecord

NAN, INF = math.nan, math.inf


@each_row(
    ("kind", "right", "wrong"),
    [
        (records.Count, [0, 1, 2**62], [-1, 1.0, True, "1", None]),
        (records.AtLeastOne, [1], [0, 0.5]),
        (Annotated[str, Meta(max_length=3)], ["", "abc"], ["abcd", 5, None, ["a"]]),
        (records.Name, ["", "x" * 10_000], ["x" * 10_001]),
        (
            Annotated[str, records.one_of("a", "b.c")],
            ["a", "b.c"],
            ["c", "", "a\n", "bxc", None, ["a"], 1],
        ),
        (Annotated[str, records.one_of("-log10 p")], ["-log10 p"], ["log10 p", "-log10 p "]),
        (records.Half, ["keras", "torch"], ["jax", "Keras"]),
        (records.Many[int], [[], [1, 2]], [{}, None, "ab", 1.5]),
        (records.Count | None, [None, 0], [-1, "", False]),
        (dict[str, Any], [{}, {"a": 1}], [[], None, "{}"]),
        (bool, [True, False], [0, 1, None, "true"]),
        (records.Amount, [0, 0.5, 1e308], [-1, -0.5, True, "1", "NaN", None]),
        (records.Share, [0, 1, 0.5], [1.01, -0.01, "0.5", True]),
        (records.Number, [0, -1.5], ["nan", "inf", "1", True, None, []]),
        (records.Scalar, [1, "text", "nan", True, None], [[], {}]),
    ],
    ids=str,
)
def test_a_type_tells_right_from_wrong(kind, right, wrong):
    for value in right:
        assert records.checked(kind, value, "x") == value
    for value in wrong:
        with pytest.raises(ValueError, match=r"^x is .*; expected "):
            records.checked(kind, value, "x")


@dataclass(frozen=True)
class Part:
    """A part.

    Attributes:
        name: its name.
    """

    name: str
    size: ranges.AtLeast1 | None = None


@dataclass(frozen=True)
class Whole:
    """Some parts."""

    kind: Literal["a", "b"]
    weight: float
    is_new: bool
    parts: tuple[Part, ...]
    counts: Annotated[Mapping[str, ranges.AtLeast0], ranges.length(1)]
    first: Part | None = None
    others: list[float] = field(default_factory=list)
    secret: int = 0


@records.mirrors(Whole, omit=("secret",))
class WholeRecord:
    note: str | UnsetType = UNSET


GIVEN = {
    "kind": "a",
    "weight": 2,
    "is_new": False,
    "parts": [{"name": "x", "size": None}, {"name": "y", "size": 3}],
    "counts": {"one": 1},
    "first": None,
    "others": [1, "NaN"],
}


def read(change):
    return records.record_from(WholeRecord, {**GIVEN, **change}, "file", lambda found: found)


def test_a_dataclass_comes_back_from_what_json_makes_of_it():
    whole = Whole("b", 0.5, True, (Part("x", 1), Part("y")), {"n": 2}, Part("z"), [1.0, 2.5])
    value = json.loads(json.dumps(asdict(whole)))
    del value["secret"]
    record = records.record_from(WholeRecord, value, "file", lambda found: found)
    assert records.domain(Whole, record) == whole
    assert json.loads(json.dumps(records.plain(record))) == value


@each_row(
    ("kind", "value"),
    [
        (JudgementRecord, Judgement("overfit", "gap", "because", 20, 0.99, best_epoch_number=3)),
        (
            EquivalenceRecord,
            Equivalence("equivalent", 0.1, 0.0, 0.2, 0.01, 1.0, 0.5, 0.3, 0.05, 8, 0.9, None),
        ),
    ],
    ids=["judgement", "equivalence"],
)
def test_results_of_ours_come_back(kind, value):
    assert (
        records.domain(type(value), records.checked(kind, json.loads(json.dumps(asdict(value)))))
        == value
    )


def test_a_whole_number_is_a_float_where_a_float_is_expected_and_all_keys_are_needed():
    found = read({"note": "n"})
    assert (found.weight, type(found.weight), found.note) == (2.0, float, "n")
    for key in GIVEN:
        with pytest.raises(InputError, match=f": the file has no '{key}'$"):
            records.record_from(
                WholeRecord, {k: v for k, v in GIVEN.items() if k != key}, "file", str
            )


@each_row(
    ("change", "told"),
    [
        ({"kind": "c"}, "kind is 'c'; expected 'a' or 'b'"),
        ({"parts": [{"name": "x", "size": 0}]}, "parts[0].size is 0; expected int >= 1"),
        ({"counts": {}}, "counts is {}; expected object of length >= 1"),
        ({"counts": {"one": -5}}, "counts.one is -5; expected int >= 0"),
        ({"weight": "2"}, "weight is '2'; expected a number, or one of 'NaN', 'Infinity', '-I"),
        ({"weight": True}, "weight is True; expected a number"),
        ({"is_new": 0}, "is_new is 0; expected bool, got int"),
        ({"parts": {"name": "x"}}, "parts is {'name': 'x'}; expected array, got object"),
        ({"parts": [GIVEN["parts"][0], {"name": 1}]}, "parts[1].name is 1; expected str, got int"),
        ({"parts": [{"name": "x", "size": True}]}, "parts[0].size is True; expected int | null"),
        ({"parts": [{"size": 1}]}, "parts[0] has no 'name'"),
        ({"parts": [7]}, "parts[0] is 7; expected object, got int"),
        ({"counts": {"a": 1, "b": 2, "c": 1.5, "d": []}}, "counts.c is 1.5; expected int"),
        ({"counts": {"a\n": None}}, "counts.'a\\n' is None; expected int, got null"),
        ({"first": "x"}, "first is 'x'; expected object | null, got str"),
        ({"others": [1, 2, "-inf"]}, "others[2] is '-inf'; expected a number"),
        ({"colour": "red"}, "the file has the unknown key 'colour'"),
        (
            {"first": {"name": "", "size": 1, "a` - at `$.b\n": 1}},
            "first has the unknown key 'a` - at `$",
        ),
        ({"weight": NAN}, "nan is not JSON"),
        ({"kind": "half \udc80"}, "surrogates not allowed"),
        ({"counts": {"x": 2**70}}, "an integer has more than 64 bits"),
        ({"counts": (1,)}, "a value is of type tuple"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_does_not_fit_is_told_with_its_place(change, told):
    with pytest.raises(InputError) as caught:
        read(change)
    assert told in str(caught.value)
    assert str(caught.value).startswith("file is not some parts: ")
    assert "\n" not in str(caught.value)


class Nested(records.Record):
    """What a test writes."""

    halves: dict[records.Half, dict[str, list[records.Number]]]
    pairs: list[tuple[records.Count, records.Count]] = []  # noqa: RUF012


@each_row(
    ("value", "told"),
    [
        (
            {"halves": {"keras": {"a": [1]}, "torch": {"a": [1], "b": [2, "x"], "c": ["x"]}}},
            "halves.torch.b[1] is 'x'; expected a number",
        ),
        ({"halves": {"keras": {}, "jax": {}}}, "a key of halves is 'jax'; expected 'keras' or"),
        ({"halves": {"keras": {"a": 5}}}, "halves.keras.a is 5; expected array, got int"),
        ({"halves": {}, "pairs": [[1, 2], [1]]}, "pairs[1] is [1]; expected array of length 2"),
        ({"halves": {}, "pairs": [[1, -2]]}, "pairs[0][1] is -2; expected int >= 0"),
        ([], "the file is []; expected object, got array"),
        (None, "the file is None; expected object, got null"),
    ],
)
def test_the_place_has_the_names_of_all_keys(value, told):
    before = json.dumps(value)
    with pytest.raises(InputError) as caught:
        records.record_from(Nested, value, "f.json", lambda found: found)
    assert str(caught.value).startswith(f"f.json is not what a test writes: {told}")
    assert json.dumps(value) == before


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"halves": {}, "halves": {}}', "a key occurs twice"),
        (b'{"halves": {"keras": {"a": [NaN]}}}', "NaN is not JSON"),
        (b'{"halves": {"keras": {"a": [1e999]}}}', "the number 1e999 is too large"),
        (b'{"halves": {"keras": {"\\ud800": []}}}', "surrogates not allowed"),
        (b'{"halves": ' + b"[" * 70 + b"]" * 70 + b"}", "nested deeper"),
        (b'{"halves": {}} ' + b" " * 1000, "it has more than 1,000 bytes"),
        (b'{"halves": {"keras": {"' + b"x" * 200 + b'": []}}}', "a text has 200 characters"),
        (b'{"halves": {}, "pairs": [[1, "make"]]}', "pairs[0][1] is 'make'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_is_strict_json_before_it_is_a_record(content, told, tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        records.read_record(Nested, path, records.plain, max_bytes=1000, max_text=100)
    assert str(caught.value).startswith(f"{path} is not what a test writes: ")
    assert told in str(caught.value)


def test_what_types_cannot_say_is_told_by_who_makes_the_value(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"halves": {}}')
    assert records.read_record(Nested, path, records.plain, max_bytes=14) == {
        "halves": {},
        "pairs": [],
    }

    def make(found):
        raise ValueError("two halves are missing")

    with pytest.raises(InputError, match=r"a\.json is not what a test writes: two halves are"):
        records.read_record(Nested, path, make, max_bytes=14)
    with pytest.raises(InputError, match=r"missing\.json cannot be read"):
        records.read_record(Nested, tmp_path / "missing.json", make, max_bytes=14)
