"""Rules for values: what is right, and how a value that is not is told."""

import math

import pytest

from parity import json_rules
from parity.json_rules import check, check_each, checked, integer, list_of, one_of, or_none, text


@pytest.mark.parametrize(
    ("rule", "right", "wrong"),
    [
        (integer(1), [1, 2**70], [0, -1, 1.0, True, "1", None]),
        (integer(0, 3), [0, 3], [4, -1]),
        (text(3), ["", "abc"], ["abcd", 5, None, ["a"]]),
        (text(3, least=1), ["a", "abc"], ["", "abcd"]),
        (one_of("a", "b"), ["a", "b"], ["c", "", None, ["a"], 1]),
        (list_of("numbers", 2), [[], [1, 2]], [[1, 2, 3], (1, 2), "ab", {}, None]),
        (or_none(integer(0)), [None, 0], [-1, "", False]),
        (json_rules.MAPPING, [{}, {"a": 1}], [[], None, "{}"]),
        (json_rules.BOOL, [True, False], [0, 1, None, "true"]),
        (json_rules.AMOUNT, [0, 0.5, 1e308], [-1, -0.5, math.nan, math.inf, True, "1", None]),
        (json_rules.SHARE, [0, 1, 0.5], [1.01, -0.01, math.nan, "0.5", True]),
        (
            json_rules.NUMBER,
            [0, -1.5, "NaN", "Infinity", "-Infinity"],
            ["nan", "inf", "1", True, None, math.nan, []],
        ),
    ],
    ids=lambda value: value[1].replace(" ", "_") if isinstance(value, tuple) else "",
)
def test_a_rule_tells_right_from_wrong(rule, right, wrong):
    for value in right:
        assert check("x", value, rule) is value
    for value in wrong:
        with pytest.raises(ValueError, match=r"^x is .*; expected "):
            check("x", value, rule)


def test_what_is_wrong_is_told_with_its_place_and_cut():
    with pytest.raises(ValueError, match=r"^rows\[3\].part is 'y{36}\.\.\.; expected 'a' or 'b'$"):
        check("rows[3].part", "y" * 100, one_of("a", "b"))


def test_the_first_wrong_entry_of_a_list_is_named():
    assert check_each("x", [1, 2], integer(0)) == [1, 2]
    with pytest.raises(ValueError, match=r"^x\[1\] is -2; expected an integer of at least 0$"):
        check_each("x", [1, -2, -3], integer(0))


RULES = {"a": integer(0), "b": text(5)}


def test_a_mapping_gives_what_has_a_rule():
    assert checked("x", {"c": 1, "b": "t", "a": 2}, RULES) == {"a": 2, "b": "t"}
    assert checked("x", {"b": "t"}, RULES, needed=["b"]) == {"b": "t"}


@pytest.mark.parametrize(
    ("place", "content", "message"),
    [
        ("x", [], "x is of type list; expected a mapping"),
        ("", None, "the file is of type NoneType; expected a mapping"),
        ("x", {"a": 1}, "x has no 'b'"),
        ("", {"a": 1}, "the file has no 'b'"),
        ("x", {"a": -1, "b": ""}, "x.a is -1; expected an integer of at least 0"),
        ("", {"a": 1, "b": 2}, "b is 2; expected a text of at most 5 characters"),
    ],
)
def test_a_mapping_that_is_not_right_is_told(place, content, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        checked(place, content, RULES)


def test_what_is_not_needed_is_checked_where_it_is_there():
    with pytest.raises(ValueError, match=r"x\.a is 'no'"):
        checked("x", {"a": "no", "b": ""}, RULES, needed=["b"])
    with pytest.raises(ValueError, match="x has no 'b'"):
        checked("x", {"a": 1}, RULES, needed=["b"])
