"""A small fault in the port, in a sweep: `python benchmarks/accuracy/behaviour_power.py STORE`.

Two faults that change the accuracy by less than a point are planted in the torch half: the last
batch of an epoch is not augmented, and dropout is 0.3 instead of 0.25. For the seeds of a finished
sweep (its --out; both modes) the faulty runs replace torch's, and the statistics of `parity sweep`
judge them. It prints the change by the fault (seed by seed, against the right port), the verdict in
each mode, and the difference that each mode finds with power 0.8.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

import torch_impl
from parity.data.load import run_data
from parity.programs.scenarios import SCENARIOS
from parity.stats import ALPHA, POWER
from parity.sweeps.equivalence import compare
from parity.sweeps.rows import Row, judge_record
from parity.sweeps.store import open_store
from parity.sweeps.sweep import finished_rows
from parity.traces.training_recorder import EpochObserver
from torch_impl import models
from torch_impl import train as torch_data

PYTHONS = {"keras": sys.executable, "torch": sys.executable}


def no_augmentation_of_the_last_batch(patch: pytest.MonkeyPatch) -> None:
    """Feeds the partial batch at the end of an epoch without augmentation."""

    def wrapped(kind: Any) -> Any:
        class Batches(kind):
            def __iter__(self) -> Any:
                for batch in super().__iter__():
                    if len(batch.y) < self.full_size:
                        x = self.images[batch.index]
                        batch = torch_data.Batch(x, batch.y, batch.index, batch.params)
                    yield batch

            def __init__(self, x: Any, y: Any, batch_size: int, *rest: Any) -> None:
                super().__init__(x, y, batch_size, *rest)
                self.images, self.full_size = x, batch_size

        return Batches

    patch.setattr(torch_data, "FlowBatches", wrapped(torch_data.FlowBatches))
    patch.setattr(torch_data, "OwnBatches", wrapped(torch_data.OwnBatches))


def dropout_of_three_tenths(patch: pytest.MonkeyPatch) -> None:
    """Gives the first Dropout a rate of 0.3."""
    right = models.Dropout
    patch.setattr(models, "Dropout", lambda rate: right(0.3 if rate == 0.25 else rate))


FAULTS: dict[str, tuple[str, Callable[[pytest.MonkeyPatch], None]]] = {
    "no augmentation on the last batch": (
        "cured_by_augmentation",
        no_augmentation_of_the_last_batch,
    ),
    "dropout 0.3 instead of 0.25": ("cured_by_dropout", dropout_of_three_tenths),
}


def trained(spec: Any) -> Row:
    """Trains a run in this process; returns its row."""
    data, observer = run_data(spec), EpochObserver(on_step=lambda: None)
    result = torch_impl.fit(spec, data, observer)
    record = {
        "history": {**result.history, **observer.columns},
        "num_classes": data.num_classes,
        "num_train": len(data.x_train),
        "num_val": len(data.x_val),
        "run": {"wall_s": result.wall_s},
    }
    return Row(spec.scenario, spec.seed, "torch", *judge_record(record, spec))


def smallest_found(sd: float, n: int) -> float:
    """Returns the difference that a paired t-test at ALPHA finds with POWER (noncentral t)."""
    limit = stats.t.ppf(1 - ALPHA / 2, n - 1)

    def power(difference: float) -> float:
        shift = difference * math.sqrt(n) / sd
        tails = stats.nct.sf(limit, n - 1, shift), stats.nct.cdf(-limit, n - 1, shift)
        return float(np.nan_to_num(tails[0], nan=1.0) + np.nan_to_num(tails[1]))

    # The tail on the far side cannot be computed everywhere, and is negligible there.
    return float(optimize.brentq(lambda d: power(d) - POWER, 0, 100 * sd))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", help="--out of a finished sweep")
    parser.add_argument("--seeds", type=int, default=10, help="seeds 0 to N-1")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    store = open_store(arguments.store)
    for title, (name, plant) in FAULTS.items():
        print(f"{title} ({name})")
        for mode in ("seeded", "independent"):
            keras, right, faulty = [], [], []
            for seed in range(arguments.seeds):
                spec = SCENARIOS[name].spec.replace(seed=seed, mode=mode)
                rows = finished_rows([spec], store, PYTHONS)
                if len(rows) < 2:
                    continue
                with pytest.MonkeyPatch.context() as patch:
                    plant(patch)
                    faulty.append(trained(spec))
                keras.append(rows[0])
                right.append(rows[1])
            if len(keras) < 2:
                print(f"  {mode}: no finished runs of this code in {arguments.store}")
                continue
            n = len(keras)
            for quantity, attribute in (("accuracy", "val_accuracy"), ("gap", "gap")):
                values = [
                    np.array([getattr(row.judgement, attribute) for row in rows])
                    for rows in (keras, right, faulty)
                ]
                change = values[2] - values[1]
                half = stats.t.ppf(0.95, n - 1) * change.std(ddof=1) / math.sqrt(n)
                verdicts = [
                    next(
                        row.verdict
                        for row in compare([*keras, *port], SCENARIOS, mode=mode).comparisons
                        if row.quantity == quantity
                    )
                    for port in (right, faulty)
                ]
                sd = (values[1] - values[0]).std(ddof=1)
                print(
                    f"  {mode:<12}n {n:<3} {quantity:<9} fault {100 * change.mean():+.2f} "
                    f"±{100 * half:.2f} points   right port: {verdicts[0]}, faulty: {verdicts[1]}; "
                    f"found with power {POWER:g}: {100 * smallest_found(sd, n):.2f} points",
                    flush=True,
                )


if __name__ == "__main__":
    main()
