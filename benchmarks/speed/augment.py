"""Images augmented per second, ours against its peers: python benchmarks/speed/augment.py

    python benchmarks/speed/augment.py --size 28x28x1 --size 224x224x3 --rounds 15 \
        --json augment.json

Every library runs its nearest version of one pipeline, on the same images. Each contestant has its
own process. They take turns, and the ratio within a round is compared. Peers that are not installed
(`pip install '.[peers]'`) are left out. Ours and Keras also augment a batch from the same seed,
since a fast but wrong transform is worthless, and the memory of ours is measured (on Linux). The
last column names the parts of the pipeline that a peer lacks; none draws Keras's random numbers.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.speed.augment_peers import CONTESTANTS, KERAS, OURS, PIPELINE, UNCOMPILED, Case

SECONDS = 0.3  # approximate time of a contestant in a round
MEMORY_SIZE, MEMORY_COUNTS = (224, 224, 3), (32, 256)
MEMORY_LIMIT = 3  # batches
PACKAGES = "torch torchvision keras tensorflow scipy kornia albumentations opencv-python-headless"


def serve(name: str, settings: dict[str, Any]) -> None:
    """Runs the process of a contestant: reads a command per line, answers with a number."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # output of libraries is not an answer
    case = Case(**settings)
    build, batches, answer = CONTESTANTS[name].build, None, 0.0
    for line in sys.stdin:
        command, argument = json.loads(line)
        if command == "save":
            np.save(argument, np.asarray(build(replace(case, seed=7))(0)[0]))
        elif command == "memory":
            answer = peak_memory(argument)
        else:
            batches = batches or build(case)
            started = time.perf_counter()
            for number in range(argument):
                batches(number % (case.num_images // case.batch_size))
            answer = time.perf_counter() - started
        print(answer, file=answers, flush=True)


def peak_memory(num_images: int) -> float:
    """Returns the peak memory of augmenting a batch, without the batch, in units of its size."""
    import torch

    from torch_impl.augment import ImageDataGenerator

    def kilobytes(name: str) -> int:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name))

    generator, images = ImageDataGenerator(**PIPELINE), torch.rand(num_images, *MEMORY_SIZE)
    generator.augmented(images[:1])
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # resets the peak
    before = kilobytes("VmRSS")
    generator.augmented(images)
    return (kilobytes("VmHWM") - before) * 1024 / images.nbytes


