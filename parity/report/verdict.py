"""The verdict of a run, or of a check, in one sentence."""

from __future__ import annotations

from parity.ladder.items import FAIL, PASS
from parity.ladder.result import ERROR, Result
from parity.report.sentences import capital, is_check, sentence


def sentence_of(result: Result) -> str:
    """Returns what the verdict means, and where it failed."""
    if result.verdict == ERROR:
        return "There is no comparison: what was needed for it is missing."
    if result.verdict == FAIL:
        told = capital(sentence(result))
        first = result.first_divergence
        if result.causes:
            cause = result.causes[0]
            return f"{told}: {cause.get('title')} ({cause.get('id')})."
        return (
            f"{told}: they part at {first[1].name}, level {first[0].id}." if first else f"{told}."
        )
    if is_check(result):
        num = sum(level.status == PASS for level in result.levels)
        return f"The port is right: it agrees with Keras at all {num} levels that were compared."
    return f"{capital(sentence(result))}."
