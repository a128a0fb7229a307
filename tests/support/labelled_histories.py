"""Histories, each with the verdict that a practitioner gives it.

LABELLED: made by hand. No rule and no run of this project made them. The second half was held out
when the rules were written. `labelled_histories.json` has a column a line, its numbers as text,
since some are NaN.

WILD: of strangers, as their files and logs show them, rounded; see `wild_histories.json` for where
each is from. They were labelled before any of today's rules was written, from the curves and what
the source says of its data. "acceptable" are other verdicts that a practitioner can defend. The
half "kept_back" was not looked at while rules were changed.
"""

import json
from typing import NamedTuple

from paths import SUPPORT


class Wild(NamedTuple):
    name: str
    columns: dict[str, list[float]]
    known: dict[str, int]
    verdict: str
    acceptable: tuple[str, ...]


def _columns(row):
    return {
        name: [float(value) for value in values.split()] for name, values in row["columns"].items()
    }


def _case(row):
    return row["name"], _columns(row), row["known"], row["verdict"]


def _wild(row):
    return Wild(row["name"], _columns(row), row["known"], row["verdict"], tuple(row["acceptable"]))


# (name, columns, what is known, verdict)
LABELLED = [_case(row) for row in json.loads((SUPPORT / "labelled_histories.json").read_text())]
WILD = {
    half: [_wild(row) for row in rows]
    for half, rows in json.loads((SUPPORT / "wild_histories.json").read_text()).items()
}
