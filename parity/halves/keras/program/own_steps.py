"""A whole training by a model's own `train_step`: what a port needs to make the same steps.

Masks and random numbers that a step draws are written down as it runs, so `fit` runs step by step
and is not compiled, if there are any. The counts of the model's means say of what a number that
`fit` shows is a mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import keras
import numpy as np

from parity.errors import InputError
from parity.halves.keras.calls import recorded_calls
from parity.halves.keras.casts import in_float64
from parity.halves.keras.check.forward import write_drawn
from parity.halves.keras.check.parts import optimizers_in
from parity.ladder.own_steps import FACT, counts_key, mode_of_step
from parity.traces.trace import TraceWriter


class OwnSteps:
    """Watches the steps of a model in `fit`.

    Args:
        model: before its first step.
        probes: facts of its probes.
        writer: receives `draw/trainN/…` and `mask/trainN/…` of each step, and `training/counts/…`.
        dtype: of the training.
        most_mib: of what is drawn in the whole training.
    """

    def __init__(
        self,
        model: Any,
        probes: Mapping[str, Any],
        writer: TraceWriter,
        dtype: str,
        most_mib: int,
    ) -> None:
        told = probes[FACT]
        self._model, self._writer, self._dtype = model, writer, dtype
        self._num_made, self._left, self._most_mib = 0, most_mib * 2**20, most_mib
        self._counts: dict[str, list[float]] = {}
        applied = told["applied"]
        self._optimizer = applied[0]["optimizer"] if applied else "optimizer"
        if told["num_drawn"] or told["masks"]:
            model.run_eagerly, model.jit_compile = True, False
            self._step = model.train_step
            model.train_step = self._made

    @property
    def optimizer(self) -> Any:
        """The optimizer whose rates are compared: the first one that a step uses."""
        return optimizers_in(self._model).get(self._optimizer, self._model.optimizer)

    def _made(self, data: Any) -> Any:
        """Makes a step, and writes down what it draws."""
        self._num_made += 1
        with ExitStack() as stack:
            if self._dtype == "float64":
                stack.enter_context(in_float64())
            calls = stack.enter_context(recorded_calls(()))
            returned = self._step(data)
        before = set(self._writer.arrays)
        write_drawn(mode_of_step(self._num_made), calls, self._writer)
        self._left -= sum(
            self._writer.arrays[k].nbytes for k in self._writer.arrays.keys() - before
        )
        if self._left < 0:
            raise InputError(
                f"the model's own train_step drew more than max_feed={self._most_mib} MiB of masks "
                f"and random numbers in {self._num_made} steps; expected less, since the port is "
                "given all of them; train fewer epochs, or give a larger max_feed"
            )
        return returned

    def after_step(self, logs: Mapping[str, Any]) -> None:
        """Notes how much the means among the numbers of a step have seen in this epoch."""
        for metric in self._model.metrics:
            if metric.name in logs and isinstance(metric, keras.metrics.Mean):
                count = float(np.asarray(metric.count))
                self._counts.setdefault(metric.name, []).append(count)

    def finish(self) -> None:
        """Writes these counts."""
        for name, counts in self._counts.items():
            self._writer.put(counts_key(name), np.array(counts))
