"""The verdict of a run or a check in one sentence."""

from __future__ import annotations

from parity.ladder.items import FAIL
from parity.ladder.result import ERROR, Result
from parity.report.sentences import (
    capital,
    differences,
    extent,
    is_unfinished,
    item_name,
    sentence,
)


def sentence_of(result: Result) -> str:
    """Returns the meaning of the verdict, and the place of the failure."""
    if is_unfinished(result):
        return f"{capital(sentence(result))}."
    if result.verdict == ERROR:
        return "There is no comparison: a half failed, or its files are missing."
    if result.verdict == FAIL:
        text = capital(differences(result))
        compared = f" {extent([result])}."
        first = result.first_divergence
        if result.causes:
            cause = result.causes[0]
            is_one = len(result.unaccepted) == 1
            told = f"{cause.get('title')} ({cause.get('id')})"
            told = f"{text}: {told}." if is_one else f"{text}, the first: {told}."
        elif first:
            told = f"{text}: the first difference is {item_name(first[1])}, level {first[0].id}."
        else:
            told = f"{text}."
        return told + compared
    return f"{capital(sentence(result))}."
