"""Dropout with Keras's masks against torch's own: python benchmarks/speed/masks.py [THREADS]

The activations are those of the `dropout` program at batch 32. Both kinds of mask are drawn in
turns within one run, and the ratio of each pair is compared.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from torch_impl import native, philox
from torch_impl.layers import Dropout
from torch_impl.philox import stateless_keep

SHAPE = (32, 32, 13, 13)
NUM_PAIRS = 200


def seconds(function: Callable[[], object]) -> float:
    """Returns how long one call takes."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def main(threads: int) -> None:
    """Prints medians, and the median and quartiles of the paired ratio."""
    torch.set_num_threads(threads)
    x = torch.rand(SHAPE).to(memory_format=torch.channels_last)
    mask = torch.empty(SHAPE)
    kept = (SHAPE[0], *SHAPE[2:], SHAPE[1])
    ours, theirs = Dropout(0.25, seed=1), torch.nn.Dropout(0.25)
    rows: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "mask against bernoulli_": (
            lambda: stateless_keep(kept, 0.25, seed=(1, 2)),
            lambda: mask.bernoulli_(0.75),
        ),
        "layer against nn.Dropout": (lambda: ours(x), lambda: theirs(x)),
    }
    has_native = native.library(philox.SOURCE) is not None
    print(f"torch {torch.__version__}, {threads} thread(s), compiled loop: {has_native}")
    for name, (a, b) in rows.items():
        pairs = [(seconds(a), seconds(b)) for _ in range(NUM_PAIRS + 10)][10:]
        ratios = sorted(theirs / ours for ours, theirs in pairs)
        quartiles = statistics.quantiles(ratios, n=4)
        print(
            f"{name:<25} {1e3 * statistics.median(p[0] for p in pairs):.2f} ms against "
            f"{1e3 * statistics.median(p[1] for p in pairs):.2f} ms: {quartiles[1]:.1f} times as "
            f"fast (quartiles {quartiles[0]:.1f} to {quartiles[2]:.1f}, {NUM_PAIRS} pairs)"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("threads", type=int, nargs="?", default=1)
    main(parser.parse_args().threads)
