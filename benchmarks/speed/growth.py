"""How training speed grows with batch, image size and program: python benchmarks/speed/growth.py

    python benchmarks/speed/growth.py --rounds 7

It times Keras's `fit` and `torch_impl.fit`, each in its own process and in turns, as `parity bench`
does. Larger images are MNIST images with each pixel repeated. The network grows with them, since
its first Dense layer has more inputs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from parity.bench.result import Row
from parity.bench.run import measure
from parity.data.load import load_data
from parity.programs.bench_spec import BenchSpec

BATCH_SIZES = (8, 32, 128, 512)
FACTORS = (1, 2, 4)  # of the sides of an image
SCENARIOS = ("too_small", "capacity", "augmentation", "dropout")
TIMEOUT_S = 600.0


def main() -> None:
    """Prints three tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    common = {"rounds": given.rounds, "threads": given.threads, "variants": ("keras", "torch")}
    with tempfile.TemporaryDirectory() as folder:
        print(f"{given.threads} thread(s), {given.rounds} rounds, images/s: medians")
        head("batch size, `dropout`")
        for batch_size in BATCH_SIZES:
            spec = BenchSpec(batch_sizes=(batch_size,), **common)
            line(str(batch_size), spec, Path(folder))
        head("image size, `dropout`, batch 32")
        for factor in FACTORS:
            data = enlarged(factor, Path(folder))
            spec = BenchSpec(data=data, train_size=2048 // factor**2, val_size=64, **common)
            line(f"{28 * factor} x {28 * factor}", spec, Path(folder))
        head("program, batch 32")
        for name in SCENARIOS:
            line(f"`{name}`", BenchSpec(scenario=name, **common), Path(folder))


def head(title: str) -> None:
    """Prints the head of a table."""
    print(f"\n| {title} | Keras | torch | ratio |\n|---|---|---|---|", flush=True)


def line(name: str, spec: BenchSpec, folder: Path) -> None:
    """Measures and prints one line."""
    pythons = {"keras": sys.executable, "torch": sys.executable}
    inside = Path(tempfile.mkdtemp(dir=folder))
    rows = measure(spec, inside / "run", pythons, TIMEOUT_S, lambda text: None)
    print(f"| {name} | {' | '.join(cells(rows))} |", flush=True)


def cells(rows: list[Row]) -> Iterator[str]:
    """Yields the speeds of both halves, and the median of the paired ratio."""
    failed = [row for row in rows if row.status != "ok"]
    if failed:
        yield from (f"{row.variant}: {row.reason}" for row in failed)
        return
    keras, torch = (row.values for row in rows)
    yield f"{statistics.median(keras):,.0f}"
    yield f"{statistics.median(torch):,.0f}"
    yield f"{statistics.median(b / a for a, b in zip(keras, torch, strict=True)):.2f}"


def enlarged(factor: int, folder: Path) -> str:
    """Writes a `.npz` of the embedded images, each pixel repeated; returns its path."""
    if factor == 1:
        return "embedded"
    data = load_data("embedded", train=2048 // factor**2 + 64, val=64, test=64)
    arrays = {
        "x_train": data.x_train,
        "y_train": data.y_train,
        "x_test": data.x_test,
        "y_test": data.y_test,
    }
    for name in ("x_train", "x_test"):
        pixels = np.round(arrays[name] * 255).astype(np.uint8)
        arrays[name] = pixels.repeat(factor, axis=1).repeat(factor, axis=2)
    path = folder / f"images-{factor}.npz"
    np.savez_compressed(path, **arrays)
    return os.fspath(path)


if __name__ == "__main__":
    main()
