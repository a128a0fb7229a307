"""Faults as people make them when they port Keras code, planted in the torch half.

Each says in which run it shows, and at which level and item the ladder must name it. `planted` puts
one in for the duration of a block. Most change the port that the factory of a scenario returns.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from parity.halves.torch import scenarios as programs
from torch_impl import layers, models, optim, schedule, train
from torch_impl.trainer import batches, measures, trainer


@dataclass(frozen=True)
class Fault:
    """One mistake.

    Attributes:
        name: of the fault.
        plant: puts it in.
        level: of the ladder at which it must be caught.
        item: that must be named as the first divergence; "": the weight that differs most.
        cause: ID of the cause that must be named, or None.
        scenario: the run in which it is planted.
        settings: changes of that run.
    """

    name: str
    plant: Callable[[pytest.MonkeyPatch], None]
    level: str
    item: str
    cause: str | None = None
    scenario: str = "dropout"
    settings: dict[str, Any] = field(default_factory=dict)


@contextlib.contextmanager
def planted(fault: Fault) -> Iterator[None]:
    """Plants a fault for the duration of a block."""
    with pytest.MonkeyPatch.context() as patch:
        fault.plant(patch)
        yield


def _of_port(change: Callable[[Any], Any]) -> Callable[[pytest.MonkeyPatch], None]:
    """A fault in the port that a factory returns."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        right = programs.program
        patch.setattr(programs, "program", lambda spec: change(right(spec)))

    return plant


def _optimizer(kind: Any) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(train, "Adam", kind)


def _torch_adam(
    parameters: Any, learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=learning_rate, eps=1e-7, weight_decay=weight_decay)


def _torch_default_init(patch: pytest.MonkeyPatch) -> None:
    def initialise(model: torch.nn.Module, seeds: Any) -> None:
        torch.manual_seed(seeds.seed)
        for layer in model.modules():
            if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
                layer.reset_parameters()
            elif isinstance(layer, layers.Dropout):
                layer.seed = seeds.next_layer_seed()

    patch.setattr(models, "initialise", initialise)


def _mask_rate(patch: pytest.MonkeyPatch) -> None:
    draw = layers.Dropout.draw

    def of_another_rate(self: Any, *arguments: Any) -> torch.Tensor:
        rate, self.rate = self.rate, self.rate + 0.01
        kept = draw(self, *arguments)
        self.rate = rate
        return kept

    patch.setattr(layers.Dropout, "draw", of_another_rate)


def _nchw_flatten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(layers.Flatten, "forward", lambda self, x: x.flatten(1))


def _shuffled_each_epoch(patch: pytest.MonkeyPatch) -> None:
    def rows(self: Any) -> Any:
        whole, size = self._whole, self._batch_size
        if self._order is not None:  # that of the first epoch is right
            self._epoch = getattr(self, "_epoch", -1) + 1
            order = torch.randperm(len(whole), generator=torch.Generator().manual_seed(self._epoch))
            if self._epoch:
                whole = whole.mapped(lambda array: array[order.numpy()])
        for start in range(0, len(whole), size):
            yield whole.rows(start, start + size)

    begin = batches.ArrayBatches.__init__

    def with_order(self: Any, whole: Any, size: int, order: Any = None) -> None:
        begin(self, whole, size, order)
        self._order = order

    patch.setattr(batches.ArrayBatches, "__init__", with_order)
    patch.setattr(batches.ArrayBatches, "__iter__", rows)


def _augmented_with(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """A port whose images are made with other parameters than those that are drawn."""

    def changed(port: Any) -> Any:
        transform = copy.copy(port.augment.transform)
        apply = transform.apply
        transform.apply = lambda x, params, *rest: apply(x, {**params, **change(params)}, *rest)
        augment = copy.copy(port.augment)
        augment.transform = transform
        return dataclasses.replace(port, augment=augment)

    return _of_port(changed)


def _patience(patch: pytest.MonkeyPatch) -> None:
    def one_more(optimizer: Any, *, patience: int, **rule: Any) -> Any:
        return schedule.ReduceLROnPlateau(optimizer, patience=patience + 1, **rule)

    patch.setattr(train, "ReduceLROnPlateau", one_more)


def _mean_of_batch_means(patch: pytest.MonkeyPatch) -> None:
    update = measures.Mean.update
    patch.setattr(measures.Mean, "update", lambda self, value, weight=None: update(self, value))


def _validation_in_train_mode(patch: pytest.MonkeyPatch) -> None:
    right = trainer.Trainer._evaluated

    def evaluated(self: Any, fed: Any) -> Any:
        network = self.port.called
        network.eval = lambda: network.train()
        found = right(self, fed)
        del network.eval
        return found

    patch.setattr(trainer.Trainer, "_evaluated", evaluated)


def _layer_seed(port: Any) -> Any:
    port.module.dropout1.seed += 1
    return port


def _label_shift(port: Any) -> Any:
    return dataclasses.replace(port, target=lambda y: torch.tensor((y + 1) % 10))


FAULTS = (
    Fault(
        "Adam's epsilon 1e-8",
        _optimizer(partial(optim.Adam, epsilon=1e-8)),
        "optimizer",
        "conv2d.bias",
        "F1",
    ),
    Fault("Adam by torch's formula", _optimizer(_torch_adam), "optimizer", "conv2d.bias", "F2"),
    Fault("torch's default initialisers", _torch_default_init, "init", "conv2d.bias", "B2"),
    Fault("dropout masks of another rate", _mask_rate, "trajectory", ""),
    Fault(
        "another seed of a layer",
        _of_port(_layer_seed),
        "forward",
        "generator of dropout's masks",
    ),
    Fault("flatten in the order of NCHW", _nchw_flatten, "init", "dense.kernel"),
    Fault("shuffled anew in each epoch", _shuffled_each_epoch, "trajectory", "running loss", "I4"),
    Fault(
        "rotation of the other sign",
        _augmented_with(lambda params: {"theta": -params["theta"]}),
        "data",
        "augmented images",
        "H15",
        scenario="augmentation",
    ),
    Fault(
        "shear in another unit",
        _augmented_with(lambda params: {"shear": np.rad2deg(params["shear"])}),
        "data",
        "augmented images",
        "H17",
        scenario="augmentation",
    ),
    Fault(
        "patience one epoch longer",
        _patience,
        "schedule",
        "learning_rate",
        "G1",
        scenario="capacity",
        settings={
            **{"epochs": 12, "train_size": 36, "val_size": 14, "batch_size": 8},
            "reduce_lr": {"factor": 0.1, "patience": 1, "min_delta": 0.05},
        },
    ),
    Fault("mean of batch means", _mean_of_batch_means, "trajectory", "running loss", "I4"),
    Fault(
        "validation in train mode", _validation_in_train_mode, "trajectory", "val_accuracy", "I1"
    ),
    Fault(
        "labels shifted by one", _of_port(_label_shift), "loss", "loss of confident outputs", "D13"
    ),
)
