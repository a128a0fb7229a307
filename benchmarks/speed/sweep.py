"""The cost of a large sweep for its driver, and the gain of a second worker.

    python benchmarks/speed/sweep.py                 # both parts
    python benchmarks/speed/sweep.py --pairs 0       # the first part: 10,000 jobs on each engine
    python benchmarks/speed/sweep.py --jobs 0        # the second part

The first part runs sweeps of stub jobs, which train nothing, so that only the work of the driver
and the starts of children remain. Each sweep has its own driver process. A sweep of 1,000 jobs
comes before each large one, and each is then run again, which only reads its results. The second
part makes real runs of the torch half, with one worker and with two in turns, and compares the
ratio of each pair.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

import stub_half

from parity.halves.job import ChildOptions
from parity.programs.run_spec import RunSpec
from parity.sweeps import local, ray_cluster
from parity.sweeps.local import EngineOptions
from parity.sweeps.sweep import SweepListener, batches_of, run_sweep
from parity.sweeps.task import tasks_of

SMALL = 1000  # jobs of the sweep from which the growth of memory is measured
EPOCHS = 20  # of a stub job: its record is as long as that of a real run
NUM_CALIBRATIONS, CALIBRATION_SIZE = 3, 100
MAX_DRIVER_MS = 1.0  # of CPU time per job
MIN_RATIO = 1.7  # of two workers to one, in jobs per minute

# Two to four seconds of training.
REAL = RunSpec(scenario="tiny", epochs=8, train_size=1000, val_size=200)
NUM_REAL = 24


def memory_mb() -> float:
    """Returns the memory of this process in MB, without its children."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


