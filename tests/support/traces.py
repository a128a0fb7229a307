"""Traces made by hand: a whole tiny one for the ladder, and bare ones for the envelope."""

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


def whole_parts(*, augmentation=None, dtype="float64", epochs=3, early_stopping=None) -> Parts:
    """All that the ladder reads: two layers, two parameters, two steps an epoch."""
    spec = RunSpec(
        epochs=epochs, dtype=dtype, augmentation=augmentation, early_stopping=early_stopping
    )
    kernel, bias = np.array([[1.0, -2.0], [0.5, 0.25]]), np.array([0.5, 1.0, -1.0])
    parameters = {"conv1.kernel": kernel, "dense1.bias": bias}
    arrays = {}
    for epoch in range(epochs):
        arrays[f"feed/{epoch}/index"] = np.array([2, 0, 1])
        arrays[f"feed/{epoch}/labels"] = np.array([7, 8, 9])
        arrays[f"feed/{epoch}/images"] = np.array([0.25, 0.5, 0.75], np.float32)
        if augmentation is not None:
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
        "learning_rate": [0.001] * epochs,
    }
    return Parts(arrays, facts, history, spec.to_dict())


def run_parts(
    weights,
    losses,
    *,
    val_losses=None,
    accuracies=None,
    rates=None,
    steps_per_epoch=1,
    num=100,
    dtype="float64",
    planned=None,
) -> Parts:
    """A run of one weight, as the envelope reads it.

    Args:
        weights: the weight after step 0, 1, 2, ...; None where it is not recorded.
        losses: running loss of each step.
        val_losses: of each epoch; 1.0 by default.
        accuracies: of training and of validation in each epoch; 0.5 by default.
        rates: learning rates of the epochs; 0.001 by default.
        steps_per_epoch: of the run.
        num: of training samples, and of validation samples.
        dtype: of the spec; the arrays are float64 in any case.
        planned: epochs of the spec, if early stopping ended the run before.
    """
    epochs = len(losses) // steps_per_epoch
    accuracies = list(accuracies or [0.5] * epochs)
    history = {
        "loss": list(losses[steps_per_epoch - 1 :: steps_per_epoch]),
        "accuracy": accuracies,
        "val_loss": list(val_losses or [1.0] * epochs),
        "val_accuracy": accuracies,
        "learning_rate": list(rates or [0.001] * epochs),
    }
    arrays = {
        f"trajectory/{step}/w": np.array([weight])
        for step, weight in enumerate(weights)
        if weight is not None
    }
    arrays["running_loss"] = np.array(losses)
    facts = {"num_train": num, "num_val": num, "steps_per_epoch": steps_per_epoch}
    return Parts(arrays, facts, history, {"dtype": dtype, "epochs": planned or epochs})
