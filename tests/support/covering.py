"""One test over a table of settings: every value, and every pair of values of two columns."""

import functools
import inspect
import itertools

import pytest
from changed_functions import left_as_found


def pairwise(lengths):
    """Rows of indices, one a column: each pair of values of two columns occurs in one at least.

    Greedy and without chance: the same rows in every run.

    Args:
        lengths: how many values each column has.
    """
    if len(lengths) == 1:
        return [(value,) for value in range(lengths[0])]
    cells = [(column, value) for column, length in enumerate(lengths) for value in range(length)]
    left = {pair: None for pair in itertools.combinations(cells, 2) if pair[0][0] != pair[1][0]}
    rows = []
    while left:
        row = dict(next(iter(left)))
        for column in set(range(len(lengths))) - row.keys():
            others = [*row.items()]
            row[column] = max(
                range(lengths[column]),
                key=lambda value, column=column, others=others: sum(
                    tuple(sorted((other, (column, value)))) in left for other in others
                ),
            )
        for pair in itertools.combinations(sorted(row.items()), 2):
            left.pop(pair, None)
        rows.append(tuple(row[column] for column in range(len(lengths))))
    return rows


def _column(names, values, ids=None):
    """A list of (label, {name: value}) of a mark of `pytest.mark.parametrize`."""
    names = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    column = []
    for number, value in enumerate(values):
        parts = [value] if len(names) == 1 else list(value)
        label = ids(value) if callable(ids) else ids and list(ids)[number]
        column.append((label or repr(value)[:200], dict(zip(names, parts, strict=True))))
    return column


def one_test(function):
    """One test for the rows of the `parametrize` marks below it, in the place of a test a row.

    Of several marks the rows are `pairwise`. The error of a row that fails names it. What a test
    changes in the process is set back after each row, as conftest.py does after each test; so
    fixtures that a row uses up (files, patches) are for `parametrize` alone.
    """
    marks = [mark for mark in function.pytestmark if mark.name == "parametrize"]
    columns = [_column(*mark.args, **mark.kwargs) for mark in marks]
    rows = [
        [column[at] for column, at in zip(columns, row, strict=True)]
        for row in pairwise([*map(len, columns)])
    ]
    given = {name for column in columns for name in column[0][1]}

    @functools.wraps(function)
    def test(**fixtures):
        skipped = []
        for row in rows:
            try:
                with left_as_found():
                    function(**fixtures, **{k: v for _, part in row for k, v in part.items()})
            except pytest.skip.Exception as skip:
                skipped.append(skip)
            except BaseException as error:
                error.add_note("in the row " + ", ".join(label for label, _ in row))
                raise
        if skipped and len(skipped) == len(rows):
            raise skipped[0]

    parameters = inspect.signature(function).parameters
    test.__signature__ = inspect.Signature([p for n, p in parameters.items() if n not in given])
    test.pytestmark = [mark for mark in function.pytestmark if mark.name != "parametrize"]
    del test.__wrapped__
    return test