class Memory(SweepListener):
    """Reads the memory of the driver while a sweep runs."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {"start": memory_mb()}
        self.peak = 0.0

    def on_change(self, finished: int, running: int, failed: int) -> None:
        """See SweepListener."""
        if finished >= SMALL and "small" not in self.at:
            self.at["small"] = memory_mb()
        if finished % 100 == 0:
            self.peak = max(self.peak, memory_mb())

    def on_end(self) -> None:
        """See SweepListener."""
        self.at["end"] = memory_mb()
        self.at.setdefault("small", self.at["end"])
        self.peak = max(self.peak, self.at["end"])


def options(folder: Path, workers: int, program: tuple[str, ...] = ()) -> EngineOptions:
    """Returns the options of a sweep in a folder."""
    return EngineOptions(
        store=str(folder),
        scratch=folder / "batches",
        children=ChildOptions(timeout_s=600, workers=workers),
        program=program,
    )


def calibrate(settings: EngineOptions) -> tuple[float, float]:
    """Returns the seconds to start a child, and those of one more job in it."""
    num = NUM_CALIBRATIONS * (1 + CALIBRATION_SIZE)
    specs = [RunSpec(epochs=EPOCHS, seed=1_000_000 + number) for number in range(num)]
    tasks = tasks_of(specs, settings.children.pythons, ["torch"])
    seconds: dict[int, list[float]] = {1: [], CALIBRATION_SIZE: []}
    while tasks:
        for size, values in seconds.items():
            batch, tasks = tasks[:size], tasks[size:]
            started = time.perf_counter()
            local.run([batch], settings, lambda *change: None)
            values.append(time.perf_counter() - started)
    one, many = (statistics.median(values) for values in seconds.values())
    job_s = (many - one) / (CALIBRATION_SIZE - 1)
    return one - job_s, job_s


def drive(name: str, num_jobs: int, folder: Path) -> dict[str, Any]:
    """Runs a sweep of stub jobs, and then the finished sweep again."""
    engine = local.run if name == "local" else ray_cluster.Cluster().run
    specs = [
        RunSpec(scenario="little_data", epochs=EPOCHS, seed=seed) for seed in range(num_jobs // 2)
    ]
    settings = options(folder, 2, stub_half.program())
    start_s, job_s = calibrate(settings)
    children = settings.children
    batches = batches_of(tasks_of(specs, children.pythons), children.num_workers)
    num_batches = len(list(batches))
    memory = Memory()
    seconds = []
    for listener in (memory, None):
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        found = run_sweep(specs, settings, engine, listener)
        seconds.append((time.perf_counter() - wall_s, time.process_time() - cpu_s))
        assert found.is_complete, found.failures[0]
        assert len(found.rows) == num_jobs
        del found
    files = [path.stat() for path in (folder / "results").rglob("*.json")]
    assert len(files) == num_jobs + NUM_CALIBRATIONS * (1 + CALIBRATION_SIZE)
    return {
        "wall_s": seconds[0][0],
        "model_s": (num_jobs * job_s + num_batches * start_s) / settings.children.num_workers,
        "start_s": start_s,
        "job_s": job_s,
        "driver_ms": 1e3 * seconds[0][1] / num_jobs,
        "again_s": seconds[1][0],
        "memory_mb": {**memory.at, "peak": memory.peak, "read": memory_mb()},
        "bytes": sum(file.st_size for file in files) / len(files),
        "disk_bytes": sum(file.st_blocks * 512 for file in files) / len(files),
    }


def measure(name: str, num_jobs: int) -> dict[str, Any]:
    """Runs `drive` in a separate process."""
    with tempfile.TemporaryDirectory(prefix="parity-benchmark-") as folder:
        answer = subprocess.run(
            [sys.executable, __file__, "--drive", name, str(num_jobs), folder],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env=os.environ | {"PYTHONPATH": str(ROOT / "tests" / "support")},
        )
    return json.loads(answer.stdout.splitlines()[-1])


def show_driver(name: str, results: dict[int, dict[str, Any]]) -> None:
    """Prints the sweeps of one engine."""
    print(f"\n{name}: stub jobs of {EPOCHS} epochs, 2 workers")
    print(
        f"{'jobs':>8}{'wall s':>9}{'model s':>9}{'driver ms/job':>15}{'again s':>9}"
        f"{'MB: start':>11}{'running':>9}{'read':>7}{'bytes/job':>11}{'on disk':>9}"
    )
    for num, result in results.items():
        memory = result["memory_mb"]
        print(
            f"{num:>8,}{result['wall_s']:>9.1f}{result['model_s']:>9.1f}"
            f"{result['driver_ms']:>15.2f}{result['again_s']:>9.1f}"
            f"{memory['start']:>11.0f}{memory['peak']:>9.0f}{memory['read']:>7.0f}"
            f"{result['bytes']:>11,.0f}{result['disk_bytes']:>9,.0f}"
        )
    small, large = results[min(results)], results[max(results)]
    peaks = [result["memory_mb"]["peak"] for result in (small, large)]
    within = large["memory_mb"]["end"] - large["memory_mb"]["small"]
    print(f"starting a child {large['start_s']:.2f} s, a job {1e3 * large['job_s']:.1f} ms")
    holds = "holds" if large["driver_ms"] < MAX_DRIVER_MS else "DOES NOT HOLD"
    per_job = 1024 * (peaks[1] - peaks[0]) / max(1, max(results) - min(results))
    print(f"under {MAX_DRIVER_MS:g} ms of driver time per job: {holds}")
    print(
        f"memory between {SMALL:,} jobs finished and the last: {within:+.1f} MB; "
        f"of a larger sweep: {per_job:.1f} KB a job"
    )


def real_run(workers: int) -> tuple[float, dict[str, Any]]:
    """Returns the seconds of a sweep of real runs of the torch half, and one of its records."""
    specs = [REAL.replace(seed=seed) for seed in range(NUM_REAL)]
    with tempfile.TemporaryDirectory(prefix="parity-benchmark-") as folder:
        settings = options(Path(folder), workers)
        started = time.perf_counter()
        found = run_sweep(specs, settings, local.run, halves=["torch"])
        seconds = time.perf_counter() - started
        assert found.is_complete, found.failures[0]
        path = next(Path(folder).rglob("results/*/*.json"))
        record = json.loads(path.read_text(encoding="utf-8"))
        record["bytes"] = path.stat().st_size
    return seconds, record


def compare_workers(num_pairs: int) -> list[tuple[float, float]]:
    """Prints how much faster two workers are than one."""
    print(f"\n{NUM_REAL} runs of the torch half, {REAL.epochs} epochs of {REAL.train_size} images")
    pairs = []
    for _ in range(num_pairs):
        (one, record), (two, _) = real_run(1), real_run(2)
        pairs.append((one, two))
        rates = [60 * NUM_REAL / seconds for seconds in (one, two)]
        print(
            f"{rates[0]:.1f} jobs a minute with one worker, {rates[1]:.1f} with two: "
            f"{one / two:.2f} (load {os.getloadavg()[0]:.1f})"
        )
    run = record["run"]
    print(f"a run: {run['wall_s']:.1f} s of training, its record {record['bytes']:,} bytes")
    ratio = statistics.median(one / two for one, two in pairs)
    holds = "holds" if ratio >= MIN_RATIO else "DOES NOT HOLD"
    print(f"median {ratio:.2f} of {num_pairs} pairs; at least {MIN_RATIO}: {holds}")
    return pairs


def main(arguments: argparse.Namespace) -> None:
    """Measures and prints."""
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load before {load:.1f}; Python {platform.python_version()}")
    for name in (arguments.engine or ["local", "ray"]) if arguments.jobs else []:
        nums = sorted({min(SMALL, arguments.jobs), arguments.jobs})
        show_driver(name, {num: measure(name, num) for num in nums})
    if arguments.pairs:
        compare_workers(arguments.pairs)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--drive"]:
        print(json.dumps(drive(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))))
        sys.exit()
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--jobs", type=int, default=10_000, help="number of jobs in the stub sweep; 0 skips it"
    )
    parser.add_argument("--engine", choices=["local", "ray"], action="append", help="both")
    parser.add_argument(
        "--pairs", type=int, default=3, help="number of pairs of real sweeps; 0 skips them"
    )
    main(parser.parse_args())
