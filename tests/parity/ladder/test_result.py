"""Items make levels, levels make a result, and the result is the published JSON."""

import json
import math

import pytest

from parity.ladder.items import (
    ACCEPTED,
    DECIDES,
    DIFFERS,
    FAIL,
    NOT_REACHED,
    PASS,
    ROLES,
    ROUNDINGS,
    SKIPPED,
    UNITS,
    Item,
    Level,
)
from parity.ladder.result import Result
from parity.report.sentences import moment

NAN, INF = math.nan, math.inf


def item(name="item", worst=0.0, allowed=1.0, *, num=1, unit="abs", **place):
    return Item(name, worst, allowed, unit, num, **place)


@pytest.mark.parametrize(
    ("worst", "allowed", "num", "status"),
    [
        (0.0, 0.0, 1, PASS),
        (1.0, 1.0, 1, PASS),
        (0.5, INF, 1, PASS),
        (1.0, 0.999, 1, FAIL),
        (5e-324, 0.0, 1, FAIL),
        (NAN, 1.0, 1, FAIL),
        (NAN, INF, 1, FAIL),
        (INF, 1e300, 1, FAIL),
        (0.0, NAN, 1, FAIL),
        (0.0, 1.0, 0, FAIL),
    ],
)
def test_an_item_passes_if_something_was_compared_and_nothing_is_above(worst, allowed, num, status):
    assert item(worst=worst, allowed=allowed, num=num).status == status


OTHERS = [role for role in ROLES if role != DECIDES]


@pytest.mark.parametrize("role", OTHERS)
def test_above_its_limit_an_item_fails_only_if_it_decides_and_is_not_accepted(role):
    assert item(worst=2.0).status == FAIL
    assert item(worst=2.0, accepted=True).status == ACCEPTED
    assert item(worst=2.0, role=role).status == DIFFERS
    assert item(worst=2.0, role=role, accepted=True).status == ACCEPTED
    assert item(worst=1.0, role=role, accepted=True).status == PASS


@pytest.mark.parametrize(
    ("worst", "allowed", "ratio"),
    [
        (1.0, 4.0, 0.25),
        (6.0, 4.0, 1.5),
        (1.0, 0.5, 2.0),
        (0.0, 0.0, 0.0),
        (0.0, NAN, INF),
        (0.0, -0.5, INF),
        (1.0, -0.5, INF),
        (1e-300, 0.0, INF),
        (INF, 1.0, INF),
        (1.0, INF, 0.0),
        (NAN, 1.0, INF),
        (NAN, 0.0, INF),
        (INF, INF, INF),
        (1.0, NAN, INF),
    ],
)
def test_the_ratio_is_worst_in_units_of_allowed_and_never_nan(worst, allowed, ratio):
    assert item(worst=worst, allowed=allowed).ratio == ratio


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([("a", 0.1, 1.0), ("b", 0.2, 10.0), ("c", 0.0, 0.0)], "a"),
        ([("a", 0.9, 1.0), ("b", 1.1, 1.0), ("c", 3.0, 2.0)], "c"),
        ([("a", 5.0, 1.0), ("b", NAN, 1.0), ("c", 6.0, 1.0)], "b"),
        ([("a", NAN, 1.0), ("b", 0.5, 1.0)], "a"),
        ([("a", INF, INF), ("b", 2.0, 1.0)], "b"),
    ],
    ids=["closest to its limit", "exceeds most", "NaN between", "NaN first", "passes by infinity"],
)
def test_the_worst_item_fails_most_or_is_closest_to_its_limit(items, expected):
    for order in (items, items[::-1]):
        level = Level("trajectory", FAIL, "", tuple(item(*values) for values in order))
        assert level.worst.name == expected


def test_an_item_that_compared_nothing_is_worse_than_one_that_passes():
    items = (item("close", 0.99), item("empty", 0.0, num=0))
    assert Level("data", FAIL, "", items).worst.name == "empty"


@pytest.mark.parametrize("role", OTHERS)
def test_the_worst_item_is_one_that_decides(role):
    explains, decides = item("explains", 9.0, role=role), item("decides", 0.5)
    assert Level("forward", PASS, "", (explains, decides)).worst.name == "decides"
    assert Level("forward", PASS, "", (explains,)).worst is None


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit != ROUNDINGS])
def test_a_rounding_is_the_worst_item_only_if_it_fails_or_is_alone(unit):
    difference, near = item("difference", 0.1, unit=unit), item("near", 0.9, unit=ROUNDINGS)
    for items in ((difference, near), (near, difference)):
        assert Level("trajectory", PASS, "", items).worst.name == "difference"
    above = item("above", 1.1, unit=ROUNDINGS)
    assert Level("trajectory", FAIL, "", (difference, near, above)).worst.name == "above"
    assert Level("trajectory", PASS, "", (near,)).worst.name == "near"


