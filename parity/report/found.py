"""The results that a report can show, and the training histories of a sweep."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from parity.errors import ParityError
from parity.files.floats import decode_floats
from parity.sweeps.store import LocalStore

if TYPE_CHECKING:
    from parity.behaviour.diagnosis import Diagnosis
    from parity.bench.result import BenchResult
    from parity.ladder.result import Result
    from parity.sweeps.result import SweepResult
    from parity.sweeps.rows import Row
    from parity.traces.trace import History

    AnyResult = Result | SweepResult | BenchResult | Diagnosis


# --- The results that a report can show, with paths shortened to their last part ------------------
#
# Other people read the report of a CI job on other machines. An absolute path is useless there and
# reveals a user's folders, so only the last part of a path is shown.

T = TypeVar("T")

_PART = r"""[^\s/\\:"'<>|,;()\[\]]"""
# The folders before the last part, on any system. A slash inside a word does not start a path: it
# belongs to a relative path, a fraction or the address of a page. A single slash can be anything.
_FOLDERS = re.compile(
    rf"""file://+(?:{_PART}+/)*
    | (?<![\w.~:/\\<)\]]) /(?:{_PART}+/)+ (?={_PART})
    | (?<!\w) [A-Za-z]:[/\\](?:{_PART}+[/\\])+ (?={_PART})
    | (?<!\\) \\\\(?:{_PART}+\\)+ (?={_PART})""",
    re.VERBOSE,
)


def redact_paths(value: T) -> T:
    """Returns a value with absolute paths shortened to their last part.

    Args:
        value: a text, or anything that contains texts: a result, a mapping, a list, a tuple.
    """
    return cast(T, _changed(value))


def _changed(value: Any) -> Any:
    if isinstance(value, str):
        return _FOLDERS.sub("", value)
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value) if field.init]
        return replace(value, **{name: _changed(getattr(value, name)) for name in names})
    if isinstance(value, Mapping):
        return {_changed(key): _changed(entry) for key, entry in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_changed(entry) for entry in value)
    return value


# --- The training histories of a sweep, which lie in its store: some seeds of each scenario -------


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
