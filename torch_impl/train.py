"""fit: trains one spec, epoch for epoch as Keras's `model.fit` does."""

from __future__ import annotations

import dataclasses
import time

import torch
import torch.nn.functional as F
from torch import nn

from parity.data import Data
from parity.nudge import nudged
from parity.recorder import Recorder
from parity.spec import RunSpec
from parity.trace import History, RunResult
from torch_impl.data import Batches, training_data, validation_data
from torch_impl.models import build_model
from torch_impl.optim import Adam
from torch_impl.schedule import ReduceLROnPlateau
from torch_impl.weights import get_weights, set_weights


def fit(spec: RunSpec, data: Data, recorder: Recorder | None = None) -> RunResult:
    """Trains the network of a spec from its seed.

    Args:
        spec: the run; every random number follows from `spec.seed`.
        data: the arrays of the run.
        recorder: what is written down on the way; it does not change the run.

    Returns:
        History with Keras's keys, the final weights, and the seconds spent training.
    """
    model, seeds = build_model(spec, data.input_shape, data.num_classes)
    if spec.nudge:
        set_weights(model, nudged(get_weights(model), spec.nudge))
    train_batches = training_data(spec, data, seeds)
    val_batches = validation_data(spec, data)
    optimizer = Adam(model.parameters(), learning_rate=spec.learning_rate)
    reduce_lr = _reduce_lr(spec, optimizer)
    dtype = getattr(torch, spec.dtype)
    history: History = {
        key: [] for key in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
    }
    if recorder is not None:
        recorder.on_start(lambda: get_weights(model))
    started = time.perf_counter()
    for _ in range(spec.epochs):
        model.train()
        metrics = RunningMetrics(dtype, spec.device)
        for batch in train_batches:
            optimizer.zero_grad()
            logits = model(batch.x)
            loss = F.cross_entropy(logits, batch.y)
            loss.backward()
            optimizer.step()
            metrics.update(loss.detach(), logits.detach(), batch.y)
            if recorder is not None:
                recorder.on_step(metrics.result()[0], lambda: get_weights(model))
        loss_mean, accuracy = metrics.result()
        val_loss, val_accuracy = evaluate(model, val_batches, dtype, spec.device)
        rate = optimizer.param_groups[0]["lr"]
        epoch = (loss_mean, accuracy, val_loss, val_accuracy, rate)
        for key, value in zip(history, epoch, strict=True):
            history[key].append(value)
        if reduce_lr is not None:
            assert spec.reduce_lr is not None
            reduce_lr.step(history[spec.reduce_lr.monitor][-1])
    wall_s = time.perf_counter() - started
    if recorder is not None:
        recorder.on_end()
    return RunResult(history, get_weights(model), wall_s)


class RunningMetrics:
    """Loss and accuracy of an epoch as Keras reports them: means over samples, not over batches.

    They are summed in the dtype of the run, and stay on the device until `result` is asked for.
    """

    def __init__(self, dtype: torch.dtype, device: torch.device | str) -> None:
        self._loss = torch.zeros((), dtype=dtype, device=device)
        self._correct = torch.zeros((), dtype=dtype, device=device)
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
    model: nn.Module, batches: Batches, dtype: torch.dtype, device: torch.device | str
) -> tuple[float, float]:
    """Returns (loss, accuracy) of a model in eval mode."""
    model.eval()
    metrics = RunningMetrics(dtype, device)
    for batch in batches:
        logits = model(batch.x)
        metrics.update(F.cross_entropy(logits, batch.y), logits, batch.y)
    return metrics.result()


def _reduce_lr(spec: RunSpec, optimizer: Adam) -> ReduceLROnPlateau | None:
    if spec.reduce_lr is None:
        return None
    rule = dataclasses.asdict(spec.reduce_lr)
    rule.pop("monitor")
    return ReduceLROnPlateau(optimizer, **rule)