def test_a_failure_is_worse_than_what_is_accepted():
    items = (item("accepted", 9.0, accepted=True), item("fails", 1.1))
    assert Level("forward", FAIL, "", items).worst.name == "fails"
    assert Level("forward", FAIL, "", items).first_failure.name == "fails"
    assert Level("forward", PASS, "", items[:1]).first_failure is None


@pytest.mark.parametrize("role", OTHERS)
def test_what_does_not_decide_is_no_failure_by_itself(role):
    assert Level("forward", PASS, "", (item(worst=9.0, role=role),)).first_failure is None


@pytest.mark.parametrize(
    ("role", "first"),
    [("introduced", "conv1"), ("follows", "output"), ("style", "output")],
)
def test_the_first_failure_may_be_where_a_difference_begins_and_not_what_follows(role, first):
    items = (item("passes", 1.0), item("conv1", 9.0, role=role), item("output", 2.0))
    assert Level("forward", FAIL, "", items).first_failure.name == first


def test_the_first_failure_is_the_first_in_time_and_then_in_order():
    items = (
        item("late", 9.0, step=40),
        item("passes", 0.5, step=1),
        item("early", 2.0, step=5),
        item("early too", 3.0, step=5),
    )
    level = Level("trajectory", FAIL, "", items)
    assert level.first_failure.name == "early"
    before_all_steps = item("setting", 2.0)
    level = Level("optimizer", FAIL, "", (*items, before_all_steps))
    assert level.first_failure.name == "setting"


def test_a_level_without_failures_or_items_has_no_first_failure():
    assert Level("data", PASS, "", (item(),)).first_failure is None
    empty = Level("data", NOT_REACHED, "")
    assert (empty.first_failure, empty.worst) == (None, None)


def levels():
    failing = item("conv2.kernel", INF, 1e-12, epoch=0, step=1, index=(1, 2), keras=NAN, torch=2.0)
    return (
        Level("data", PASS, "exact", (item("index", 0.0, 0.0, epoch=0),)),
        Level("schedule", SKIPPED, "no rates", applies=False),
        Level("trajectory", FAIL, "float64", (item("early", 0.5, step=1), failing)),
        Level("behaviour", NOT_REACHED, "not compared: trajectory failed"),
    )


def test_the_first_divergence_is_the_first_failure_of_the_first_failing_level():
    level, found = Result(FAIL, {}, levels()).first_divergence
    assert (level.id, found.name) == ("trajectory", "conv2.kernel")
    assert Result(PASS, {}, levels()[:2]).first_divergence is None
    assert Result(FAIL, {}, (Level("init", FAIL, "nothing compared"),)).first_divergence is None


def test_json_has_the_values_of_the_result():
    result = Result(
        FAIL,
        {"seed": 42},
        levels(),
        environment={"keras": {"python": "3"}, "torch": {}},
        data={"source": "embedded", "sha256": {}},
        behaviour={"keras": {"verdict": "overfit", "gap": NAN}, "torch": {}},
        history={"keras": {"loss": [1.0, -INF]}, "torch": {}},
        wall_s={"keras": 1.0, "torch": 2.0},
        drift={"difference": [INF]},
    )
    json_ = result.to_json()
    text = json.dumps(json_, allow_nan=False)
    assert json.loads(text) == json_
    assert json_["verdict"] == "fail"
    assert json_["mode"] == "seeded"
    assert json_["spec"] == {"seed": 42}
    assert [level["status"] for level in json_["levels"]] == [PASS, SKIPPED, FAIL, NOT_REACHED]
    trajectory = json_["levels"][2]
    assert (trajectory["worst"], trajectory["allowed"], trajectory["unit"]) == (
        "Infinity",
        1e-12,
        "abs",
    )
    assert [level["applies"] for level in json_["levels"]] == [True, False, True, True]
    unreached = json_["levels"][3]
    assert (unreached["worst"], unreached["allowed"], unreached["items"]) == (None, None, [])
    assert json_["first_divergence"] == {
        "level": "trajectory",
        "item": "conv2.kernel",
        "epoch_number": 1,
        "step": 1,
        "index": [1, 2],
        "keras": "NaN",
        "torch": 2.0,
        "worst": "Infinity",
        "allowed": 1e-12,
        "unit": "abs",
        "note": "",
        "causes": [],
        "place": None,
    }
    assert json_["settings"] == []
    assert json_["behaviour"]["keras"] == {"verdict": "overfit", "gap": "NaN"}
    assert json_["history"]["keras"]["loss"] == [1.0, "-Infinity"]
    assert json_["drift"] == {"difference": ["Infinity"]}


def test_epochs_are_counted_from_1_wherever_a_person_reads():
    found = item("val_loss", 2.0, epoch=4, step=10)
    result = Result(FAIL, {}, (Level("trajectory", FAIL, "", (found,)),)).to_json()
    assert [item(epoch=epoch).epoch_number for epoch in range(5)] == [1, 2, 3, 4, 5]
    assert result["levels"][0]["items"][0]["epoch_number"] == 5
    assert result["first_divergence"]["epoch_number"] == 5
    assert moment(found) == " (epoch 5, step 10)"
    assert item().epoch_number is None
