"""Seeds that are trained together against seeds one by one: python benchmarks/ensemble.py

    python benchmarks/ensemble.py --scenarios linear too_small --sizes 8 16 --pairs 9
    python benchmarks/ensemble.py --exactness            # how far runs together are from runs alone

Three ways to train N seeds of a scenario on two cores, in turns:

    one by one      two processes of one thread, each half of the seeds: a sweep without --ensemble
    one process     one process of two threads, all of them together
    two processes   two processes of one thread, N together in each: a sweep with --ensemble N

The third trains 2 N seeds, and is compared with twice the time of the first. What counts is the
ratio of each round; above 1 together is faster. Processes have started before, and have trained
once: the start of a framework costs a sweep as much either way. Run it alone on the machine.

Exactness is measured in float64, over whole runs in both modes: small networks with the images of
their scenario and 4 seeds, the others with 600 images at most and 2 seeds. Differences of weights
are relative to the largest of their layer's kernel or bias, those of histories to the largest value
of a column.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from parity.environment import version
from parity.programs.run_spec import MODES, RunSpec
from parity.programs.scenarios import scenario

SCENARIOS = ("linear", "too_small", "too_large", "cured_by_dropout", "cured_by_augmentation")
SIZES = (2, 4, 8, 16)
EXACT = (
    *("linear", "too_small", "noisy_labels", "little_data", "dropout", "augmentation"),
    *("cured_by_early_stopping", "capacity", "random_labels"),
)
PAUSE_S = 0.5  # threads that wait for work spin for a while, and would take a core from the others
MIN_RATIO = 1.1  # from which on training together is worth a setting


class Worker:
    """A process that trains seeds, together or one by one."""

    def __init__(self, threads: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker", str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
        )

    def begin(self, specs: list[RunSpec], together: bool) -> None:
        """Starts to train."""
        task = {"specs": [spec.to_dict() for spec in specs], "together": together}
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(task) + "\n")
        self.process.stdin.flush()

    def wait(self) -> None:
        """Returns when all is trained."""
        assert self.process.stdout is not None
        if self.process.stdout.readline() != "done\n":
            raise SystemExit("a worker has ended; its error stands above")

    def close(self) -> None:
        """Ends the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def work(threads: int) -> None:
    """What a worker does: tasks from standard input, as a chunk of a sweep trains them."""
    import torch_impl
    from parity.chunk import train, train_many

    torch_impl.configure(RunSpec(threads=threads))
    for line in sys.stdin:
        task = json.loads(line)
        specs = [RunSpec.from_dict(values) for values in task["specs"]]
        if task["together"]:
            train_many(torch_impl, "torch", specs, os.getppid())
        else:
            for spec in specs:
                train(torch_impl, "torch", spec, os.getppid())
        print("done", flush=True)


def seconds(shares: list[tuple[Worker, list[RunSpec]]], together: bool) -> float:
    """Returns how long workers take for their shares, all at a time."""
    time.sleep(PAUSE_S)
    started = time.perf_counter()
    for worker, specs in shares:
        worker.begin(specs, together)
    for worker, _ in shares:
        worker.wait()
    return time.perf_counter() - started


