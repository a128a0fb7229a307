"""One test over a table of rows, in the place of a test for each row.

`pytest.mark.parametrize` starts, reports and takes down each row as a test of its own, which takes
longer than a small row does. Use it where a row is costly or changes what a fixture gives.
"""

import functools
import inspect


def each_row(names, rows, ids=repr):
    """Makes a test call its function with every row; an error says which row it belongs to.

    Args:
        names: of the arguments, as `pytest.mark.parametrize` takes them.
        rows: a value, or with several names a tuple of values, for each call.
        ids: what a row is called: a list, or a function of the values.
    """
    is_single = isinstance(names, str) and "," not in names
    names = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    rows = [(row,) if is_single else tuple(row) for row in rows]
    assert rows, "a test of no rows shows nothing"

    def decorate(test):
        @functools.wraps(test)
        def every_row(**fixtures):
            for number, row in enumerate(rows):
                try:
                    test(**fixtures, **dict(zip(names, row, strict=True)))
                except BaseException as error:
                    name = ", ".join(map(str, map(ids, row))) if callable(ids) else ids[number]
                    error.add_note(f"row {number}: {name}")
                    raise

        found = inspect.signature(test)
        others = [value for name, value in found.parameters.items() if name not in names]
        every_row.__signature__ = found.replace(parameters=others)
        return every_row

    return decorate
