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
from pairs import compared_with, keras_run, levels_not_passed

from parity.programs.scenarios import scenario

SETTINGS = {"dtype": "float64", "epochs": 2, "train_size": 150, "val_size": 60}


def main(seed: int) -> int:
    """Prints a row per fault; returns 1 if one is missed or misnamed, or if a null run fails."""
    num_wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, fault in enumerate(FAULTS):
            spec = scenario(fault.scenario).replace(**{**SETTINGS, **fault.settings, "seed": seed})
            shared = Path(folder) / fault.scenario
            keras_run(shared, spec)
            with planted(fault):
                result = compared_with(shared, Path(folder) / f"fault-{number}")
            first = result.divergences[0] if result.divergences else None
            caught = (first.level, first.item.name) if first else ("-", "-")
            cause = next((cause["id"] for cause in first.causes), None) if first else None
            is_right = (caught[0], cause) == (fault.level, fault.cause)
            is_right &= fault.item in ("", caught[1])
            num_wrong += not is_right
            by = f"{first.item.worst:.1e} {first.item.unit}" if first else "missed"
            print(f"{fault.name:<32}{caught[0]:<12}{caught[1]:<30}{cause!s:<6}{by:<16}{is_right}")
        for name in dict.fromkeys(fault.scenario for fault in FAULTS):
            result = compared_with(Path(folder) / name, Path(folder) / f"null-{name}")
            failed = list(levels_not_passed(result))
            num_wrong += bool(failed)
            print(f"{'(none) ' + name:<32}{', '.join(failed) or 'passes every level'}")
    return 1 if num_wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=42)
    sys.exit(main(parser.parse_args().seed))
