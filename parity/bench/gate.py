"""The gate: the speed of a variant counts only if the variant trains as Keras does.

`torch_impl.fit` in fp32 must be the same run as Keras's. It is compared level by level, and the
program that is timed must be that run too. All other variants must be as good as Keras: over
several seeds, their validation accuracy must be equivalent to Keras's within a margin
(`parity.sweeps.groups`). Too few seeds prove nothing, and the note says so.
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

MARGIN = 0.03  # accuracy, fixed beforehand: twice that of a sweep, for a fifth of its epochs
EPOCHS = 6
LADDER = {"train_size": 600, "val_size": 200, "epochs": 2}  # upper limits
ON_THE_LADDER = ("torch", "fp32")  # half precision and compiled networks round differently
Say = Callable[[str], Any]


def checked(
    rows: Sequence[Row],
    spec: BenchSpec,
    folder: Path,
    pythons: dict[str, str],
    timeout_s: float | None,
    say: Say,
) -> list[Row]:
    """Returns rows with the parity of their variants; refuses variants that train differently.

    Rows of "input" and "augment" train nothing, and the baseline is Keras itself; they stay as they
    are.
    """
    if spec.gate_seeds == 0:
        return list(rows)
    found: dict[tuple[str, str], tuple[str, str]] = {}

    @functools.cache
    def reference() -> list[float] | ParityError:
        """Keras's accuracies, computed once, or the error that every row gets as its reason."""
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
    """Compares a short run of the same program level by level, as `parity run` does."""
    from parity.runs.run import run_all
    from parity.runs.run_options import RunOptions

    children = ChildOptions(pythons["keras"], pythons["torch"], timeout_s)
    options = RunOptions(out=folder / "ladder", children=children)
    run = spec.run_spec(spec.batch_sizes[0])
    sizes = {name: min(LADDER[name], getattr(spec, name)) for name in ("train_size", "val_size")}
    run = run.replace(**sizes, epochs=LADDER["epochs"])
    (result,) = run_all([run], options)
    if result.verdict == "error":  # after its first line, an error holds the end of a log
        return "unchecked", "; ".join(error.partition("\n")[0] for error in result.errors)
    if result.verdict != "pass":
        level, item = result.first_divergence or ("?", None)
        where = getattr(level, "id", level)
        return "fail", f"seeded: {where}, {getattr(item, 'name', item)}"
    # The ladder compares `fit`. The timed program is a loop of its own around the same parts, with
    # the same half, machine and seed, so every single prediction must be the same.
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
    from parity.sweeps.groups import equivalence_of_groups

    found = equivalence_of_groups(ours, theirs, MARGIN)
    figures = (
        f"accuracy {found.difference:+.3f} ({found.low:+.3f} to {found.high:+.3f}) of Keras's, "
        f"margin {MARGIN:g}, {found.n} seeds of {EPOCHS} epochs"
    )
    if found.verdict == "equivalent":
        return "pass", f"as good as Keras: {figures}"
    if found.verdict == "different":
        return "fail", figures
    if found.has_enough:
        return "unchecked", f"inconclusive: {figures}; the difference is near the margin"
    return "unchecked", f"inconclusive: {figures}; needs {found.n_needed or 'more'} seeds"
