"""Reads a Result from a file, which may be from anyone.

In: the path of a file that `parity run --json` or `parity check --json` wrote for one pair (schema
`parity.result/1`), or the value in such a file. Out: the result, with every value checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

from parity.files.floats import decode_floats
from parity.files.records import checked, domain, plain, read_record, record_from
from parity.ladder.items import ACCEPTED, LEVEL_IDS, PASS, Item, Level, judged
from parity.ladder.result import ERROR, INCOMPLETE, Found, Result, verdict_of
from parity.ladder.result_record import ItemRecord, LevelRecord, ResultRecord, ResultsRecord
from parity.programs.halves import HALVES
from parity.programs.spec_record import CheckSpecRecord, ProgramSpecRecord, RunSpecRecord

MAX_BYTES = 100_000_000  # a run of 50 epochs of 1,563 steps has 0.5e6
MAX_TEXT = 1_000_000  # characters


def read_result(path: Path) -> Result:
    """Reads the result of one run or one check; the file may be from anyone.

    Values that follow from others (status of an item, worst of a level, the first divergence, the
    verdict) are computed, and not read.

    Raises:
        InputError: the file cannot be read, or is not such a result.
    """
    return read_record(ResultRecord, path, _result, max_bytes=MAX_BYTES, max_text=MAX_TEXT)


def result_from(value: Any, where: str) -> Result:
    """Returns the result from its JSON value.

    Args:
        value: as `Result.to_json` returns it.
        where: the file, and the place in it, for error messages.

    Raises:
        InputError: the value is not such a result.
    """
    return record_from(ResultRecord, value, where, _result, MAX_TEXT)


def results_from(value: Any, where: str) -> list[Result]:
    """Returns the results of several runs, from a value of `parity.results/1`.

    Raises:
        InputError: the value is not such results.
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
    is_program = not is_run and "program" in found.spec
    kind = RunSpecRecord if is_run else ProgramSpecRecord if is_program else CheckSpecRecord
    checked(kind, found.spec, "spec")
    accepted = [each for each in found.divergences if each.is_accepted and each.causes]
    # What follows from accepted divergences alone is accepted, too.
    shown = {
        (each.level, name)
        for each in (*accepted, *(found.inherited if accepted else ()))
        for name in each.items
    }
    levels = tuple(_level(level, shown) for level in found.levels)
    result = Result(
        verdict=ERROR if found.verdict == ERROR else verdict_of(levels, found.incomplete),
        spec=found.spec,
        levels=levels,
        environment=dict(found.environment),
        data=plain(found.data),
        mode=found.mode,
        behaviour=plain(found.behaviour),
        history=plain(found.history),
        wall_s=dict(found.wall_s),
        anchors=plain(found.anchors),
        drift=plain(found.drift),
        errors=tuple(found.errors),
        divergences=tuple(_divergences(found, levels)),
        inherited=tuple((each.level, tuple(each.items)) for each in found.inherited),
        proven=tuple((each.level, tuple(each.items)) for each in found.proven),
        incomplete=tuple(plain(found.incomplete)),
        not_compared=tuple(plain(found.not_compared)),
        tolerance=dict(found.tolerance),
        settings=tuple(
            {**plain(setting), **{half: decode_floats(getattr(setting, half)) for half in HALVES}}
            for setting in found.settings
        ),
    )
    _check_columns(result)
    _check_levels(result)
    if is_run and result.verdict != ERROR:
        _check_trainings(result)
    return result


def _level(found: LevelRecord, accepted: Set[tuple[str, str]]) -> Level:
    """Returns a level, which fails or passes by its items.

    Args:
        found: as read.
        accepted: (level, item) of all that the user may have accepted.
    """
    items = tuple(_item(item, (found.id, item.name) in accepted) for item in found.items)
    left_out = tuple((each.what, each.why) for each in found.not_compared)
    if found.status == PASS and not items:
        raise ValueError(f"the level {found.id!r} passes, but nothing was compared in it")
    status = judged("", items).status if items else found.status
    return Level(found.id, status, found.tolerance_source, items, left_out, found.applies)


def _item(found: ItemRecord, may_be_accepted: bool) -> Item:
    number = found.epoch_number
    return replace(
        domain(Item, found),
        epoch=None if number is None else number - 1,
        accepted=may_be_accepted and found.status == ACCEPTED,
    )


def _divergences(found: ResultRecord, levels: Sequence[Level]) -> Iterator[Found]:
    """Yields the divergences, each with the item that is listed at its level."""
    rows: list[Any] = list(found.divergences)
    first = found.first_divergence
    if not rows and first is not None and first.place is not None:  # of an older version
        rows = [first]
    for number, row in enumerate(rows):
        epoch = None if row.epoch_number is None else row.epoch_number - 1
        item = next(
            (
                item
                for level in levels
                if level.id == row.level
                for item in level.items
                if (item.name, item.epoch, item.step) == (row.item, epoch, row.step)
            ),
            None,
        )
        if item is None:
            raise ValueError(f"divergences[{number}] has the item {row.item!r}, its level has not")
        yield Found(
            level=row.level,
            item=item,
            items=tuple(getattr(row, "items", ())),
            causes=tuple(plain(row.causes)),
            place=plain(row.place),
            is_accepted=getattr(row, "is_accepted", False) and bool(row.causes),
        )


def _check_columns(result: Result) -> None:
    """Checks that related values are all there and have the same length."""
    if missing := result.data and {"source", "sha256"} - result.data.keys():
        raise ValueError(f"data has no {missing.pop()!r}")
    for half, columns in result.history.items():
        if len(set(map(len, columns.values()))) > 1:
            raise ValueError(f"the columns of history.{half} have different lengths")
    for name, others in (
        ("anchors", ("difference", "allowed", "rounding")),
        ("drift", ("difference",)),
    ):
        found = getattr(result, name)
        for other in others if found is not None else ():
            # Of a run in float64, no rounding is told.
            if len(found[other]) != len(found["steps"]) and (found[other] or other != "rounding"):
                raise ValueError(f"{name}.steps and {name}.{other} have different lengths")


def _check_levels(result: Result) -> None:
    """Checks that a verdict rests on all levels, and that what differs fails one of them."""
    ids = [level.id for level in result.levels]
    if len(set(ids)) < len(ids):
        raise ValueError("two levels have the same id")
    # A run that fails does so whatever is missing.
    if result.verdict not in (PASS, INCOMPLETE):
        return
    if lacking := [name for name in LEVEL_IDS if name not in ids]:
        raise ValueError(f"levels has no {lacking[0]!r}, and none of the others fails")
    if result.verdict == PASS and all(level.status != PASS for level in result.levels):
        raise ValueError("no level passes, and none fails")
    if result.first is not None:
        raise ValueError("none of the levels fails, but a divergence is not accepted")


def _check_trainings(result: Result) -> None:
    """Checks that a compared run has the values that reports show."""
    for half in HALVES:
        for name in ("behaviour", "history", "wall_s"):
            if half not in getattr(result, name):
                raise ValueError(f"{name} has no {half!r}")
        for column in ("val_accuracy", "learning_rate"):
            if not result.history[half].get(column):
                raise ValueError(f"history.{half} has no {column!r} of at least one epoch")
