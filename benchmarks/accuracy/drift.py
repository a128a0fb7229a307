"""How far two runs drift apart, step by step: python benchmarks/accuracy/drift.py RUN_DIRECTORY

RUN_DIRECTORY was written by `parity run --out`, and has the folders `keras` and `torch`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from parity.ladder.anchored_tolerance import WEIGHTS
from parity.ladder.compare import absolute_difference
from parity.programs.halves import HALVES
from parity.traces.folder import RunFolder
from parity.traces.trace import Trace

LIMIT = 1e-9


def main(directory: Path) -> None:
    """Prints the greatest difference of any weight at every recorded step."""
    halves = (RunFolder(directory).half(half) for half in HALVES)
    keras, torch = (Trace(half.training.path) for half in halves)
    left_at = None
    print(f"{keras.spec['program']}, seed {keras.spec['seed']}, {keras.spec['dtype']}")
    print(f"{'step':>8}  greatest difference of any weight")
    for step in keras.numbers(WEIGHTS):
        keys = [f"{WEIGHTS}/{step}/{name}" for name in torch.below(f"{WEIGHTS}/{step}")]
        worst = max(float(absolute_difference(keras[key], torch[key]).max()) for key in keys)
        print(f"{step:>8}  {worst:.1e}")
        if worst > LIMIT and left_at is None:
            left_at = step
    for key, values in keras.history.items():
        worst = float(absolute_difference(values, torch.history[key]).max())
        print(f"{key:>14}  {worst:.1e}")
    print(f"leaves {LIMIT:g}: {'never' if left_at is None else f'at step {left_at}'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("directory", type=Path, metavar="RUN_DIRECTORY")
    main(parser.parse_args().directory)
