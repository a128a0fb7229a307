"""One run of an ensemble: what it has of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

from parity.data import Data
from parity.recorder import Observer
from parity.spec import RunSpec
from parity.trace import History, RunResult
from torch_impl.data import Batch, validation_data
from torch_impl.ensemble.streams import Stream
from torch_impl.train import plateau_rule, prepare, stopping_rule
from torch_impl.weights import get_weights

HISTORY = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")


class Run:
    """A run as `torch_impl.fit` prepares it, and what has come of it so far.

    Args:
        spec: the run.
        data: its arrays.
        recorder: is told what `fit` tells it, or None.

    Attributes:
        training: model, batches, loss and optimizer.
        stream: where it finds torch's generator.
        wall_s: its share of the seconds of the epochs that it was trained in.
    """

    def __init__(self, spec: RunSpec, data: Data, recorder: Observer | None) -> None:
        self.spec, self.data, self.recorder = spec, data, recorder
        self.training = prepare(spec, data)
        self.stream = Stream(spec.device)
        self.val_batches = validation_data(spec, data)
        self.history: History = {key: [] for key in HISTORY}
        self.wall_s = 0.0
        self._weights = partial(get_weights, self.training.model)
        self._reduce_lr = plateau_rule(spec, self.training.optimizer)
        self._early_stopping = stopping_rule(spec, self.training.model)

    def start(self) -> None:
        """Tells the recorder."""
        if self.recorder is not None:
            self.recorder.on_start(self._weights)

    def batches(self) -> Iterator[Batch]:
        """Yields those of the next epoch, drawn from the run's own stream."""
        return self.stream.over(iter(self.training.batches))

    def step(self, loss: float) -> None:
        """Tells the recorder of a step; `loss` is the running mean of the epoch."""
        if self.recorder is not None:
            self.recorder.on_step(loss, self._weights)

    def end_epoch(self, trained: tuple[float, float], validated: tuple[float, float]) -> None:
        """Keeps what (loss, accuracy) an epoch has brought."""
        rate = self.training.optimizer.param_groups[0]["lr"]
        for key, value in zip(HISTORY, (*trained, *validated, rate), strict=True):
            self.history[key].append(value)

    def is_over(self) -> bool:
        """Takes the values of the epoch that was kept last; returns whether training is to stop."""
        if self._reduce_lr is not None:
            assert self.spec.reduce_lr is not None
            self._reduce_lr.step(self.history[self.spec.reduce_lr.monitor][-1])
        if self._early_stopping is None:
            return False
        assert self.spec.early_stopping is not None
        return self._early_stopping.step(self.history[self.spec.early_stopping.monitor][-1])

    def result(self) -> RunResult:
        """Ends the run; returns what `fit` returns."""
        started = time.perf_counter()
        if self._early_stopping is not None:
            self._early_stopping.restore()
        self.wall_s += time.perf_counter() - started
        if self.recorder is not None:
            self.recorder.on_end()
        return RunResult(self.history, self._weights(), self.wall_s)
