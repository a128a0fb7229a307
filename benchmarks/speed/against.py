"""This checkout against an older state: python benchmarks/speed/against.py OLD

    python benchmarks/speed/against.py v0.1.0
    python benchmarks/speed/against.py keras_torch_parity-0.1.0-py3-none-any.whl --rounds 6

OLD is a tag or a commit of this repository, or a wheel. Both do the same work in turns (`turns`):
each part of a training, and an epoch of the three programs. It prints the speed of this checkout as
a share of the older one, and ends with 1 if one part has less than nine tenths of it.
"""

from __future__ import annotations

import argparse
import functools
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

sys.path.append(str(Path(__file__).parent))  # also where nothing is put there (PYTHONSAFEPATH)

import turns

ROOT = Path(__file__).resolve().parents[2]
LEAST = 0.9  # of the older speed; what repeats of one state differ by is half of the rest
PROGRAMS = ("capacity", "augmentation", "dropout")
Part = Callable[[], Callable[[], object]]


def _convolution() -> Callable[[], object]:
    import torch

    from torch_impl.fast import PooledConv2d

    layer = PooledConv2d(torch.nn.Conv2d(1, 32, 3).to(memory_format=torch.channels_last))
    x = torch.randn(32, 1, 28, 28).contiguous(memory_format=torch.channels_last)
    return lambda: layer(x).sum().backward()


def _pool() -> Callable[[], object]:
    import torch

    from torch_impl.fast import PooledReLU

    layer, x = PooledReLU(), torch.randn(32, 64, 11, 11)
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    return lambda: layer(x).sum().backward()


def _adam() -> Callable[[], object]:
    import torch

    from torch_impl.optim import Adam

    weight = torch.nn.Parameter(torch.randn(200_000))
    weight.grad = torch.randn(200_000)
    return Adam([weight], 1e-3).step


def _masks() -> Callable[[], object]:
    from torch_impl import philox

    return lambda: philox.stateless_keep((32, 13, 13, 32), 0.25, seed=(1, 2))


def _initial_weights() -> Callable[[], object]:
    from torch_impl import normals

    return lambda: normals.stateless_normal((20_000,), seed=(1, 2))


def _augmentation() -> Callable[[], object]:
    import numpy as np
    import torch

    from torch_impl.augment import affine

    x, flips = torch.rand(256, 1, 28, 28), np.zeros((256, 2), dtype=bool)
    maps = np.random.default_rng(0).normal([[1, 0, 0], [0, 1, 0]], 0.1, (256, 2, 3))
    return lambda: affine.move(x, maps, flips, fill_mode="nearest", cval=0.0, order=1)


def _epoch(name: str) -> Callable[[], object]:
    import torch

    from parity.data.load import run_data
    from parity.programs.scenarios import scenario
    from torch_impl.train import prepare

    threads = torch.get_num_threads()
    spec = scenario(name).replace(threads=threads, train_size=512, val_size=64)
    return prepare(spec, run_data(spec)).epoch


PARTS: dict[str, Part] = {
    "convolution": _convolution,
    "pool": _pool,
    "Adam": _adam,
    "masks": _masks,
    "initial weights": _initial_weights,
    "augmentation": _augmentation,
    **{f"epoch of {name}": functools.partial(_epoch, name) for name in PROGRAMS},
}


def prepared(threads: int = 1) -> dict[str, Callable[[], object]]:
    """Returns the parts that the package has; an older one may lack some."""
    import torch

    torch.set_num_threads(threads)
    found = {}
    for name, part in PARTS.items():
        try:
            found[name] = part()
        except (ImportError, AttributeError, TypeError, ValueError) as error:
            print(f"{name} is not timed: {type(error).__name__}: {error}", file=sys.stderr)
    return found


def _unpacked(old: str, folder: Path) -> Path:
    """Writes the packages of an older state into a folder, and returns it."""
    if Path(old).is_file():
        with zipfile.ZipFile(old) as archive:
            archive.extractall(folder)
        return folder
    command = ["git", "-C", ROOT, "archive", old]
    made = subprocess.run(command, capture_output=True, check=False)
    if made.returncode:
        sys.exit(f"{old} is neither a wheel nor a commit: {made.stderr.decode().strip()}")
    with tarfile.open(fileobj=BytesIO(made.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def _worker(package: Path, cache: Path) -> turns.Worker:
    found = turns.Worker(package, [__file__, "--serve", "-"], {"XDG_CACHE_HOME": str(cache)})
    if not found.about.startswith(str(package)):
        sys.exit(f"{found.about} was imported, not that of {package}")
    return found


def main(given: argparse.Namespace) -> int:
    """Prints a line for each part, and returns 1 if one is slower than it was."""
    from torch_impl.native import store  # not of the older state

    with tempfile.TemporaryDirectory() as name:
        packages = {"this": ROOT, "old": _unpacked(given.old, Path(name) / "old")}
        start = {
            which: functools.partial(_worker, package, Path(name) / "cache")
            for which, package in packages.items()
        }
        found = turns.speeds(start, given.rounds, given.turns)
    load = f"load of the machine: {os.getloadavg()[0]:.1f}"
    print(f"{store.name()}, one thread, {time.strftime('%Y-%m-%d')}; {load}")
    for task, shares in found.items():
        print(turns.told(task, shares))
    slow = [task for task, shares in found.items() if statistics.median(shares) < LEAST]
    print(f"slower than {LEAST:.0%} of {given.old}: {', '.join(slow) or 'nothing'}")
    return int(bool(slow))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", help="a tag, a commit or a wheel")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        import torch_impl

        turns.serve(torch_impl.__file__, prepared())
        sys.exit()
    sys.exit(main(options))
