"""Behaviour: a training history to a verdict on the fit, by a few rules."""

from parity.behaviour.judgement import TARGET, VERDICTS, Expectation, Judgement, expectation_of
from parity.behaviour.rules import judge, judge_run

__all__ = [
    "TARGET",
    "VERDICTS",
    "Expectation",
    "Judgement",
    "expectation_of",
    "judge",
    "judge_run",
]
