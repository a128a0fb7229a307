"""EarlyStopping by Keras's rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from torch_impl.schedule.monitor import Monitor
from torch_impl.schedule.state import check_names, plain


class EarlyStopping:
    """Stops a training when a metric no longer improves, and keeps the best weights, as in Keras.

    Differs from the usual handwritten loop in:
    1. training stops after `patience` epochs without improvement, and with patience 0 after the
       first such epoch, but never after the first epoch of the training;
    2. an improvement must exceed `min_delta`, which is absolute;
    3. the first value is always an improvement, even NaN, after which nothing is an improvement;
    4. the best weights are restored even if training was not stopped;
    5. values are compared in float32, in float64 runs too;
    6. by default the name of the metric decides whether less is better, as for "val_loss";
    7. with a baseline, an improvement that is not better than the baseline is kept as the best and
       does not stop the training in its epoch, but the count of epochs continues.

    Source: keras 3.15 `callbacks/early_stopping.py`, `callbacks/monitor_callback.py`.

    Args:
        model: its best weights are kept.
        min_delta: by how much a value must be better to count.
        patience: number of epochs in a row without improvement after which training stops.
        restore_best_weights: whether `restore` brings back the weights of the best epoch.
        start_from_epoch: epochs, counted from 0, before which nothing is watched.
        mode: "min", "max", or "auto", with which the name in `monitor` decides.
        monitor: name of the metric whose values are passed to `step`.
        baseline: value that must be exceeded too; None for no baseline.

    Attributes:
        best: the best value so far, or None.
        best_epoch: its epoch, counted from 0.
        wait: number of epochs in a row without improvement.
        epoch: number of the last epoch; -1 before the first one.

    Raises:
        ValueError: the mode is unknown, or the name does not decide it.
    """

    def __init__(
        self,
        model: nn.Module,
        min_delta: float = 0.0,
        patience: int = 0,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
        mode: str = "auto",  # (6)
        monitor: str = "val_loss",
        baseline: float | None = None,
    ) -> None:
        self.model, self.monitor = model, monitor
        self.patience, self.baseline = patience, baseline
        self._monitor = Monitor(monitor, mode, min_delta)
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self.reset()

    def reset(self) -> None:
        """Forgets all epochs, as Keras does when a training begins."""
        self.best: float | None = None
        self.best_epoch = 0
        self.wait = 0
        self.epoch = -1
        self._best_weights: dict[str, torch.Tensor] | None = None

    def step(self, value: float) -> bool:
        """Takes the monitored value of an epoch; returns whether training is to stop.

        Args:
            value: the metric of the epoch that has just ended.
        """
        self.epoch += 1
        if self.epoch < self.start_from_epoch:
            return False
        self.wait += 1
        if self._monitor.is_better(value, self.best):  # (2) (3) (5)
            self.best, self.best_epoch = value, self.epoch
            if self.baseline is None or self._monitor.is_better(value, self.baseline):
                self.wait = 0  # (7)
            if self.restore_best_weights:
                self._best_weights = {
                    name: tensor.detach().clone() for name, tensor in _weights(self.model)
                }
            return False
        return self.wait >= self.patience and self.epoch > 0  # (1)

    @torch.no_grad()
    def restore(self) -> None:
        """Restores the best weights, if they are kept. Call it after the last epoch."""
        if self._best_weights is not None:
            for name, tensor in _weights(self.model):
                tensor.copy_(self._best_weights[name])  # (4)

    def state_dict(self) -> dict[str, Any]:
        """Returns what a checkpoint needs, the best weights included."""
        names = ("best", "best_epoch", "wait", "epoch", "_best_weights")
        return {name: plain(getattr(self, name)) for name in names}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes back to the state of a checkpoint.

        Raises:
            ValueError: it is that of another rule, or its weights are those of another model.
        """
        check_names(self, state, self.state_dict())
        best = state["_best_weights"]
        if best is not None:
            given, own = _shapes(best.items()), _shapes(_weights(self.model))
            if given != own:
                differing = sorted({*given.items()} ^ {*own.items()})
                raise ValueError(
                    f"best weights of another model: expected {len(own)} tensors as in this one, "
                    f"which differ first in {differing[0][0]}"
                )
        for name in self.state_dict():
            setattr(self, name, state[name])


def _weights(model: nn.Module) -> list[tuple[str, torch.Tensor]]:
    """Returns what Keras's `get_weights` returns: parameters and buffers, no seeds or counters."""
    return [*model.named_parameters(), *model.named_buffers()]


def _shapes(weights: Iterable[tuple[str, torch.Tensor]]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in weights}
