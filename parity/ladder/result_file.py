"""A Result from its file, which may be from anyone.

In: a path to what `parity run --json` or `parity check --json` wrote for one pair (schema
`parity.result/1`), or the value that such a file holds. Out: the result, of which every value has
been checked before anything relies on it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from parity.files.floats import decode_floats
from parity.files.records import checked, domain, plain, read_record, record_from
from parity.ladder.items import FAIL, Item, Level
from parity.ladder.result import ERROR, Result
from parity.ladder.result_record import ItemRecord, LevelRecord, ResultRecord, ResultsRecord
from parity.programs.halves import HALVES
from parity.programs.spec_record import CheckSpecRecord, RunSpecRecord

MAX_BYTES = 100_000_000  # a run of 50 epochs of 1,563 steps has 0.5e6
MAX_TEXT = 1_000_000  # characters


def read_result(path: Path) -> Result:
    """Reads the result of one run or one check; the file may be from anyone.

    What follows from other values (status of an item, worst of a level, the first divergence) is
    computed anew.

    Raises:
        InputError: the file cannot be read, or is no such result.
    """
    return read_record(ResultRecord, path, _result, max_bytes=MAX_BYTES, max_text=MAX_TEXT)


def result_from(value: Any, where: str) -> Result:
    """Returns the result that a value stands for, which `read_result` would read.

    Args:
        value: as `Result.to_json` returns it.
        where: the file, and the place in it, for the message of an error.

    Raises:
        InputError: the value is no such result.
    """
    return record_from(ResultRecord, value, where, _result, MAX_TEXT)


def results_from(value: Any, where: str) -> list[Result]:
    """Returns the results of several runs, from a value of `parity.results/1`.

    Raises:
        InputError: the value is none.
    """

    def make(found: ResultsRecord) -> list[Result]:
        results = []
        for number, each in enumerate(found.results):
            try:
                results.append(_result(each))
            except ValueError as error:
                raise ValueError(f"results[{number}]: {error}") from None
        return results

    return record_from(ResultsRecord, value, where, make, MAX_TEXT)


def _result(found: ResultRecord) -> Result:
    is_run = "scenario" in found.spec
    checked(RunSpecRecord if is_run else CheckSpecRecord, found.spec, "spec")
    first = found.first_divergence
    causes = () if first is None else tuple(plain(first.causes))
    result = Result(
        verdict=found.verdict,
        spec=found.spec,
        levels=tuple(map(_level, found.levels)),
        environment=dict(found.environment),
        data=plain(found.data),
        mode=found.mode,
        behaviour=plain(found.behaviour),
        history=plain(found.history),
        wall_s=dict(found.wall_s),
        envelope=plain(found.envelope),
        errors=tuple(found.errors),
        causes=causes,
        place=None if first is None else plain(first.place),
        settings=tuple(
            {**plain(setting), **{half: decode_floats(getattr(setting, half)) for half in HALVES}}
            for setting in found.settings
        ),
    )
    _check_columns(result)
    _check_levels(result, is_divergent=first is not None)
    if is_run and result.verdict != ERROR:
        _check_trainings(result)
    return result


def _level(found: LevelRecord) -> Level:
    items = tuple(map(_item, found.items))
    return Level(found.id, found.status, found.tolerance_source, items)


def _item(found: ItemRecord) -> Item:
    number = found.epoch_number
    return replace(domain(Item, found), epoch=None if number is None else number - 1)


def _check_columns(result: Result) -> None:
    """What belongs together is there together, and equally long."""
    if missing := result.data and {"source", "sha256"} - result.data.keys():
        raise ValueError(f"data has no {missing.pop()!r}")
    for half, columns in result.history.items():
        if len(set(map(len, columns.values()))) > 1:
            raise ValueError(f"the columns of history.{half} are not equally long")
    envelope = result.envelope
    if envelope is not None and len(envelope["steps"]) != len(envelope["max_difference_by_step"]):
        raise ValueError("envelope.steps and envelope.max_difference_by_step are not equally long")


def _check_levels(result: Result, *, is_divergent: bool) -> None:
    """Parity holds where no level fails, and a level where none of its items does."""
    if len({level.id for level in result.levels}) < len(result.levels):
        raise ValueError("levels has two of one id")
    for number, level in enumerate(result.levels):
        has_failed = level.first_failure is not None
        if has_failed and level.status != FAIL:
            raise ValueError(f"levels[{number}] does not fail, but one of its items does")
        # Where there was nothing to compare, a level may fail without an item.
        if level.items and level.status == FAIL and not has_failed:
            raise ValueError(f"levels[{number}] fails, but none of its items does")
    has_failed = any(level.status == FAIL for level in result.levels)
    if result.verdict != ERROR and has_failed != (result.verdict == FAIL):
        told = "one of the levels fails" if has_failed else "none of the levels fails"
        raise ValueError(f"verdict is {result.verdict!r}, but {told}")
    if is_divergent != (result.first_divergence is not None):
        raise ValueError("first_divergence is not that of the levels")


def _check_trainings(result: Result) -> None:
    """Of a run that was compared, reports show how both trainings ended."""
    for half in HALVES:
        for name in ("behaviour", "history", "wall_s"):
            if half not in getattr(result, name):
                raise ValueError(f"{name} has no {half!r}")
        for column in ("val_accuracy", "learning_rate"):
            if not result.history[half].get(column):
                raise ValueError(f"history.{half} has no {column!r} of at least one epoch")
