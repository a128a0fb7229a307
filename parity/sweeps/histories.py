"""A sweep of trainings that were run elsewhere: two groups of histories, as rows.

In: a glob for each half, whose files are of any format that `parity diagnose` reads. Out: rows,
the files that could not be read, and notes on how the runs were taken.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from parity.behaviour.readers.history import read_with_notes
from parity.behaviour.rules import judge
from parity.errors import InputError
from parity.programs.halves import HALVES
from parity.sweeps.rows import Row, Sweep

NAME = "histories"  # in the place of a scenario
MAX_NAMED = 6
_SEED = re.compile(r"seed[-_ =]?(\d{1,9})(?!\d)", re.IGNORECASE)


@dataclass(frozen=True)
class Histories:
    """What was read.

    Attributes:
        sweep: a row for each history; a failure for each file that could not be read.
        are_pairs: whether the names have the same seeds on both sides, so that runs form pairs.
        notes: how the runs were taken, and which columns one side lacks, as sentences.
    """

    sweep: Sweep
    are_pairs: bool
    notes: tuple[str, ...]


def read_histories(patterns: Sequence[str]) -> Histories:
    """Reads the histories of both halves.

    Args:
        patterns: glob of Keras's files, and of torch's.

    Raises:
        InputError: fewer than two histories of a side can be read.
    """
    sweep, columns = Sweep(), dict[str, set[str]]()
    notes: list[str] = []
    found = {half: _paths(pattern) for half, pattern in zip(HALVES, patterns, strict=True)}
    seeds = {half: _seeds(paths) for half, paths in found.items()}
    keras, torch = (seeds[half] for half in HALVES)
    are_pairs = keras is not None and torch is not None and {*keras} == {*torch}
    for half, pattern in zip(HALVES, patterns, strict=True):
        known = (seeds[half] if are_pairs else None) or list(range(len(found[half])))
        read = 0
        for seed, path in zip(known, found[half], strict=True):
            try:
                history, _ = read_with_notes(path)
            except InputError as error:
                reason = str(error)
                where = {"scenario": NAME, "seed": seed, "half": half}
                sweep.failures.append({**where, "reason": reason})
                continue
            read += 1
            columns.setdefault(half, set()).update(history)
            sweep.rows.append(Row(NAME, seed, half, judge(history), 0.0))
        if read < 2:
            told = [str(row["reason"]) for row in sweep.failures if row["half"] == half]
            raise InputError(
                f"--histories {pattern!r}: {read} of {len(found[half])} files can be read; "
                "expected at least two histories of each half"
                + "".join(f"\n  {reason}" for reason in told[:MAX_NAMED])
            )
    sweep.num_run = len(sweep.rows)
    notes.append(
        "the runs of a seed are pairs, since the names of both sides have the same seeds"
        if are_pairs
        else "the runs are two groups and no pairs: the names do not have the same seeds, such as "
        "seed3, on both sides, once each"
    )
    return Histories(sweep, are_pairs, (*notes, *_unlike(columns)))


def _paths(pattern: str) -> list[Path]:
    return [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]


def _seeds(paths: Sequence[Path]) -> list[int] | None:
    """Returns the seed in each name or that of its folder; None unless all have one, each once."""
    found = []
    for path in paths:
        match = _SEED.search(path.name) or _SEED.search(path.parent.name)
        if match is None:
            return None
        found.append(int(match[1]))
    return found if len(set(found)) == len(found) else None


def _unlike(columns: Mapping[str, set[str]]) -> list[str]:
    """Returns which columns one side has and the other lacks, as sentences."""
    notes = []
    for half, other in (HALVES, HALVES[::-1]):
        if only := sorted(columns[half] - columns[other]):
            shown = ", ".join(only[:MAX_NAMED]) + (", ..." if len(only) > MAX_NAMED else "")
            notes.append(f"only {half} has {shown}: nothing of it is compared")
    return notes
