"""Where no cause of a divergence was recognised, the page says what to do at its level."""

from checked import explained, level, result_of
from result_samples import failing_run, run

from parity.ladder.items import LEVEL_IDS
from parity.report.sentences import _BY_LEVEL, advice_of


def test_there_is_advice_for_every_level():
    assert set(_BY_LEVEL) == set(LEVEL_IDS)
    assert advice_of(failing_run()) == _BY_LEVEL["trajectory"]


def test_a_check_a_known_cause_and_a_run_that_passes_need_none():
    known = explained(failing_run(divergences=()), ({"id": "B1"},))
    for result in (result_of(level("forward", worst=1.0)), known, run()):
        assert advice_of(result) is None
