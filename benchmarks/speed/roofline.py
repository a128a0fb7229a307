"""How much of the cores' peak speed a training step uses: python benchmarks/speed/roofline.py

    python benchmarks/speed/roofline.py --scenario capacity --batch-sizes 32,128 --threads 2 \
        --rounds 15

The work of a step is that of its convolutions and matrix products, forward and back, which torch
counts (`torch.utils.flop_counter`) on the original network; nothing else counts as work. The peak
is the measured rate of torch's product of two square matrices, with the same number of threads.
Product and step take turns, and the share is the median of the pairs. `--profile` shows where the
time of a step goes.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import timeit
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from parity.data.load import run_data
from parity.programs.run_spec import RunSpec
from parity.programs.scenarios import scenario

SIDE = 1024  # of the matrices: 4 MiB each; larger ones are not faster
NUM_STEPS = 32  # in a round, which takes some tenths of a second

# Groups for the profile: parts of the names of torch's operations; the first match counts.
GROUPS = {
    "first convolution with its pool, forward and back": ("_PooledConv",),
    "other pools, forward and back": ("_Pooled",),
    "other convolutions, back": ("aten::convolution_backward",),
    "other convolutions, forward": ("aten::mkldnn_convolution",),
    "Dense layers, forward and back": ("aten::mm", "aten::addmm"),
    "Adam": ("Optimizer.step",),
}


@dataclass(frozen=True)
class Share:
    """A batch size, and the speed of its step.

    Attributes:
        batch_size: images per step.
        flops: floating-point operations per image, forward and back.
        images_per_s: the median.
        peak: operations per second of the matrix product, the median.
        shares: the share of the peak that the step reaches, one for each round.
    """

    batch_size: int
    flops: float
    images_per_s: float
    peak: float
    shares: list[float]


def main() -> None:
    """Prints the table, and with `--profile` where the time goes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenario", default="capacity")
    parser.add_argument("--batch-sizes", default="32,128")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    sizes = [int(size) for size in given.batch_sizes.split(",")]
    spec = scenario(given.scenario).replace(
        train_size=max(sizes), val_size=1, threads=given.threads, augmentation=None
    )
    from parity.halves import torch as torch_half

    torch_half.configure(spec)
    print(f"{given.scenario}, {given.threads} thread(s), {given.rounds} rounds\n")
    print("| batch | FLOP an image | images/s | product, GFLOP/s | step, GFLOP/s | share |")
    print("|---|---|---|---|---|---|")
    for size in sizes:
        found = measured(spec.replace(batch_size=size), given.rounds)
        reached = found.flops * found.images_per_s
        low, middle, high = statistics.quantiles(found.shares, n=4)
        print(
            f"| {size} | {found.flops / 1e6:.1f} M | {found.images_per_s:,.0f} "
            f"| {found.peak / 1e9:.0f} | {reached / 1e9:.0f} "
            f"| {middle:.0%} (quartiles {low:.0%} to {high:.0%}) |",
            flush=True,
        )
    if given.profile:
        for size in sizes:
            print(f"\nA step of {size} images, by torch's profiler:\n")
            for name, share in profiled(spec.replace(batch_size=size)):
                print(f"{share:6.1%}  {name}")


def measured(spec: RunSpec, rounds: int) -> Share:
    """Times steps on one batch and matrix products in turns."""
    import torch

    step, flops = step_of(spec)
    a, b, out = (torch.randn(SIDE, SIDE) for _ in range(3))

    def product() -> None:
        torch.mm(a, b, out=out)

    def steps_and_product() -> tuple[float, float]:
        return timeit.timeit(step, number=NUM_STEPS) / NUM_STEPS, timeit.timeit(product, number=1)

    for _ in range(2):  # to warm up
        steps_and_product()
    pairs = [steps_and_product() for _ in range(rounds)]
    work = flops * spec.batch_size
    peaks = [2 * SIDE**3 / time_of_product for _, time_of_product in pairs]
    return Share(
        batch_size=spec.batch_size,
        flops=flops,
        images_per_s=spec.batch_size / statistics.median(time_of_step for time_of_step, _ in pairs),
        peak=statistics.median(peaks),
        shares=[work / pair[0] / peak for pair, peak in zip(pairs, peaks, strict=True)],
    )


def step_of(spec: RunSpec) -> tuple[Callable[[], Any], float]:
    """Returns a training step on one batch, and its operations for an image."""
    from torch.utils.flop_counter import FlopCounterMode

    from torch_impl.train import prepare

    training = prepare(spec, run_data(spec))
    batch = next(iter(training.batches))
    training.model.train()
    training.network.train()
    with FlopCounterMode(display=False) as counter:
        training.criterion(training.model(batch.x), batch.y).backward()
    training.optimizer.zero_grad()
    return lambda: training.step(batch), counter.get_total_flops() / len(batch.y)


def profiled(spec: RunSpec) -> list[tuple[str, float]]:
    """Returns groups of operations and their shares of a step's time, the greatest first."""
    from torch.profiler import ProfilerActivity, profile

    step, _ = step_of(spec)
    for _ in range(NUM_STEPS):
        step()
    with profile(activities=[ProfilerActivity.CPU]) as found:
        for _ in range(NUM_STEPS):
            step()
    times: Counter[str] = Counter()
    for event in found.key_averages():
        fits = (name for name, parts in GROUPS.items() if any(p in event.key for p in parts))
        times[next(fits, "all else: loss, accuracy, layouts, Python")] += event.self_cpu_time_total
    whole = sum(times.values())
    return [(name, part / whole) for name, part in times.most_common()]


if __name__ == "__main__":
    sys.exit(main())
