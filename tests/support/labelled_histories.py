"""Histories made by hand, each with the verdict that a practitioner gives it.

No rule and no run of this project made them. The second half was held out when the rules were
written. `labelled_histories.json` has a column a line, its numbers as text, since some are NaN.
"""

import json

from paths import SUPPORT


def _case(row):
    columns = {
        name: [float(value) for value in values.split()] for name, values in row["columns"].items()
    }
    return row["name"], columns, row["known"], row["verdict"]


# (name, columns, what is known, verdict)
LABELLED = [_case(row) for row in json.loads((SUPPORT / "labelled_histories.json").read_text())]
