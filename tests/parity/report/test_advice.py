"""Where no cause of a divergence was recognised, every report says what to do at its level."""

import pytest
from checked import explained, level, result_of
from result_samples import explained_run

from parity.ladder.items import FAIL, Item, Level
from parity.ladder.levels import LEVEL_IDS
from parity.ladder.result import Result
from parity.programs.run_spec import RunSpec
from parity.report.advice import _BY_LEVEL, advice_of
from parity.report.export.junit import junit_xml
from parity.report.export.summary import summary_markdown
from parity.report.html.run_page import run_page
from parity.report.read import FoundRun
from parity.report.text.result import result_lines


def failing(name):
    item = Item("conv1.kernel", 0.5, 0.0, "abs", 3, keras=1.0, torch=1.5)
    return Result(FAIL, RunSpec().to_dict(), (Level(name, FAIL, "why", (item,)),))


def test_there_is_advice_for_every_level():
    assert set(_BY_LEVEL) == set(LEVEL_IDS)


@pytest.mark.parametrize("name", LEVEL_IDS)
def test_a_level_is_told_with_what_to_do_next(name):
    result = failing(name)
    lines = ["".join(text for text, _ in line) for line in result_lines(result)]
    assert max(map(len, lines)) <= 80
    told = " ".join(" ".join(lines).split())
    assert f"often {_BY_LEVEL[name].title} next {_BY_LEVEL[name].action}" in told
    action = _BY_LEVEL[name].action.replace("`", "\\`").replace("_", "\\_")
    assert f"- **next** {action}" in summary_markdown([result])


def test_a_divergence_without_a_cause_is_told_with_what_to_do_next():
    result = explained_run(causes=())
    advice = _BY_LEVEL["forward"]
    assert advice_of(result) == advice
    told = " ".join("".join(text for line in result_lines(result) for text, _ in line).split())
    assert told.count("no known divergence explains these numbers") == 1
    summary = summary_markdown([result])
    assert summary.index("- **next** ") < summary.index("- **forward** ")
    assert "first divergence" not in summary
    (found,) = run_page(FoundRun(None, result)).divergences.found
    assert [cause.fix for cause in found.causes] == [advice.action]
    assert advice.action[:20] in junit_xml([result])


def test_a_check_has_causes_of_its_own():
    assert advice_of(result_of(level("forward", worst=1.0))) is None


def test_a_cause_that_was_recognised_needs_no_advice():
    assert advice_of(explained(failing("init"), ({"id": "B1"},))) is None


def test_a_run_that_passes_needs_none():
    assert advice_of(Result("pass", RunSpec().to_dict())) is None
