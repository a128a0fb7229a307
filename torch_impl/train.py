"""fit: trains one spec as Keras's `model.fit` does, epoch by epoch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import nn

from torch_impl.data import Batch, Batches, evaluation_data, training_data, validation_data
from torch_impl.epochs import Epochs
from torch_impl.fast import fused
from torch_impl.losses import SparseCategoricalCrossentropy
from torch_impl.models import build_model
from torch_impl.native.waits import adapted
from torch_impl.optim import Adam
from torch_impl.penalty import RegularizedLoss, kernel_l2
from torch_impl.weights import get_weights

if TYPE_CHECKING:
    from parity.data.dataset import Data
    from parity.programs.run_spec import RunSpec
    from parity.traces.observer import Observer


class Result(NamedTuple):
    """What `fit` returns.

    Attributes:
        history: Keras's keys (loss, accuracy, val_loss, val_accuracy, learning_rate), each with one
            float an epoch; learning_rate is the rate with which the epoch was trained.
        weights: name to array in the portable layout, such as "conv1.kernel".
        wall_s: seconds spent training, model building and data preparation not counted.
    """

    history: dict[str, list[float]]
    weights: dict[str, np.ndarray]
    wall_s: float


@adapted()
def fit(spec: RunSpec, data: Data, observer: Observer | None = None) -> Result:
    """Trains the network of a spec from its seed.

    Args:
        spec: the run; every random number follows from `spec.seed`.
        data: the arrays of the run.
        observer: is called during the run, which it does not change.

    Returns:
        History with Keras's keys, the final weights, and the seconds spent training.
    """
    training = prepare(spec, data)
    epochs = Epochs(spec, training.model, training.optimizer)
    known = None if observer is None else evaluation_data(spec, data)
    on_step = None if observer is None else observer.on_step
    started = time.perf_counter()
    for _ in range(spec.epochs):
        epochs.keep(training.epoch(on_step), training.validate())
        if observer is not None and known is not None:
            observer.on_epoch_end(partial(evaluate, training.network, training.criterion, known))
        if epochs.is_over():
            break
    wall_s = time.perf_counter() - started
    epochs.restore()
    return Result(epochs.history, get_weights(training.model), wall_s)


@dataclass
class Training:
    """A network with its data, loss and optimizer.

    Attributes:
        model: the network as it was built, with the names of the layers.
        network: the network that is called: the same layers in fewer passes.
        batches: those of an epoch.
        val_batches: the validation samples.
        criterion: the loss, with penalties.
        optimizer: has the parameters of the model.
        forward: calls the network, in the precision of the training.
    """

    model: nn.Module
    network: nn.Module
    batches: Batches
    val_batches: Batches
    criterion: nn.Module
    optimizer: Adam
    forward: Callable[[torch.Tensor], torch.Tensor]

    def epoch(self, on_step: Callable[[], Any] | None = None) -> tuple[float, float]:
        """Trains on every batch once.

        Args:
            on_step: called after each step.

        Returns:
            (loss, accuracy) as Keras reports them.
        """
        self.network.train()
        metrics = RunningMetrics(self.model)
        for batch in self.batches:
            metrics.update(*self.step(batch), batch.y)
            if on_step is not None:
                on_step()
        return metrics.result()

    def validate(self) -> tuple[float, float]:
        """Returns (loss, accuracy) on the validation samples."""
        return evaluate(self.network, self.criterion, self.val_batches)

    def step(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Makes one step; returns the loss of the batch and its logits (N, classes)."""
        self.optimizer.zero_grad()
        logits = self.forward(batch.x)
        loss = self.criterion(logits, batch.y)
        self.descend(loss)
        return loss.detach(), logits.detach()

    def descend(self, loss: torch.Tensor) -> None:
        """Changes the weights by the gradient of a loss."""
        loss.backward()
        self.optimizer.step()


def prepare(spec: RunSpec, data: Data) -> Training:
    """Builds the network of a spec from its seed, with its data, loss and optimizer.

    Args:
        spec: the run.
        data: the arrays of the run.
    """
    model, seeds = build_model(spec, data.input_shape, data.num_classes)
    batches = training_data(spec, data, seeds)
    criterion, optimizer = criterion_of(spec, model), optimizer_of(spec, model)
    network = fused(model)
    val_batches = validation_data(spec, data)
    return Training(model, network, batches, val_batches, criterion, optimizer, network)


def criterion_of(spec: RunSpec, model: nn.Module) -> RegularizedLoss:
    """Returns the loss of a spec, with the penalties of the kernels of its network."""
    loss = SparseCategoricalCrossentropy(from_logits=True)
    return RegularizedLoss(loss, kernel_l2(model, spec.l2))


def optimizer_of(spec: RunSpec, model: nn.Module) -> Adam:
    """Returns the optimizer of a spec, for the parameters of its network."""
    return Adam(
        model.parameters(), learning_rate=spec.learning_rate, weight_decay=spec.weight_decay
    )


class RunningMetrics:
    """Loss and accuracy of an epoch as Keras reports them: means over samples, not over batches.

    They are summed in the dtype of the run, and stay on the device until `result` is called.

    Args:
        model: has the dtype and device of the sums.
    """

    def __init__(self, model: nn.Module) -> None:
        weight = next(model.parameters())
        self._loss, self._correct = weight.new_zeros(()), weight.new_zeros(())
        self._count = 0

    def update(self, loss: torch.Tensor, logits: torch.Tensor, y: torch.Tensor) -> None:
        """Adds a batch: `loss` is its mean, `logits` are (N, classes), `y` is (N,)."""
        self._loss += loss * len(y)
        self._correct += (logits.argmax(1) == y).sum()
        self._count += len(y)

    def result(self) -> tuple[float, float]:
        """Returns (loss, accuracy) of all batches so far."""
        return float(self._loss / self._count), float(self._correct / self._count)


@torch.no_grad()
def evaluate(
    model: nn.Module,
    criterion: nn.Module,
    batches: Batches,
    forward: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> tuple[float, float]:
    """Returns (loss, accuracy) in eval mode of a model, which is called by `forward` if given."""
    model.eval()
    metrics = RunningMetrics(model)
    for batch in batches:
        logits = (forward or model)(batch.x)
        metrics.update(criterion(logits, batch.y), logits, batch.y)
    return metrics.result()
