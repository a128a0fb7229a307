"""The verdict of a run or a check in one sentence."""

from __future__ import annotations

from parity.ladder.items import FAIL
from parity.ladder.result import ERROR, Result
from parity.report.sentences import capital, sentence


def sentence_of(result: Result) -> str:
    """Returns the meaning of the verdict, and the place of the failure."""
    if result.verdict == ERROR:
        return "There is no comparison: a half failed, or its files are missing."
    if result.verdict == FAIL:
        text = capital(sentence(result))
        first = result.first_divergence
        if result.causes:
            cause = result.causes[0]
            is_one = len(result.unaccepted) == 1
            told = f"{cause.get('title')} ({cause.get('id')})"
            return f"{text}: {told}." if is_one else f"{text}, the first: {told}."
        return (
            f"{text}: the first difference is {first[1].name}, level {first[0].id}."
            if first
            else f"{text}."
        )
    return f"{capital(sentence(result))}."