def measure(spec: RunSpec, num: int, num_rounds: int, workers: list[Worker]) -> dict[str, Any]:
    """Returns the seconds of each way, a list each."""
    *small, large = workers
    specs = [spec.replace(seed=seed) for seed in range(2 * num)]
    ways = {
        "one by one": lambda: seconds(
            [(worker, specs[k:num:2]) for k, worker in enumerate(small)], False
        ),
        "one process": lambda: seconds([(large, specs[:num])], True),
        "two processes": lambda: seconds(
            [(worker, specs[k::2]) for k, worker in enumerate(small)], True
        ),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(num_rounds):
        # Forth and back, so that a machine that gets slower favours none.
        for name in list(ways)[:: 1 if number % 2 == 0 else -1]:
            taken[name].append(ways[name]())
    return taken


def ratios(taken: dict[str, list[float]], name: str) -> list[float]:
    """Returns how many times as fast as one by one a way was in each round."""
    times_as_many = 2 if name == "two processes" else 1
    pairs = zip(taken["one by one"], taken[name], strict=True)
    return [times_as_many * alone / together for alone, together in pairs]


def cell(values: list[float]) -> str:
    """Median, least and greatest."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main(arguments: argparse.Namespace) -> None:
    """Measures and prints a table in Markdown."""
    print(
        f"{os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}; Python "
        f"{platform.python_version()}, torch {version('torch')}; {arguments.epochs} epochs of "
        f"{arguments.train_size} images, float32, mode independent; medians of "
        f"{arguments.pairs} rounds\n"
    )
    print("| scenario | N | one by one | one process, 2 threads | two processes, N in each |")
    print("|---|---|---|---|---|", flush=True)
    workers = [Worker(1), Worker(1), Worker(2)]
    best: dict[str, tuple[float, int]] = {}
    for name in arguments.scenarios:
        spec = scenario(name).replace(
            mode="independent",
            epochs=arguments.epochs,
            train_size=arguments.train_size,
            val_size=arguments.train_size // 2,
        )
        for worker in workers:
            seconds([(worker, [spec])], False)
            seconds([(worker, [spec, spec.replace(seed=1)])], True)
        for num in arguments.sizes:
            taken = measure(spec, num, arguments.pairs, workers)
            one, two = (ratios(taken, way) for way in ("one process", "two processes"))
            alone_s = statistics.median(taken["one by one"])
            print(f"| `{name}` | {num} | {alone_s:.2f} s | {cell(one)} | {cell(two)} |", flush=True)
            # By the worst round, so that a setting is not one of luck.
            best[spec.model] = max(best.get(spec.model, (0.0, 1)), (min(two), num))
    for worker in workers:
        worker.close()
    sizes = {model: num for model, (ratio, num) in best.items() if ratio >= MIN_RATIO}
    print(f"\nparity.ensemble.SIZES by this measurement: {sizes}")
    print(f"load after {os.getloadavg()[0]:.1f}")


def difference(actual: Any, expected: Any) -> float:
    """Returns the largest difference of two arrays, relative to the largest value."""
    actual, expected = np.asarray(actual, float), np.asarray(expected, float)
    if actual.shape != expected.shape:
        return math.inf
    return float(np.abs(actual - expected).max() / (np.abs(expected).max() or 1.0))


def exactness(names: list[str]) -> None:
    """Prints how far runs together are from runs alone, as a table in Markdown."""
    import torch_impl
    from parity.data import run_data
    from parity.recorder import EpochRecorder

    torch_impl.configure(RunSpec())
    print("| scenario | mode | seeds | epochs | weights | history |")
    print("|---|---|---|---|---|---|", flush=True)
    for name in names:
        for mode in MODES:
            spec = scenario(name).replace(dtype="float64", mode=mode)
            is_small = spec.model in ("underfit", "linear")
            if not is_small:
                spec = spec.replace(train_size=min(600, spec.train_size or 600), val_size=300)
            specs = [spec.replace(seed=seed) for seed in range(4 if is_small else 2)]
            datas = [run_data(spec) for spec in specs]
            told = [EpochRecorder(lambda: None) for _ in 2 * specs]
            together = torch_impl.fit_many(specs, datas, told[: len(specs)])
            rest = told[len(specs) :]
            alone = [torch_impl.fit(*run) for run in zip(specs, datas, rest, strict=True)]
            runs = [
                ({**result.history, **recorder.columns}, result.weights)
                for result, recorder in zip([*together, *alone], told, strict=True)
            ]
            pairs = list(zip(runs[: len(specs)], runs[len(specs) :], strict=True))
            history, weights = (
                max(
                    difference(ours[part][key], theirs[part][key])
                    for ours, theirs in pairs
                    for key in theirs[part]
                )
                for part in (0, 1)
            )
            epochs = ", ".join(str(len(run.history["loss"])) for run in alone)
            print(
                f"| `{name}` | {mode} | {len(specs)} | {epochs} | {weights:.1e} | {history:.1e} |",
                flush=True,
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(int(sys.argv[2]))
        sys.exit()
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scenarios", nargs="+")
    parser.add_argument("--exactness", action="store_true", help="in the place of times")
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES), help="of ensembles")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--train-size", type=int, default=1000, help="validation has half of it")
    parser.add_argument("--pairs", type=int, default=5, help="rounds for each line")
    given = parser.parse_args()
    given.scenarios = given.scenarios or list(EXACT if given.exactness else SCENARIOS)
    if given.exactness:
        exactness(given.scenarios)
    else:
        main(given)
