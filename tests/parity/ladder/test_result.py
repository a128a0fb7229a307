"""Items make levels, levels make a result, and the result is the published JSON."""

import json
import math

import pytest
from rows import each_row

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


@pytest.mark.parametrize(
    ("role", "accepted", "status"),
    [
        *((DECIDES, False, FAIL), (DECIDES, True, ACCEPTED)),
        *((role, False, DIFFERS) for role in OTHERS),
        *((role, True, ACCEPTED) for role in OTHERS),
    ],
)
def test_above_its_limit_an_item_fails_only_if_it_decides_and_is_not_accepted(
    role, accepted, status
):
    assert item(worst=2.0, role=role, accepted=accepted).status == status
    assert item(worst=1.0, role=role, accepted=accepted).status == PASS


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


FAR, NEAR = item("far", 0.1), item("near", 0.9, unit=ROUNDINGS)
EARLY = (item("late", 9.0, step=40), item("passes", 0.5, step=1), item("early", 2.0, step=5))
ABOVE, FAILS = item("above", 1.1, unit=ROUNDINGS), item("fails", 1.1)
ALLOWED, PASSES, LAST = (
    item("accepted", 9.0, accepted=True),
    item("passes"),
    item("last", 2.0),
)
# The items of a level, the worst one and the first one that fails.
ITEMS = [
    # closest to its limit; exceeds it most; NaN between others and first; passes by infinity
    ((item("a", 0.1), item("b", 0.2, 10.0), item("c", 0.0, 0.0)), "a", None),
    ((item("a", 0.9), item("b", 1.1), item("c", 3.0, 2.0)), "c", "b"),
    ((item("a", 5.0), item("b", NAN), item("c", 6.0)), "b", "a"),
    ((item("a", NAN), item("b", 0.5)), "a", "a"),
    ((item("a", INF, INF), item("b", 2.0)), "b", "b"),
    # one that compared nothing
    ((item("close", 0.99), item("empty", num=0)), "empty", "empty"),
    # one that decides
    *(((item("explains", 9.0, role=role), FAR), "far", None) for role in OTHERS),
    *(((item("explains", 9.0, role=role),), None, None) for role in OTHERS),
    # a rounding only if it fails or is alone
    ((FAR, NEAR), "far", None),
    *(
        ((NEAR, item("far", 0.1, unit=unit)), "far", None)
        for unit in UNITS if unit != ROUNDINGS
    ),
    ((FAR, NEAR, ABOVE), "above", "above"),
    ((NEAR,), "near", None),
    # a failure before what is accepted
    ((ALLOWED, FAILS), "fails", "fails"),
    ((ALLOWED,), "accepted", None),
    # where a difference begins, and not what follows
    *(
        ((PASSES, item("begins", 9.0, role=role), LAST), "last", first)
        for role, first in (("introduced", "begins"), ("follows", "last"), ("style", "last"))
    ),
    # the first in time, and then in order
    ((*EARLY, item("early too", 3.0, step=5)), "late", "early"),
    ((*EARLY, item("setting", 2.0)), "late", "setting"),
    ((PASSES,), "passes", None),
    ((), None, None),
]  # fmt: skip


@each_row(("items", "worst", "first"), ITEMS)
def test_the_worst_item_of_a_level_and_its_first_failure(items, worst, first):
    level = Level("trajectory", FAIL, "", items)
    found = [each and each.name for each in (level.worst, level.first_failure)]
    assert found == [worst, first]


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
    assert json.loads(json.dumps(json_, allow_nan=False)) == json_
    told = [[level[name] for name in ("status", "applies", "worst")] for level in json_["levels"]]
    assert told == [
        [PASS, True, 0.0],
        [SKIPPED, False, None],
        [FAIL, True, "Infinity"],
        [NOT_REACHED, True, None],
    ]
    trajectory, unreached = json_["levels"][2:]
    assert (trajectory["allowed"], trajectory["unit"]) == (1e-12, "abs")
    assert (unreached["allowed"], unreached["items"]) == (None, [])
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
    expected = {
        "verdict": "fail",
        "mode": "seeded",
        "spec": {"seed": 42},
        "settings": [],
        "behaviour": {"keras": {"verdict": "overfit", "gap": "NaN"}, "torch": {}},
        "history": {"keras": {"loss": [1.0, "-Infinity"]}, "torch": {}},
        "drift": {"difference": ["Infinity"]},
    }
    assert {name: json_[name] for name in expected} == expected


def test_epochs_are_counted_from_1_wherever_a_person_reads():
    found = item("val_loss", 2.0, epoch=4, step=10)
    result = Result(FAIL, {}, (Level("trajectory", FAIL, "", (found,)),)).to_json()
    assert [item(epoch=epoch).epoch_number for epoch in range(5)] == [1, 2, 3, 4, 5]
    assert result["levels"][0]["items"][0]["epoch_number"] == 5
    assert result["first_divergence"]["epoch_number"] == 5
    assert moment(found) == " (epoch 5, step 10)"
    assert item().epoch_number is None
