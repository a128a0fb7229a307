"""One run of an ensemble: what it has of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

from parity.data import Data
from parity.programs.run_spec import RunSpec
from parity.recorder import Observer
from parity.trace import RunResult
from torch_impl.data import Batch, validation_data
from torch_impl.ensemble.streams import Stream
from torch_impl.epochs import Epochs
from torch_impl.train import predict, prepare
from torch_impl.weights import get_weights


class Run:
    """A run as `torch_impl.fit` prepares it, and what has come of it so far.

    Args:
        spec: the run.
        data: its arrays.
        recorder: is told what `fit` tells it, or None.

    Attributes:
        training: model, batches, loss and optimizer.
        epochs: what has come of those that it was trained in.
        stream: where it finds torch's generator.
        wall_s: its share of the seconds of the epochs that it was trained in.
    """

    def __init__(self, spec: RunSpec, data: Data, recorder: Observer | None) -> None:
        self.spec, self.data, self.recorder = spec, data, recorder
        self.training = prepare(spec, data)
        self.stream = Stream(spec.device)
        self.val_batches = validation_data(spec, data)
        self.epochs = Epochs(spec, self.training.model, self.training.optimizer)
        self.wall_s = 0.0
        self._weights = partial(get_weights, self.training.model)

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

    def result(self) -> RunResult:
        """Ends the run; returns what `fit` returns."""
        started = time.perf_counter()
        self.epochs.restore()
        self.wall_s += time.perf_counter() - started
        if self.recorder is not None:
            self.recorder.on_end(partial(predict, self.training.model, self.val_batches))
        return RunResult(self.epochs.history, self._weights(), self.wall_s)
