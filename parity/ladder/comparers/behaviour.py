"""Behaviour: the verdict on the fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from parity.behaviour.rules import judge, judge_run
from parity.ladder.compare import compare_close, compare_exact
from parity.ladder.items import PASS
from parity.ladder.outcome import Outcome, judged, skipped
from parity.programs.run_spec import RunSpec

# Two counts of right answers differ by more in one of 370 pairs.
NUM_DEVIATIONS = 3.0

if TYPE_CHECKING:
    from parity.behaviour.judgement import Judgement
    from parity.ladder.items import Item
    from parity.traces.trace import Trace


def of_training(keras: Trace, torch: Trace) -> Outcome:
    """Compares the verdicts on the fit; with anchors, numbers near a limit may differ by chance."""
    sizes = keras.facts if "anchors" in keras.facts else None
    return same_verdict(judge_training(keras, keras), judge_training(torch, keras), sizes)


def judge_training(half: Trace, keras: Trace) -> Judgement:
    """Returns the verdict on the history of a half.

    Args:
        half: its training.
        keras: the training of the reference, which tells how much it was fed.
    """
    run = keras.spec.get("run")
    if run is None:
        return judge(half.history)
    return judge_run(RunSpec.from_dict(run), half.history, keras.facts)


def same_verdict(a: Judgement, b: Judgement, sizes: Mapping[str, Any] | None) -> Outcome:
    """Compares two verdicts on the fit.

    Args:
        a: of the reference.
        b: of the port.
        sizes: "num_train" and "num_val", the numbers of samples, if two right runs may part.
    """
    source = "the same verdict"
    if a.verdict != b.verdict and sizes is not None:
        items = list(_near(a, b, sizes))
        if items and all(item.status == PASS for item in items):
            return judged(
                f"{source}, or numbers that differ by less than chance; {_why(a, b)}", items
            )
    return judged(source, [compare_exact("verdict", a.verdict, b.verdict)])


def _near(a: Judgement, b: Judgement, sizes: Mapping[str, Any]) -> Iterator[Item]:
    """Compares the numbers that decide; the limit is what counts of correct samples vary by."""
    if "diverged" in (a.verdict, b.verdict):
        return
    spreads = {}
    if not (sizes.get("num_train") and sizes.get("num_val")):
        return
    for name, part in (("train_accuracy", "num_train"), ("val_accuracy", "num_val")):
        rates = [getattr(judged, name) for judged in (a, b)]
        if None in rates:
            return
        # The variance of a count of so many samples; one sample more, since a rate may be 0 or 1.
        number = sizes[part]
        mean = (sum(rates) / 2 * number + 1) / (number + 2)
        spreads[name] = 2 * mean * (1 - mean) / number
    spreads["gap"] = sum(spreads.values())
    for name, variance in spreads.items():
        yield compare_close(
            name, getattr(a, name), getattr(b, name), allowed=NUM_DEVIATIONS * variance**0.5
        )


def _why(a: Judgement, b: Judgement) -> str:
    return f"Keras: {a.verdict}, {a.because}; torch: {b.verdict}, {b.because}"


def of_probe(keras: Trace, port: Trace) -> Outcome:
    """Compares nothing: a probe trains too few steps."""
    return skipped(
        "a check trains a few steps; `parity run` and `parity sweep` train whole runs",
        applies=False,
    )
