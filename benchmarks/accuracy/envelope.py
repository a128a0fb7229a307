"""How often right runs leave the envelope: python benchmarks/accuracy/envelope.py [SCENARIO ...]

Runs the reference and --num perturbed runs of it. Each of these in turn plays the port: it is held
out, and judged by the envelope of some of the others, drawn at random. The envelope factor is right
if such runs leave it only because rounding changed a comparison first in the held-out run, which
has the probability 1 / (k + 1) for k others; `parity.runs.widen_envelope` then adds more runs.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from parity.halves.options import ChildOptions
from parity.halves.progress import run_shown
from parity.ladder.compare import absolute_difference
from parity.ladder.envelope import FACTOR
from parity.programs.scenarios import scenario
from parity.runs.pair import Pair, RunOptions
from parity.traces.trace import Trace

NUM_DRAWS = 400


def distances(traces: list[Trace]) -> np.ndarray:
    """Returns the greatest difference of any weight between two runs, (steps, runs, runs)."""
    steps = [step for step in traces[0].numbers("trajectory") if step > 0]
    found = np.zeros((len(steps), len(traces), len(traces)))
    for number, step in enumerate(steps):
        names = traces[0].names(f"trajectory/{step}")
        weights = [
            np.concatenate([trace[f"trajectory/{step}/{name}"].ravel() for name in names])
            for trace in traces
        ]
        for i, a in enumerate(weights):
            for j in range(i):
                found[number, i, j] = found[number, j, i] = absolute_difference(a, weights[j]).max()
    return found


def worst_ratios(found: np.ndarray, num_others: int, generator: np.random.Generator) -> np.ndarray:
    """Returns the greatest difference of random held-out runs, relative to others' envelope."""
    num_runs = found.shape[1]
    ratios = []
    for _ in range(NUM_DRAWS):
        held_out, *others = 1 + generator.permutation(num_runs - 1)[: num_others + 1]
        runs = [0, *others]
        greatest = np.maximum.accumulate(found[:, runs][:, :, runs].max(axis=(1, 2)))
        ratios.append((found[:, 0, held_out] / greatest).max())
    return np.array(ratios)


def main(names: list[str], seed: int, num: int) -> None:
    """Prints, for each scenario and k, how often a held-out run leaves the envelope of k others."""
    print(f"seed {seed}, {num} perturbed runs, {NUM_DRAWS} draws for each k, factor {FACTOR}")
    print(f"{'scenario':<14}{'k':>4}{'median':>9}{'above factor':>14}{'1 / (k + 1)':>13}")
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            pair = Pair(
                scenario(name).replace(seed=seed),
                Path(folder) / name,
                RunOptions(out=Path(folder), perturbations=num),
            )
            reference = pair.folder.half("keras").path
            jobs = [job for job in pair.prepare() if job.directories == (reference,)]
            children = ChildOptions(timeout_s=None, quiet=False)
            cores = children.num_workers
            jobs += [pair.perturbed_job(pair.perturbed[core::cores]) for core in range(cores)]
            failures = run_shown(jobs, children)
            if failures:
                raise SystemExit(failures[0].reason)
            found = distances([Trace(reference), *map(Trace, pair.perturbed)])
        generator = np.random.default_rng(seed)
        for k in [k for k in (1, 2, 4, 8, 16, 32) if k < num]:
            ratios = worst_ratios(found, k, generator)
            print(
                f"{name:<14}{k:>4}{np.median(ratios):>9.2f}{(ratios > FACTOR).mean():>14.3f}"
                f"{1 / (k + 1):>13.3f}"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", default=["capacity", "augmentation", "dropout"])
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--num", type=int, default=24)
    arguments = parser.parse_args()
    main(arguments.scenarios, arguments.seed, arguments.num)
