"""Evaluation: how well a port knows its training samples, and what it says of those of validation.

It is told what Keras's `fit` was fed. See `parity/halves/keras/program/evaluation.py`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from parity.halves.torch.program.stepper import ReplayedStepper
from parity.traces.trace import TraceWriter
from parity.traces.training_recorder import EVALUATED_AT_ONCE, PREDICTIONS, keep_evaluation
from torch_impl.trainer import Callback


class Evaluation(Callback):
    """Evaluates the training samples after every epoch, and predicts after the last one.

    Args:
        stepper: of the port.
        nests: of the feed file.
        writer: receives the columns `eval_...` of the history, and `predictions/val`.

    Attributes:
        wall_s: seconds that it took.
    """

    def __init__(
        self, stepper: ReplayedStepper, nests: Mapping[str, Any], writer: TraceWriter
    ) -> None:
        self._stepper, self._writer = stepper, writer
        told = nests.get("train_flow", nests)
        self._samples = (told["x"], told["y"]) if "x" in told else None
        self._validation = nests["val"][0] if "val" in nests else None
        self.wall_s = 0.0

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """After an epoch and its validation."""
        if self._samples is not None:
            started = time.perf_counter()
            numbers = self.trainer.evaluate(*self._samples, batch_size=EVALUATED_AT_ONCE)
            keep_evaluation(self._writer, numbers)
            self.wall_s += time.perf_counter() - started

    def on_train_end(self) -> None:
        """After the last epoch, when the best weights are restored."""
        if self._validation is not None and not self._stepper.has_several_outputs:
            started = time.perf_counter()
            output = self.trainer.predict(self._validation, batch_size=EVALUATED_AT_ONCE)
            self._writer.put(PREDICTIONS, self._stepper.as_keras(output).cpu().numpy())
            self.wall_s += time.perf_counter() - started