class Worker:
    """The process of a contestant, seen from outside."""

    def __init__(self, name: str, case: Case, threads: int) -> None:
        environment = {
            **{f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "MKL", "OPENBLAS")},
            **{"OPENCV_FOR_THREADS_NUM": str(threads), "NO_ALBUMENTATIONS_UPDATE": "1"},
            **{"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""},
            **CONTESTANTS[name].environment,
        }
        self.name, self.errors = name, tempfile.TemporaryFile("w+")  # noqa: SIM115 (lives on)
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", name, json.dumps(asdict(case))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env={**os.environ, **environment},
            text=True,
        )

    def ask(self, command: str, argument: str | int) -> float:
        """Returns the answer to a command."""
        print(json.dumps([command, argument]), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            self.errors.seek(0)
            raise SystemExit(f"{self.name}: {command} failed\n{self.errors.read()}")
        return float(answer)

    def close(self) -> None:
        """Ends the process."""
        self.process.communicate()


def num_batches(worker: Worker) -> int:
    """Returns how many batches fill the time of a contestant in a round."""
    worker.ask("run", 2)  # compiles, traces, starts threads
    num = 1
    while (seconds := worker.ask("run", num)) < SECONDS / 4:
        num *= 2
    return max(1, round(num * SECONDS / seconds))


def measure(case: Case, threads: int, rounds: int) -> dict[str, Any]:
    """Returns images per second of every contestant and round, and differences from Keras."""
    workers = {
        name: Worker(name, case, threads)
        for name, contestant in CONTESTANTS.items()
        if all(map(importlib.util.find_spec, contestant.libraries))
    }
    differences = {}
    if KERAS in workers:
        with tempfile.TemporaryDirectory() as folder:
            pixels = {}
            for name in (KERAS, OURS, UNCOMPILED):
                path = Path(folder) / f"{len(pixels)}.npy"
                workers[name].ask("save", str(path))
                pixels[name] = np.load(path).astype(np.float64)
            for name in (OURS, UNCOMPILED):
                differences[name] = float(np.abs(pixels[name] - pixels[KERAS]).max())
    nums = {name: num_batches(worker) for name, worker in workers.items()}
    samples: dict[str, list[float]] = {name: [] for name in workers}
    for _ in range(rounds):
        for name, worker in workers.items():
            num = nums[name]
            samples[name].append(num * case.batch_size / worker.ask("run", num))
    for worker in workers.values():
        worker.close()
    return {"case": asdict(case), "differences": differences, "images_per_second": samples}


def quartiles(values: Sequence[float], form: str) -> str:
    """Returns the median, with the quartiles in brackets."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:{form}} ({low:{form}} to {high:{form}})"


def show(result: dict[str, Any], rounds: int) -> None:
    """Prints a table for one size."""
    case, samples = result["case"], result["images_per_second"]
    size = "x".join(map(str, case["size"]))
    print(f"\n{size}, {case['num_images']} images, batches of {case['batch_size']}, n={rounds}")
    print(f"{'':<26}{'images/s (quartiles)':<30}{'ours / it (quartiles)':<25}cannot express")
    for name, contestant in CONTESTANTS.items():
        if name not in samples:
            print(f"{name:<26}not installed")
            continue
        ratios = [a / b for a, b in zip(samples[OURS], samples[name], strict=True)]
        ratio = "" if name == OURS else quartiles(ratios, ".2f")
        print(f"{name:<26}{quartiles(samples[name], ',.0f'):<30}{ratio:<25}{contestant.lacks}")
    for name, difference in result["differences"].items():
        print(f"{name}: a batch from Keras's seed differs from Keras's by at most {difference:.2g}")


def compiling() -> dict[str, Any]:
    """Returns whether the compiled loop exists, and seconds to load it without and with a cache."""
    code = (
        "import sys, time, pathlib; from torch_impl import native; start = time.perf_counter(); "
        "found = native.library(pathlib.Path(sys.argv[1])) is not None; "
        "print(found + 0, time.perf_counter() - start)"
    )
    command = [sys.executable, "-c", code, str(ROOT / "torch_impl" / "augment" / "affine.c")]
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "XDG_CACHE_HOME": folder}
        answers = [
            subprocess.check_output(command, env=environment, cwd=ROOT, text=True).split()
            for _ in range(2)
        ]
    return {"is_used": answers[0][0] == "1", "seconds": [float(answer[1]) for answer in answers]}


def machine(threads: int) -> dict[str, Any]:
    """Returns the processor, the threads and the versions."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    versions = {"python": platform.python_version()}
    for package in PACKAGES.split():
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    processor = names[0] if names else platform.processor()
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "threads": threads,
        "versions": versions,
        "compiled_loop": compiling(),
    }


def main(arguments: argparse.Namespace) -> None:
    """Measures and prints."""
    head = machine(arguments.threads)
    versions = ", ".join(f"{name} {version}" for name, version in head["versions"].items())
    first, again = head["compiled_loop"]["seconds"]
    print(f"{head['processor']}, {head['cores']} cores, {head['threads']} threads; {versions}")
    print(f"load of the machine before: {head['load']:.1f}")
    used = "used" if head["compiled_loop"]["is_used"] else "not used"
    print(f"compiled loop: {used}; {first:.3f} s the first time, {again:.3f} s from the cache")
    results = []
    for size in arguments.size or [(28, 28, 1)]:
        num_images = max(6000 if size[0] * size[1] < 64**2 else 128, arguments.batch_size)
        case = Case(size, num_images, arguments.batch_size)
        results.append(measure(case, arguments.threads, arguments.rounds))
        show(results[-1], arguments.rounds)
    memory: dict[str, dict[int, float]] = {OURS: {}, UNCOMPILED: {}}
    print(f"\npeak memory beyond the input, in float32 batches (at most {MEMORY_LIMIT})")
    for name, peaks in memory.items():
        for count in MEMORY_COUNTS if Path("/proc/self/clear_refs").exists() else ():
            worker = Worker(name, Case((1, 1, 1), 1, 1), arguments.threads)
            peaks[count] = worker.ask("memory", count)
            worker.close()
            print(f"{name:<26}{count} x {'x'.join(map(str, MEMORY_SIZE))}: {peaks[count]:.2f}")
    if arguments.json:
        content = {"machine": head, "pipeline": PIPELINE, "results": results, "memory": memory}
        arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def size_of(text: str) -> tuple[int, int, int]:
    """Reads HEIGHTxWIDTHxCHANNELS."""
    height, width, channels = map(int, text.split("x"))
    return height, width, channels


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], json.loads(sys.argv[3]))
        sys.exit()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--size", type=size_of, action="append", help="such as 28x28x1, the default"
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write all samples and the machine to this file"
    )
    main(parser.parse_args())
