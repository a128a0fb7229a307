"""One test over a table of settings: every value, and every pair of values of two columns."""

import itertools

from rows import labelled, over_rows


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


def one_test(function):
    """One test for the rows of the `parametrize` marks below it, in the place of a test a row.

    Of several marks the rows are `pairwise`. What a test changes in the process is set back after
    each row, as conftest.py does after each test.
    """
    marks = [mark for mark in function.pytestmark if mark.name == "parametrize"]
    columns = [labelled(*mark.args, **mark.kwargs) for mark in marks]
    rows = []
    for indices in pairwise([*map(len, columns)]):
        parts = [column[at] for column, at in zip(columns, indices, strict=True)]
        values = {name: value for _, part in parts for name, value in part.items()}
        rows.append((", ".join(label for label, _ in parts), values))
    test = over_rows(function, rows, functions=True)
    test.pytestmark = [mark for mark in function.pytestmark if mark.name != "parametrize"]
    return test
