"""Reads a Result from a file, which may be from anyone.

In: the path of a file that `parity run --json` or `parity check --json` wrote for one pair (schema
`parity.result/1`), or the value in such a file. Out: the result, with every value checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from parity.files.floats import decode_floats
from parity.files.records import checked, domain, plain, read_record, record_from
from parity.ladder.items import ACCEPTED, FAIL, PASS, Item, Level
from parity.ladder.levels import LEVEL_IDS
from parity.ladder.result import ERROR, INCOMPLETE, Found, Result
from parity.ladder.result_record import ItemRecord, LevelRecord, ResultRecord, ResultsRecord
from parity.programs.halves import HALVES
from parity.programs.spec_record import CheckSpecRecord, ProgramSpecRecord, RunSpecRecord

MAX_BYTES = 100_000_000  # a run of 50 epochs of 1,563 steps has 0.5e6
MAX_TEXT = 1_000_000  # characters
VERDICTS = (PASS, FAIL, INCOMPLETE, ERROR)  # of several results, the last one counts


def read_result(path: Path) -> Result:
    """Reads the result of one run or one check; the file may be from anyone.

    Values that follow from others (status of an item, worst of a level, the first divergence, the
    verdict) are computed again.

    Raises:
        InputError: the file cannot be read, or is not such a result, or has a status or a verdict
            that does not follow from its numbers.
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
        verdict = max((each.verdict for each in results), key=VERDICTS.index)
        if found.verdict != verdict:
            raise ValueError(f"verdict is {found.verdict!r}, but by its results it is {verdict!r}")
        return results

    return record_from(ResultsRecord, value, where, make, MAX_TEXT)


def _result(found: ResultRecord) -> Result:
    is_run = "scenario" in found.spec
    is_program = not is_run and "program" in found.spec
    kind = RunSpecRecord if is_run else ProgramSpecRecord if is_program else CheckSpecRecord
    checked(kind, found.spec, "spec")
    first = found.first_divergence
    levels = tuple(map(_level, found.levels))
    result = Result(
        verdict=found.verdict,
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
    _check_statuses(found, result)
    _check_levels(result, is_divergent=first is not None)
    if is_run and result.verdict != ERROR:
        _check_trainings(result)
    return result


def _level(found: LevelRecord) -> Level:
    items = tuple(map(_item, found.items))
    left_out = tuple((each.what, each.why) for each in found.not_compared)
    return Level(found.id, found.status, found.tolerance_source, items, left_out, found.applies)


def _item(found: ItemRecord) -> Item:
    number = found.epoch_number
    return replace(
        domain(Item, found),
        epoch=None if number is None else number - 1,
        accepted=found.status == ACCEPTED,
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
            is_accepted=getattr(row, "is_accepted", False),
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


def _check_statuses(found: ResultRecord, result: Result) -> None:
    """Checks that the status of each item follows from its numbers, and that what is accepted is.

    What follows from accepted divergences alone is accepted, too.
    """
    shown = {level: set(names) for level, names in result.inherited}
    if any(not set(names) <= shown.get(level, set()) for level, names in result.proven):
        raise ValueError("proven has an item that is not among those of inherited")
    told = {(each.level, name) for each in result.accepted for name in each.items}
    told |= {(level, name) for level, names in result.inherited for name in names}
    for number, (level, record) in enumerate(zip(result.levels, found.levels, strict=True)):
        for place, (item, row) in enumerate(zip(level.items, record.items, strict=True)):
            where = f"levels[{number}].items[{place}]"
            if item.status != row.status:
                raise ValueError(
                    f"{where}.status is {row.status!r}, but by its numbers it is {item.status!r}"
                )
            if item.status == ACCEPTED and not (result.accepted and (level.id, item.name) in told):
                raise ValueError(f"{where} is accepted, but no accepted divergence has it")
    for number, each in enumerate(result.divergences):
        if each.is_accepted and not each.causes:
            raise ValueError(f"divergences[{number}] is accepted, but has no cause")


def _check_levels(result: Result, *, is_divergent: bool) -> None:
    """Checks that the verdict follows from the levels, and each level from its items."""
    ids = [level.id for level in result.levels]
    if len(set(ids)) < len(ids):
        raise ValueError("two levels have the same id")
    # One that fails does so whatever is missing.
    if result.verdict in (PASS, INCOMPLETE) and {*ids} != {*LEVEL_IDS}:
        lacking = next(id_ for id_ in LEVEL_IDS if id_ not in ids)
        raise ValueError(f"verdict is {result.verdict!r}, but levels has no {lacking!r}")
    if result.verdict == PASS and all(level.status != PASS for level in result.levels):
        raise ValueError("verdict is 'pass', but no level passes")
    for number, level in enumerate(result.levels):
        if level.status == PASS and not level.items:
            raise ValueError(f"levels[{number}] passes, but nothing was compared in it")
        has_failed = level.first_failure is not None
        if has_failed and level.status != FAIL:
            raise ValueError(f"levels[{number}] does not fail, but one of its items does")
        # A level may fail without items, if there was nothing to compare.
        if level.items and level.status == FAIL and not has_failed:
            raise ValueError(f"levels[{number}] fails, but none of its items does")
    has_failed = any(level.status == FAIL for level in result.levels)
    if result.verdict != ERROR and has_failed != (result.verdict == FAIL):
        found = "one of the levels fails" if has_failed else "none of the levels fails"
        raise ValueError(f"verdict is {result.verdict!r}, but {found}")
    if is_divergent != (result.first_divergence is not None):
        raise ValueError("first_divergence does not match the levels")
    if result.first is not None and not has_failed:
        raise ValueError("none of the levels fails, but a divergence is not accepted")
    is_open = result.verdict == INCOMPLETE
    if result.verdict != ERROR and not has_failed and is_open != bool(result.incomplete):
        raise ValueError(f"verdict is {result.verdict!r}, but that does not fit `incomplete`")


def _check_trainings(result: Result) -> None:
    """Checks that a compared run has the values that reports show."""
    for half in HALVES:
        for name in ("behaviour", "history", "wall_s"):
            if half not in getattr(result, name):
                raise ValueError(f"{name} has no {half!r}")
        for column in ("val_accuracy", "learning_rate"):
            if not result.history[half].get(column):
                raise ValueError(f"history.{half} has no {column!r} of at least one epoch")
