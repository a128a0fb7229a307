"""How often the verdict is the labeller's: `python benchmarks/accuracy/wild_histories.py`.

It judges the histories of strangers in `tests/support/wild_histories.json`, which were labelled
before the rules were changed, and prints each disagreement. A verdict is strictly right if it is
the label, and acceptable if it is one of the other verdicts that the labeller would defend. A
verdict "suspicious" that is neither is a false accusation. `--half kept_back` judges the half that
was not looked at while the rules were changed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from parity.behaviour.diagnosis import diagnose
from parity.behaviour.readers.tables import keras_names

FILE = ROOT / "tests" / "support" / "wild_histories.json"


def main() -> None:
    """Judges one half and prints the counts."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--half", choices=["first", "kept_back"], default="first")
    half = parser.parse_args().half
    rows = json.loads(FILE.read_text())[half]
    strict = acceptable = accused = 0
    for row in rows:
        found, because = _verdict(row)
        is_strict = found == row["verdict"]
        is_acceptable = is_strict or found in row["acceptable"]
        strict += is_strict
        acceptable += is_acceptable
        accused += found == "suspicious" and not is_acceptable
        if not is_strict:
            mark = "acceptable" if is_acceptable else "wrong"
            print(f"{mark:<10} {row['name']}: {found}, labelled {row['verdict']}; {because}")
    count = len(rows)
    print(
        f"{half}: {strict} of {count} strictly right ({strict / count:.1%}), {acceptable} "
        f"acceptable ({acceptable / count:.1%}), {accused} falsely accused"
    )


def _verdict(row: Mapping[str, Any]) -> tuple[str, str]:
    columns = {key: [float(x) for x in values.split()] for key, values in row["columns"].items()}
    found = diagnose(keras_names(columns), **row["known"])
    return found.verdict, found.judgement.because


if __name__ == "__main__":
    main()
