"""Faults as people make them when they port Keras code, planted in the torch half.

Each says in which run it shows, and at which level and item the ladder must name it. `planted` puts
one in for the duration of a block.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from torch_impl import data, epochs, layers, models, optim, schedule, train
from torch_impl.augment import transform
from torch_impl.harness import probe
from torch_impl.layers import dropout


@dataclass(frozen=True)
class Fault:
    """One mistake.

    Attributes:
        name: of the fault.
        plant: puts it in.
        level: of the ladder at which it must be caught.
        item: that must be named as the first divergence.
        scenario: the run in which it is planted.
        settings: changes of that run.
    """

    name: str
    plant: Callable[[pytest.MonkeyPatch], None]
    level: str
    item: str
    scenario: str = "dropout"
    settings: dict[str, Any] = field(default_factory=dict)


@contextlib.contextmanager
def planted(fault: Fault) -> Iterator[None]:
    """Plants a fault for the duration of a block."""
    with pytest.MonkeyPatch.context() as patch:
        fault.plant(patch)
        yield


def _optimizer(kind: Any) -> Callable[[pytest.MonkeyPatch], None]:
    def plant(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(train, "Adam", kind)
        patch.setattr(probe, "Adam", kind)

    return plant


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
    keep = dropout.stateless_keep
    patch.setattr(dropout, "stateless_keep", lambda shape, rate, **k: keep(shape, rate + 0.01, **k))


def _nchw_flatten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(layers.Flatten, "forward", lambda self, x: x.flatten(1))


def _shuffled_each_epoch(patch: pytest.MonkeyPatch) -> None:
    def batches(self: Any) -> Any:
        epoch = self.__dict__.setdefault("epoch", 0)
        self.epoch += 1
        generator = torch.Generator().manual_seed(epoch)
        parts = [[batch.x, batch.y, batch.index] for batch in self._batches]
        x, y, index = (torch.cat(values) for values in zip(*parts, strict=True))
        order = torch.arange(len(index))
        if epoch:
            order = torch.randperm(len(index), generator=generator)
        for some in order.split(len(parts[0][2])):
            yield data.Batch(x[some], y[some], index[some], None)

    patch.setattr(data.ArrayBatches, "__iter__", batches)
    # Validation goes through its samples in order, whatever the epoch.
    plain = data.validation_data
    patch.setattr(train, "validation_data", lambda spec, arrays: list(plain(spec, arrays)))


def _rotation_sign(patch: pytest.MonkeyPatch) -> None:
    right = transform.matrices
    patch.setattr(transform, "matrices", lambda p, *rest: right({**p, "theta": -p["theta"]}, *rest))


def _shear_unit(patch: pytest.MonkeyPatch) -> None:
    right = transform.matrices
    patch.setattr(
        transform, "matrices", lambda p, *rest: right({**p, "shear": np.rad2deg(p["shear"])}, *rest)
    )


def _patience(patch: pytest.MonkeyPatch) -> None:
    def one_more(optimizer: Any, *, patience: int, **rule: Any) -> Any:
        return schedule.ReduceLROnPlateau(optimizer, patience=patience + 1, **rule)

    patch.setattr(epochs, "ReduceLROnPlateau", one_more)


def _mean_of_batch_means(patch: pytest.MonkeyPatch) -> None:
    def update(self: Any, loss: Any, logits: Any, y: Any) -> None:
        self._loss += loss
        self._correct += (logits.argmax(1) == y).float().mean()
        self._count += 1

    patch.setattr(train.RunningMetrics, "update", update)


def _validation_in_train_mode(patch: pytest.MonkeyPatch) -> None:
    right = train.evaluate

    def evaluate(model: Any, *arguments: Any) -> Any:
        model.eval = lambda: model.train()
        return right(model, *arguments)

    patch.setattr(train, "evaluate", evaluate)


def _label_shift(patch: pytest.MonkeyPatch) -> None:
    right = data.to_tensors

    def shifted(spec: Any, x: Any, y: Any) -> Any:
        images, labels = right(spec, x, y)
        return images, (labels + 1) % 10

    patch.setattr(data, "to_tensors", shifted)


FAULTS = (
    Fault(
        "Adam's epsilon 1e-8",
        _optimizer(partial(optim.Adam, epsilon=1e-8)),
        "optimizer",
        "optimizer.epsilon",
    ),
    Fault("Adam by torch's formula", _optimizer(_torch_adam), "optimizer", "conv1.kernel"),
    Fault("torch's default initialisers", _torch_default_init, "init", "conv1.kernel"),
    Fault("dropout masks of another rate", _mask_rate, "forward", "dropout1.mask"),
    Fault("flatten in the order of NCHW", _nchw_flatten, "forward", "flatten (eval)"),
    Fault("shuffled anew in each epoch", _shuffled_each_epoch, "data", "index"),
    Fault("rotation of the other sign", _rotation_sign, "data", "images", "augmentation"),
    Fault("shear in another unit", _shear_unit, "data", "images", "augmentation"),
    Fault(
        "patience one epoch longer",
        _patience,
        "schedule",
        "learning_rate",
        "capacity",
        {"epochs": 12, "reduce_lr": {"factor": 0.1, "patience": 1, "min_delta": 0.05}},
    ),
    Fault("mean of batch means", _mean_of_batch_means, "trajectory", "running loss"),
    Fault("validation in train mode", _validation_in_train_mode, "trajectory", "val_loss"),
    Fault("labels shifted by one", _label_shift, "data", "labels"),
)
