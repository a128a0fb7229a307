"""The training histories of a sweep, which lie in its store: some seeds of each scenario."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from parity.errors import ParityError
from parity.files.floats import decode_floats
from parity.sweeps.store import LocalStore

if TYPE_CHECKING:
    from parity.sweeps.rows import Row
    from parity.traces.trace import History

MAX_RUNS = 480  # of all scenarios together: each is a few lines of a drawing
FEWEST, MOST = 4, 40  # seeds of a scenario

SeedHistories = dict[str, dict[str, dict[int, "History"]]]  # scenario -> half -> seed


def seed_histories(folder: Path, rows: Iterable[Row]) -> SeedHistories:
    """Returns the histories of the first seeds of every scenario, as far as they are there.

    Args:
        folder: of the sweep.
        rows: its finished runs.
    """
    if not (folder / "results").is_dir():
        return {}  # the histories were read from elsewhere, or the store is
    store = LocalStore(folder)
    groups: dict[str, dict[str, list[Row]]] = {}
    for row in sorted((row for row in rows if row.key), key=lambda row: row.seed):
        groups.setdefault(row.scenario, {}).setdefault(row.half, []).append(row)
    most = min(MOST, max(FEWEST, MAX_RUNS // (2 * max(len(groups), 1))))
    found: SeedHistories = {}
    for scenario, halves in groups.items():
        for half, runs in halves.items():
            for row in runs[:most]:
                try:
                    history = decode_floats(store.get(row.key)["history"])
                except (ParityError, KeyError, TypeError, ValueError):
                    continue  # a store of another machine, or a damaged file: its row is judged
                found.setdefault(scenario, {}).setdefault(half, {})[row.seed] = history
    return found
