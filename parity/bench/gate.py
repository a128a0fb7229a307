"""The gate: a fast run that trains otherwise is no result.

`torch_impl.fit` in fp32 has to be Keras's own run: it climbs the ladder, and the program that is
timed has to be that run too. All others have to be as good as Keras: over several seeds, their
accuracy on the validation samples has to be equivalent to Keras's within a margin (two one-sided
tests). Too few seeds prove nothing, and are said to.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from parity.bench.child import BenchTask
from parity.bench.measure import accuracies
from parity.bench.result import OK, REFUSED, Row
from parity.errors import ParityError
from parity.halves.options import ChildOptions
from parity.programs.bench_spec import BenchSpec
from parity.programs.variants import VARIANTS

MARGIN = 0.03  # of accuracy, fixed beforehand: twice what a sweep allows, of a fifth of its epochs
EPOCHS = 6
LADDER = {"train_size": 600, "val_size": 200, "epochs": 2}  # at most as many samples
ON_THE_LADDER = ("torch", "fp32")  # half precision and compiled networks round otherwise
Say = Callable[[str], Any]


def checked(
    rows: Sequence[Row],
    spec: BenchSpec,
    folder: Path,
    pythons: dict[str, str],
    timeout_s: float | None,
    say: Say,
) -> list[Row]:
    """Returns rows with the parity of their variants; one that trains otherwise is refused.

    Rows of "input" and "augment" train nothing, the baseline is Keras itself: both are left alone.
    """
    if spec.gate_seeds == 0:
        return list(rows)
    found: dict[tuple[str, str], tuple[str, str]] = {}

    @functools.cache
    def reference() -> list[float] | ParityError:
        """Keras's accuracies, found once; or why there are none, told to all that need them."""
        try:
            return _runs(spec, "keras", "fp32", folder / "gate-keras", pythons, timeout_s)
        except ParityError as error:
            return error

    for row in rows:
        variant = row.variant.partition("#")[0]
        key = variant, row.precision
        if row.status != OK or row.part in ("input", "augment") or key in found:
            continue
        if variant == "keras" and row.precision == "fp32":
            found[key] = "pass", "the reference"
            continue
        say(f"parity of {variant} in {row.precision}")
        place = folder / f"gate-{variant}-{row.precision}"
        try:
            if key == ON_THE_LADDER:
                found[key] = _ladder(spec, place, pythons, timeout_s)
            else:
                theirs = reference()
                if isinstance(theirs, ParityError):
                    found[key] = "unchecked", f"Keras's own runs failed: {theirs}"
                    continue
                ours = _runs(spec, variant, row.precision, place, pythons, timeout_s)
                found[key] = _equivalence(ours, theirs)
        except ParityError as error:
            found[key] = "unchecked", str(error)
    return [_judged(row, found) for row in rows]


def _judged(row: Row, found: dict[tuple[str, str], tuple[str, str]]) -> Row:
    key = row.variant.partition("#")[0], row.precision
    if row.part in ("input", "augment") or key not in found:
        return row
    parity, note = found[key]
    row = replace(row, parity=parity, parity_note=note)
    if parity == "fail" and row.status == OK:
        return replace(row, status=REFUSED, reason=f"it does not train as Keras does: {note}")
    return row


def _ladder(
    spec: BenchSpec, folder: Path, pythons: dict[str, str], timeout_s: float | None
) -> tuple[str, str]:
    """The ladder of `parity run`, on a short run of the same program."""
    from parity.pair import RunOptions
    from parity.pipeline import run_all

    children = ChildOptions(pythons["keras"], pythons["torch"], timeout_s)
    options = RunOptions(out=folder / "ladder", children=children)
    run = spec.run_spec(spec.batch_sizes[0])
    sizes = {name: min(LADDER[name], getattr(spec, name)) for name in ("train_size", "val_size")}
    run = run.replace(**sizes, epochs=LADDER["epochs"])
    (result,) = run_all([run], options)
    if result.verdict == "error":  # the rest of an error is the end of a log
        return "unchecked", "; ".join(error.partition("\n")[0] for error in result.errors)
    if result.verdict != "pass":
        level, item = result.first_divergence or ("?", None)
        where = getattr(level, "id", level)
        return "fail", f"seeded: {where}, {getattr(item, 'name', item)}"
    # The ladder is climbed by `fit`; what is timed is a loop of its own around the same parts. It
    # is the same half, machine and seed: not a single sample may be judged otherwise.
    timed = BenchTask("accuracy", *ON_THE_LADDER, run)
    (found,) = accuracies(timed, 1, folder / "timed", pythons["torch"], timeout_s)
    expected = result.history["torch"]["val_accuracy"][-1]
    if found != expected:
        return (
            "fail",
            f"seeded: the program that is timed reaches an accuracy of {found:.4f}, "
            f"torch_impl.fit {expected:.4f}",
        )
    return "pass", "seeded: the same run, level by level"


def _runs(
    spec: BenchSpec,
    variant: str,
    precision: str,
    folder: Path,
    pythons: dict[str, str],
    timeout_s: float | None,
) -> list[float]:
    run = spec.run_spec(spec.batch_sizes[0]).replace(epochs=EPOCHS)
    task = BenchTask("accuracy", variant, precision, run)
    python = pythons[VARIANTS[variant].half]
    return accuracies(task, spec.gate_seeds, folder, python, timeout_s)


def _equivalence(ours: Sequence[float], theirs: Sequence[float]) -> tuple[str, str]:
    from parity.stats import equivalence_of_groups

    found = equivalence_of_groups(ours, theirs, MARGIN)
    told = (
        f"accuracy {found.difference:+.3f} ({found.low:+.3f} to {found.high:+.3f}) of Keras's, "
        f"margin {MARGIN:g}, {found.n} seeds of {EPOCHS} epochs"
    )
    if found.verdict == "equivalent":
        return "pass", f"as good as Keras: {told}"
    if found.verdict == "different":
        return "fail", told
    return "unchecked", f"inconclusive: {told}; needs {found.n_needed or 'more'} seeds"
