"""A sweep that was read from a file is judged again: its file may say what does not follow.

In: a result as the file has it. Out: what contradicts it, as a sentence. Where the file has its
runs, all is computed from them; the margins of programs of the user's are those of the file. A file
of an earlier version has no runs: its verdict is compared with its rows, and these with their
numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.programs.scenarios import SCENARIOS, Margins, Terms
from parity.stats import ALPHA, decide
from parity.sweeps.equivalence import SweepEquivalence, verdict_of
from parity.sweeps.rows import Sweep
from parity.sweeps.samples import QUANTITIES

if TYPE_CHECKING:
    from parity.sweeps.result import SweepResult

# Of numbers that another machine has computed, of rounding alone.
RELATIVE, ABSOLUTE = 1e-6, 1e-9
# They follow from the spread, and jump where a power is just reached; no verdict rests on them.
_NOT_COMPARED = {"power", "n_needed"}
_UNKNOWN = "?"  # what a remedy cures whose effect was not compared


def contradiction(found: SweepResult, judged: Callable[..., SweepResult]) -> str:
    """Returns what of a result does not follow from the rest of it; "": all does.

    "incomplete" is a verdict that any result may have: it says less than the others.

    Args:
        found: as the file has it.
        judged: `parity.sweeps.result.result_of`.

    Raises:
        ValueError: nothing can be computed from its runs.
    """
    return next(_contradictions(found, judged), "")


def _contradictions(found: SweepResult, judged: Callable[..., SweepResult]) -> Iterator[str]:
    told = found.equivalence
    if found.rows:
        if found.num_runs != len(found.rows):
            yield f"runs.finished is {found.num_runs}, but there are {len(found.rows)} rows"
        places = [(row.scenario, row.seed, row.half) for row in found.rows]
        lacking = [(row["scenario"], row["seed"], row["half"]) for row in found.failures]
        if len({*places, *lacking}) < len(places) + len(lacking):
            yield "a run occurs twice among rows and failures"
        told = _again(found, judged)
        yield from _differences(found.equivalence.to_json(), told.to_json())
    else:
        yield from _of_rows(found)
    verdict = (
        "incomplete"
        if found.failures
        else verdict_of(told.verdicts, told.collapses, told.comparisons)
    )
    if found.verdict not in (verdict, "incomplete"):
        why = f"{len(found.failures)} runs are missing" if found.failures else "by its rows"
        yield f"verdict is {found.verdict!r}, but it is {verdict!r}: {why}"


def _again(found: SweepResult, judged: Callable[..., SweepResult]) -> SweepEquivalence:
    """Returns what follows from the runs."""
    terms = _terms(found)
    # A file may have numbers whose squares leave the floats; then nothing is the same.
    with np.errstate(all="ignore"):
        try:
            again = judged(
                Sweep(list(found.rows), list(found.failures)),
                mode=found.mode,
                margins=found.margins,
                terms=terms,
                are_pairs=not _is_unpaired(found),
            )
        except (ArithmeticError, LookupError) as error:
            raise ValueError(f"its runs cannot be compared ({error})") from None
    return again.equivalence


def _terms(found: SweepResult) -> dict[str, Terms]:
    """Returns how the programs of the user's were judged, as far as anything was judged by it."""
    names = {row.scenario for row in found.rows} - SCENARIOS.keys()
    terms = {name: Terms() for name in sorted(names)}
    longest = {
        name: max(row.judgement.num_epochs for row in found.rows if row.scenario == name)
        for name in names
    }
    for row in found.equivalence.comparisons:
        if row.scenario not in terms:
            continue
        quantity = row.quantity.removeprefix("effect on ")
        field = QUANTITIES[quantity][1] if quantity in QUANTITIES else "accuracy"
        limit = row.equivalence.margin
        if field == "epochs":
            limit /= longest[row.scenario] or 1
        own = terms[row.scenario]
        terms[row.scenario] = replace(
            own,
            cures=row.against or own.cures,
            margins=replace(own.margins, **{field: limit}),
        )
    for collapses in found.equivalence.collapses:
        if (known := terms.get(collapses.scenario)) is not None:
            margins = replace(known.margins, collapses=collapses.margin)
            terms[collapses.scenario] = replace(known, margins=margins)
    for verdicts in found.equivalence.verdicts:
        known = terms.get(verdicts.scenario)
        if known is not None and known.cures is None and verdicts.expected == "good_fit":
            terms[verdicts.scenario] = replace(known, cures=_UNKNOWN)
    for name, own in terms.items():
        if wrong := _unusable(own.margins):
            raise ValueError(f"the margin of {wrong} of {name[:40]!r} is no number above 0")
    return terms


def _unusable(margins: Margins) -> str:
    values = asdict(margins).items()
    return next((name for name, value in values if not 0 < value < math.inf), "")


def _of_rows(found: SweepResult) -> Iterator[str]:
    """Yields what of a result without runs does not follow from the numbers of its rows."""
    for number, row in enumerate(found.equivalence.comparisons):
        is_other = found.mode == "seeded" and row.p_different < ALPHA
        p = 1.0 if is_other or row.has_diverged else row.equivalence.p
        if (verdict := decide(p, row.p_different, ALPHA)) != row.verdict:
            yield f"comparisons[{number}].verdict is {row.verdict!r}, but it is {verdict!r}"
    for number, share in enumerate(found.equivalence.collapses):
        is_within = share.low > -share.margin and share.high < share.margin
        is_shown = not share.has_some or is_within
        verdict = decide(0.0 if is_shown else 1.0, 1.0, ALPHA)
        if share.p_different < ALPHA:
            verdict = "different"
        if verdict != share.verdict:
            yield f"collapses[{number}].verdict is {share.verdict!r}, but it is {verdict!r}"
    for number, verdicts in enumerate(found.equivalence.verdicts):
        if (verdicts.p_different < ALPHA) != (verdicts.verdict == "different"):
            yield f"scenarios[{number}].verdict does not follow from its p_different"
        if sum(verdicts.keras.values()) != verdicts.num_seeds and not _is_unpaired(found):
            yield f"scenarios[{number}].keras does not count its {verdicts.num_seeds} seeds"


def _is_unpaired(found: SweepResult) -> bool:
    return any(row.num_torch is not None for row in found.equivalence.collapses)


def _differences(told: Any, again: Any, place: str = "") -> Iterator[str]:
    """Yields where a value of the file is not that which its runs give."""
    if isinstance(again, Mapping) and isinstance(told, Mapping):
        for name in again:
            if name in _NOT_COMPARED or not (place or name != "verdict"):
                continue  # the verdict on all is not told by itself
            inner = f"{place}.{name}" if place else name
            yield from _differences(told.get(name), again[name], inner)
        if extra := told.keys() - again.keys():
            yield f"{place} has {min(extra)!r}, but its runs have not"
    elif isinstance(again, list | tuple) and isinstance(told, list | tuple):
        if len(told) != len(again):
            yield f"{place} has {len(told)} entries, but its runs give {len(again)}"
        for number, (one, other) in enumerate(zip(told, again, strict=False)):
            yield from _differences(one, other, f"{place}[{number}]")
    elif not _are_same(told, again):
        yield f"{place} is {_shown(told)}, but its runs give {_shown(again)}"


def _are_same(told: Any, again: Any) -> bool:
    numbers = [value for value in (told, again) if type(value) in (int, float)]
    if len(numbers) < 2 or all(type(value) is int for value in numbers):
        return bool(told == again)
    both_nan = math.isnan(told) and math.isnan(again)
    return both_nan or math.isclose(told, again, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def _shown(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
