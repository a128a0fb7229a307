"""A table of rows for one test: each row begins as a test does, and a failure names its row."""

import functools
import inspect
from contextlib import contextmanager

import pytest
from changed_functions import left_as_found


@contextmanager
def begun_as_a_test(fixtures, number):
    """The fixtures of a row: a folder and changes of its own, and no output of the row before."""
    # Functions that a fixture has installed stay for all rows.
    with left_as_found(functions=False), pytest.MonkeyPatch.context() as patch:
        made = dict(fixtures)
        if "monkeypatch" in made:
            made["monkeypatch"] = patch
        if "tmp_path" in made:
            made["tmp_path"] = made["tmp_path"] / f"row_{number}"
            made["tmp_path"].mkdir()
        yield made
        if "capsys" in made:
            made["capsys"].readouterr()


def each_row(names, table, ids=None):
    """As `pytest.mark.parametrize(names, table)`, but one test: for cheap rows, which are many."""
    names = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    table = list(table)
    if callable(ids):
        ids = [", ".join(map(str, map(ids, [row] if len(names) == 1 else row))) for row in table]
    labels = list(map(repr, table)) if ids is None else list(ids)

    def decorate(test):
        @functools.wraps(test)
        def of_all_rows(**fixtures):
            for number, (label, row) in enumerate(zip(labels, table, strict=True)):
                values = [row] if len(names) == 1 else row
                try:
                    with begun_as_a_test(fixtures, number) as made:
                        test(**made, **dict(zip(names, values, strict=True)))
                except pytest.skip.Exception:
                    continue
                except Exception as error:
                    error.add_note(f"in the row {', '.join(names)} = {label}")
                    raise

        del of_all_rows.__wrapped__
        old = inspect.signature(test)
        kept = [each for name, each in old.parameters.items() if name not in names]
        of_all_rows.__signature__ = old.replace(parameters=kept)
        return of_all_rows

    return decorate
