"""A trace made by hand: a whole tiny one for the ladder, also with anchors."""

import copy
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from parity.programs.run_spec import RunSpec
from parity.traces.trace import RunResult, Trace, TraceWriter

HISTORY_KEYS = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
STEPS_PER_EPOCH = 2


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


def rate_of(spec) -> float:
    """The learning rate as a variable of the spec's dtype holds it."""
    return float(np.dtype(spec.dtype).type(spec.learning_rate))


def whole_parts(*, dtype="float64", epochs=3, early_stopping=None, **settings) -> Parts:
    """All that the ladder reads: two layers, two parameters, two steps an epoch."""
    spec = RunSpec(epochs=epochs, dtype=dtype, early_stopping=early_stopping, **settings)
    kernel, bias = np.array([[1.0, -2.0], [0.5, 0.25]]), np.array([0.5, 1.0, -1.0])
    parameters = {"conv1.kernel": kernel, "dense1.bias": bias}
    arrays = {}
    for epoch in range(epochs):
        arrays[f"feed/{epoch}/index"] = np.array([2, 0, 1])
        arrays[f"feed/{epoch}/labels"] = np.array([7, 8, 9])
        arrays[f"feed/{epoch}/images"] = np.array([0.25, 0.5, 0.75], np.float32)
        if spec.augmentation is not None:
            arrays[f"feed/{epoch}/theta"] = np.array([1.0, -3.0, 2.0])
    arrays["mask/dropout1"] = np.array([[True, False], [True, True]])
    for mode in ("eval", "train"):
        for layer in ("conv1", "dropout1"):
            arrays[f"forward/{mode}/{layer}"] = np.array([[4.0, 1.0], [-2.0, 0.5]])
    for name in ("eval", "train", "gradient"):
        arrays[f"loss/{name}"] = np.array(2.0)
    steps = {1, 2, 5} | {STEPS_PER_EPOCH * (epoch + 1) for epoch in range(epochs)}
    steps = sorted(step for step in steps if step <= STEPS_PER_EPOCH * epochs)
    for prefix in (
        "init",
        "gradient",
        *(f"optimizer/{step}/{group}" for step in (1, 20) for group in ("momentum", "velocity")),
        *(f"optimizer/{step}/weights" for step in (1, 20)),
        *(f"trajectory/{step}" for step in (0, *steps)),
        *(["restored"] if early_stopping is not None else []),
    ):
        arrays.update({f"{prefix}/{name}": value.copy() for name, value in parameters.items()})
    num_steps = STEPS_PER_EPOCH * epochs
    arrays["running_loss"] = np.linspace(2.0, 1.0, num_steps)
    facts = {
        "sha256": {"x_train": "a1", "y_train": "b2"},
        "num_classes": 10,
        "num_train": 10_000,  # so many that an accuracy has hardly any noise of its own
        "num_val": 10_000,
        "steps_per_epoch": STEPS_PER_EPOCH,
        "structure": {
            "layers": [
                {"name": "conv1", "kind": "conv", "output_shape": [2], "activation": "relu"},
                {"name": "dropout1", "kind": "dropout", "output_shape": [2]},
            ],
            "parameters": {name: list(value.shape) for name, value in parameters.items()},
            "dtype": "float64",
        },
        "settings": {
            "layers": {"dropout1": {"rate": 0.25}},
            "l2": {},
            "optimizer": {"name": "adam", "epsilon": 1e-07, "weight_decay": 0.0},
        },
    }
    history = {
        "loss": [1.0 / (epoch + 1) for epoch in range(epochs)],
        # Equal accuracies would be those of a net that names one class.
        "accuracy": [0.95 - 0.005 * (epochs - 1 - epoch) for epoch in range(epochs)],
        "val_loss": [1.5 / (epoch + 1) for epoch in range(epochs)],
        "val_accuracy": [0.94 - 0.005 * (epochs - 1 - epoch) for epoch in range(epochs)],
        "learning_rate": [rate_of(spec)] * epochs,
    }
    return Parts(arrays, facts, history, spec.to_dict())


ANCHORS = (0, 1, 3)


def anchored_parts(*, epochs=3, dtype="float32", **settings) -> Parts:
    """The same with anchors before three steps, from which two steps each were made.

    One unit in the last place of the state changes every array by 1e-13 of its largest value, and a
    step in float32 is rounded by 1e-8.
    """
    parts = whole_parts(epochs=epochs, dtype=dtype, **settings)
    parts.facts |= {
        "anchors": list(ANCHORS),
        "anchors_measured": list(ANCHORS),
    }
    parts.arrays["rates"] = np.repeat(parts.history["learning_rate"], STEPS_PER_EPOCH)
    parts.arrays["between_steps"] = np.zeros(len(parts.arrays["rates"]), int)
    for step in ANCHORS:
        kernel = np.array([0.5, 0.25, -0.5, 0.125])
        parts.arrays |= {
            f"anchored/{step}/loss": np.array([0.5, 0.25]),
            f"anchored/{step}/running": np.array([0.375, 0.75]),
            f"anchored/{step}/norm/conv1.kernel": np.array([0.5, 0.5]),
            f"anchored/{step}/moved/1/conv1.kernel": kernel,
            f"anchored/{step}/moved/2/conv1.kernel": kernel / 2,
            f"anchored/{step}/slots/2/momentum/conv1.kernel": kernel / 4,
            f"anchored/{step}/float32/conv1.kernel": kernel + 1e-8,
            f"anchored/{step}/size/conv1.kernel": np.array(0.5),
            f"anchored/{step}/labels": np.array([7, 8, 9]),
            f"anchored/{step}/images": np.array([[0.5, 0.1], [0.25, 0.2], [0.75, 0.3]]),
            f"anchored/{step}/masks/dropout1": np.array([11, step]),
        }
    parts.arrays["anchored/0/validation"] = np.array([0.5, 0.75])
    keys = {key.split("/", 2)[2] for key in parts.arrays if key.startswith("anchored/")}
    others = ("labels", "images", "masks", "float32", "size")
    for key in [key for key in keys if key.split("/")[0] not in others]:
        noise = np.full(len(ANCHORS), 1e-13)
        if key == "validation":
            noise[1:] = np.nan
        parts.arrays[f"anchor_noise/{key}"] = noise
    return parts
