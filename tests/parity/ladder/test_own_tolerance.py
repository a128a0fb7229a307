"""A level is judged by the tolerance that a user gives, and says that it is theirs."""

import pytest

from parity.ladder.engine import judged_within
from parity.ladder.items import FAIL, PASS, SKIPPED, STYLE, Item, Level


def item(worst, unit="rel", **fields):
    return Item("name", worst, 1e-12, unit, 3, **fields)


def level(*items, status=FAIL):
    return Level("forward", status, "made for this test", items)


@pytest.mark.parametrize("unit", ["rel", "abs", "ulp"])
@pytest.mark.parametrize(("tolerance", "status"), [(1e-5, PASS), (1e-6, PASS), (9e-7, FAIL)])
def test_a_tolerance_of_the_users_own_judges_numbers(unit, tolerance, status):
    found = judged_within(level(item(1e-6, unit)), {"": tolerance})
    assert (found.status, found.items[0].allowed) == (status, tolerance)


@pytest.mark.parametrize("unit", ["count", "-log10 p"])
def test_what_is_no_rounding_is_judged_as_before(unit):
    given = level(item(1.0, unit))
    assert judged_within(given, {"": 1e3}).items == given.items


def test_what_decides_nothing_fails_nothing():
    found = judged_within(level(item(1e-13), item(1.0, role=STYLE), status=PASS), {"": 1e-6})
    assert found.status == PASS


def test_a_level_that_was_not_compared_stays_so():
    given = Level("loss", SKIPPED, "the port gives no loss")
    assert judged_within(given, {"": 1e-6}) == given


def test_the_tolerance_of_a_level_goes_before_that_of_all():
    given = {"": 1e-3, "forward": 1e-7}
    assert judged_within(level(item(1e-6)), given).items[0].allowed == 1e-7
    other = Level("loss", FAIL, "made for this test", (item(1e-6),))
    assert judged_within(other, given).status == PASS


def test_the_level_says_whose_tolerance_it_is():
    assert judged_within(level(item(1e-6)), {"": 1e-5}).tolerance_source.startswith("your")
