"""The planted faults and where the ladder catches them: python benchmarks/accuracy/sensitivity.py

These are the faults of tests/test_sensitivity.py, here as a table, with any seed (--seed, default
42).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

# The checkout comes first, so that the folder tests/torch_impl is not taken for the package.
ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from faults import FAULTS, planted
from pairs import compare, keras_trace, torch_trace

from parity.programs.scenarios import scenario

SETTINGS = {"dtype": "float64", "epochs": 2, "train_size": 150, "val_size": 60}


def main(seed: int) -> int:
    """Prints a row per fault; returns 1 if one is missed or misnamed, or if a null run fails."""
    num_wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, fault in enumerate(FAULTS):
            spec = scenario(fault.scenario).replace(**{**SETTINGS, **fault.settings, "seed": seed})
            shared = Path(folder) / fault.scenario
            keras = keras_trace(shared, spec)
            with planted(fault):
                torch = torch_trace(shared, Path(folder) / f"fault-{number}")
            failed = [level for level in compare(keras, torch) if level.status == "fail"]
            item = failed[0].first_failure if failed else None
            caught = (failed[0].id, item.name) if failed and item else ("-", "-")
            is_right = caught == (fault.level, fault.item)
            num_wrong += not is_right
            by = f"{item.worst:.1e} {item.unit}" if item else "missed"
            print(f"{fault.name:<32}{caught[0]:<12}{caught[1]:<20}{by:<16}{is_right}")
        for name in dict.fromkeys(fault.scenario for fault in FAULTS):
            shared = Path(folder) / name
            levels = compare(
                keras_trace(shared, spec), torch_trace(shared, Path(folder) / f"null-{name}")
            )
            failed = [level.id for level in levels if level.status != "pass"]
            num_wrong += bool(failed)
            print(f"{'(none) ' + name:<32}{', '.join(failed) or 'passes every level'}")
    return 1 if num_wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=42)
    sys.exit(main(parser.parse_args().seed))
