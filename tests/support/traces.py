"""Traces of trainings made by hand: tiny ones for the comparers, also with recorded states."""

import copy
import itertools
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from parity.programs.run_spec import RunSpec
from parity.programs.scenario_spec import of_run
from parity.traces.trace import RunResult, Trace, TraceWriter

HISTORY_KEYS = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
STEPS_PER_EPOCH = 2
KERNEL, BIAS = "conv2d.kernel", "dense.bias"


@dataclass
class Parts:
    """What a trace is made of; change it, then `write` it."""

    arrays: dict = field(default_factory=dict)
    facts: dict = field(default_factory=dict)
    history: dict = field(default_factory=dict)
    spec: dict = field(default_factory=dict)
    environment: dict = field(default_factory=dict)

    def copy(self) -> "Parts":
        return copy.deepcopy(self)

    def write(self, directory: Path) -> Trace:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "spec.json").write_text(json.dumps(self.spec), encoding="utf-8")
        result = RunResult(self.history, {}, 1.5)
        writer = TraceWriter(facts=self.facts)
        for key, array in self.arrays.items():
            writer.put(key, array)
        with pytest.MonkeyPatch.context() as patch:
            # Most of the time goes into waiting for the disk, for files that a test throws away.
            patch.setattr(os, "fsync", lambda descriptor: None)
            writer.write(directory, environment=self.environment, result=result)
        return Trace(directory)


def weights_after(step: int) -> dict[str, np.ndarray]:
    """The two weights after a step; no two steps leave the same."""
    kernel, bias = np.array([[1.0, -2.0], [0.5, 0.25]]), np.array([0.5, 1.0, -1.0])
    return {KERNEL: kernel - step / 64, BIAS: bias + step / 64}


def whole_parts(*, dtype="float64", epochs=3, **settings) -> Parts:
    """All that is compared of a scenario's training: two weights, two steps an epoch."""
    spec = RunSpec(epochs=epochs, dtype=dtype, **settings)
    # The learning rate as a variable of the spec's dtype holds it.
    rate = float(np.dtype(dtype).type(spec.learning_rate))
    num_steps = STEPS_PER_EPOCH * epochs
    ends = [STEPS_PER_EPOCH * (epoch + 1) for epoch in range(epochs)]
    arrays = {
        "training/loss": np.linspace(2.0, 1.0, num_steps),
        "training/rates": np.full(num_steps, rate),
    }
    for step in sorted({0, *(step for step in (1, 2, 5) if step <= num_steps), *ends}):
        for name, value in weights_after(step).items():
            arrays[f"training/weights/{step}/{name}"] = value
    for name, value in weights_after(num_steps).items():
        arrays[f"training/final/{name}"] = value
    facts = {
        "epoch_ends": ends,
        "has_schedule": True,
        "fit": {"epochs": epochs, "initial_epoch": 0},
        "mode": "replayed",
        "num_classes": 10,
        "num_train": 10_000,  # so many that an accuracy has hardly any noise of its own
        "num_val": 10_000,
        "watched": [],
    }
    history = {
        "loss": [1.0 / (epoch + 1) for epoch in range(epochs)],
        # Equal accuracies would be those of a net that names one class.
        "accuracy": [0.95 - 0.005 * (epochs - 1 - epoch) for epoch in range(epochs)],
        "val_loss": [1.5 / (epoch + 1) for epoch in range(epochs)],
        "val_accuracy": [0.94 - 0.005 * (epochs - 1 - epoch) for epoch in range(epochs)],
        "learning_rate": [rate] * epochs,
    }
    return Parts(arrays, facts, history, of_run(spec).to_dict())


def ended(parts: Parts, epochs: int) -> Parts:
    """Leaves of a training the first epochs."""
    del parts.facts["epoch_ends"][epochs:]
    last = STEPS_PER_EPOCH * epochs
    for column in parts.history.values():
        del column[epochs:]
    for key in ("training/loss", "training/rates", "between_steps", "rules/torch/rates"):
        if key in parts.arrays:
            parts.arrays[key] = parts.arrays[key][:last]
    for key in [key for key in parts.arrays if key.startswith("training/weights/")]:
        if int(key.split("/")[2]) > last:
            del parts.arrays[key]
    for name, value in weights_after(last).items():
        parts.arrays[f"training/final/{name}"] = value
    return parts


ANCHORS = (0, 1, 3)


def anchored_parts(*, epochs=3, dtype="float32", **settings) -> Parts:
    """The same with recorded states before three steps, from which two steps each were made.

    One unit in the last place of the state changes every array by 1e-13 of its largest value, and a
    step in float32 is rounded by 1e-8. Both halves did what the port's rules say: nothing.
    """
    parts = whole_parts(epochs=epochs, dtype=dtype, **settings)
    names = ("anchors", "anchors_measured", "anchors_with_constants")
    parts.facts |= {name: list(ANCHORS) for name in names}
    rates = parts.arrays["training/rates"]
    parts.arrays["between_steps"] = np.zeros(len(rates), int)
    for half, name in itertools.product(("keras", "torch"), (KERNEL, BIAS)):
        parts.arrays[f"rules/{half}/rates"] = rates.copy()
        parts.arrays[f"rules/{half}/epochs"] = np.array(epochs)
        parts.arrays[f"rules/{half}/ends/{name}"] = np.array(epochs)
    computed = {
        "loss": np.array([0.5, 0.25]),
        "running/loss": np.array(0.375),
        "running/accuracy": np.array(0.75),
        f"moved/1/{KERNEL}": np.array([0.5, 0.25, -0.5, 0.125]),
        f"moved/2/{KERNEL}": np.array([0.25, 0.125, -0.25, 0.0625]),
        f"slots/2/momentum/{KERNEL}": np.array([0.125, 0.0625, -0.125, 0.03125]),
    }
    for step in ANCHORS:
        beside = {
            f"float32/{KERNEL}": computed[f"moved/1/{KERNEL}"] + 1e-8,
            f"size/{KERNEL}": np.array(0.5),
            "masks/dropout": np.array([11, step]),
        }
        parts.arrays |= {f"anchored/{step}/{k}": a.copy() for k, a in (computed | beside).items()}
    validation = {"validation/loss": np.array(0.5), "validation/accuracy": np.array(0.75)}
    parts.arrays |= {f"anchored/0/{key}": array for key, array in validation.items()}
    for key in computed:
        parts.arrays[f"anchor_noise/{key}"] = np.full(len(ANCHORS), 1e-13)
        parts.arrays[f"anchor_constants/{key}"] = np.zeros(len(ANCHORS))
    for key in validation:
        parts.arrays[f"anchor_noise/{key}"] = np.array([1e-13, np.nan, np.nan])
    return parts
