"""The verdict of a run, or of a check, in one sentence."""

from __future__ import annotations

from parity.result import ERROR, FAIL, PASS, Result


def sentence_of(result: Result) -> str:
    """Returns what the verdict means, and where it failed."""
    is_run = "scenario" in result.spec
    if result.verdict == ERROR:
        return "There is no comparison: what was needed for it is missing."
    if result.verdict == FAIL:
        told = "The two runs are not the same run" if is_run else "The port computes something else"
        first = result.first_divergence
        if result.causes:
            cause = result.causes[0]
            return f"{told}: {cause.get('title')} ({cause.get('id')})."
        return (
            f"{told}: they part at {first[1].name}, level {first[0].id}." if first else f"{told}."
        )
    if not is_run:
        num = sum(level.status == PASS for level in result.levels)
        return f"The port is right: it agrees with Keras at all {num} levels that were compared."
    if result.spec.get("dtype") == "float64":
        return "The two runs are the same run."
    return "The two runs are the same run, as far as float32 can tell."
