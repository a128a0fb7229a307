"""JUnit by a reader of CI systems: a failure or an error if and only if something is wrong."""

import dataclasses
import math

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped
from page_parts import page_of
from result_samples import BAD, GOOD, broken_run, named, passing_check, run

from parity.report.export.junit import junit_xml
from parity.report.page import Case, Page, Suite, plain


def parsed(result):
    (suite,) = JUnitXml.fromstring(junit_xml(page_of(result)).encode())
    return suite


@pytest.mark.parametrize("name", [*GOOD, *(f"bad {name}" for name in BAD)])
def test_there_is_a_failure_or_an_error_unless_all_is_good(name):
    is_bad = name.startswith("bad ")
    suite = parsed(BAD[name.removeprefix("bad ")] if is_bad else GOOD[name])
    assert suite.tests == len(list(suite)) >= 1
    assert (suite.failures + suite.errors > 0) == is_bad
    ends = [found for each in suite for found in each.result]
    counted = [sum(isinstance(e, kind) for e in ends) for kind in (Failure, Error, Skipped)]
    assert [suite.failures, suite.errors, suite.skipped] == counted
    assert all(found.message for found in ends if not isinstance(found, Skipped))


def test_a_bad_verdict_that_no_test_shows_is_a_test():
    suite = Suite("run", "a.b", "fail", "it differs", (Case("data"),), {"a": None, "b": 1})
    document = junit_xml(Page("t", "fail", "fail", "it differs", suites=(suite,)))
    (found,) = JUnitXml.fromstring(document.encode())
    assert [(case.name, case.classname) for case in found] == [
        ("data", "parity.run.a_b"), ("verdict", "parity.run.a_b"),
    ]  # fmt: skip
    assert [each.name for each in found.properties()] == ["b"]
    (end,) = list(found)[1].result
    assert (end.type, end.message, end.text) == ("fail", "it differs", "it differs")


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -1.0, "fast", None])
def test_a_time_that_is_none_is_left_out(seconds):
    suite = Suite("run", "a", "pass", "", (), {}, (seconds, seconds))
    assert "time=" not in junit_xml(Page("t", "pass", "pass", "", suites=(suite,)))


def test_the_time_is_that_of_both_halves():
    assert parsed(run()).time == 18.75  # 12.25 and 6.5 seconds of training
    environment = {half: {"wall_s": {"check": 2.5, "import": 9.0}} for half in ("keras", "torch")}
    assert parsed(dataclasses.replace(passing_check(), environment=environment)).time == 5


def test_what_xml_forbids_is_spelled_out_and_long_texts_are_cut():
    text = "".join(map(chr, range(32))) + "\x7f\x85\ud800\udfff\ufffe\uffff]]><![CDATA["
    assert any(plain(text) in parsed(result).name for result in named(text))
    for result in named("x" * 20_000):
        assert len(junit_xml(page_of(result))) < 200_000
    assert len(junit_xml(page_of(broken_run("line\n" * 10**4)))) < 10_000
