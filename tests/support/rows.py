"""One test over the rows of a table: each begins as a test does, and a failure names its row."""

import functools
import inspect
from contextlib import contextmanager

import pytest
from changed_functions import left_as_found


@contextmanager
def begun_as_a_test(fixtures, number, *, functions):
    """The fixtures of a row: a folder and changes of its own, and no output of the row before."""
    with left_as_found(functions=functions), pytest.MonkeyPatch.context() as patch:
        made = dict(fixtures)
        if "monkeypatch" in made:
            made["monkeypatch"] = patch
        if "tmp_path" in made:
            made["tmp_path"] = made["tmp_path"] / f"row_{number}"
            made["tmp_path"].mkdir()
        yield made
        if "capsys" in made:
            made["capsys"].readouterr()


def over_rows(test, rows, *, functions=False):
    """Returns a test that calls another one with each row.

    Args:
        test: the other one.
        rows: (label, arguments by name) of each row; all have the same names.
        functions: whether functions that a row has installed are taken away after it; else they
            stay for all rows, as what a fixture has installed must.
    """

    @functools.wraps(test)
    def of_all_rows(**fixtures):
        skipped = []
        for number, (label, values) in enumerate(rows):
            try:
                with begun_as_a_test(fixtures, number, functions=functions) as made:
                    test(**made, **values)
            except pytest.skip.Exception as skip:
                skipped.append(skip)
            except BaseException as error:
                error.add_note(f"in the row {label}")
                raise
        if skipped and len(skipped) == len(rows):
            raise skipped[0]

    del of_all_rows.__wrapped__
    old = inspect.signature(test)
    kept = [each for name, each in old.parameters.items() if name not in rows[0][1]]
    of_all_rows.__signature__ = old.replace(parameters=kept)
    return of_all_rows


def labelled(names, values, ids=None):
    """Returns (label, {name: value}) of each row, of what `pytest.mark.parametrize` takes."""
    names = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    values = list(values)
    rows = [[value] if len(names) == 1 else list(value) for value in values]
    if callable(ids):
        labels = [", ".join(str(ids(part)) for part in row) for row in rows]
    else:
        labels = [repr(value)[:200] for value in values] if ids is None else list(map(str, ids))
    return [
        (label, dict(zip(names, row, strict=True))) for label, row in zip(labels, rows, strict=True)
    ]


def each_row(names, table, ids=None):
    """As `pytest.mark.parametrize(names, table)`, but one test: for cheap rows, which are many."""
    rows = labelled(names, table, ids)
    return lambda test: over_rows(test, rows)
