"""A whole training of a port by a `train_step` of its own, with all that Keras's has drawn.

The training of Keras goes in: what its steps drew, and of what their numbers are means. The steps
of the port come out, measured likewise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from parity.halves.torch.check.given_steps import StepData, given_draws, numbers_of
from parity.halves.torch.port.carrying import held_tensors
from parity.halves.torch.port.parts import as_written
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.step_rate import StepRate
from parity.ladder.own_steps import FACT, counts_key, mode_of_step
from parity.traces.trace import Trace
from torch_impl.port import Port
from torch_impl.trainer import Batch
from torch_impl.trainer.nests import leaves


class OwnMeasures(Mapping[str, float]):
    """The numbers that steps return, as Keras's `fit` shows them.

    A number that Keras keeps as a mean is one over the epoch, with Keras's weights; another one is
    that of the last step.

    Args:
        trained: the training of Keras.
    """

    def __init__(self, trained: Trace) -> None:
        self._counts = {
            name: trained[counts_key(name)] for name in trained.below("training/counts")
        }
        self._num_made = 0
        self._sums: dict[str, float] = {}
        self._before: dict[str, float] = {}
        self._last: dict[str, float] = {}

    def reset(self) -> None:
        """Begins an epoch."""
        self._sums, self._before, self._last = {}, {}, {}

    def update(self, logs: Mapping[str, float], *_: Any) -> None:
        """Adds the numbers of a step."""
        step, self._num_made = self._num_made, self._num_made + 1
        for name, value in logs.items():
            if step < len(counts := self._counts.get(name, ())):
                count, before = float(counts[step]), self._before.get(name, 0.0)
                self._sums[name] = self._sums.get(name, 0.0) + value * (count - before)
                self._before[name] = count
                self._last[name] = self._sums[name] / count if count else value
            else:
                self._last[name] = value

    def __getitem__(self, key: str) -> float:
        return self._last[key]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._last))

    def __len__(self) -> int:
        return len(self._last)


class OwnStepper:
    """Makes the steps of a port by its `train_step`, in the place of a Stepper.

    Args:
        port: with Keras's initial weights.
        trained: the training of Keras, which has ended.

    Attributes:
        port: what the factory returned.
        measures: the numbers of the epoch.
        parts: empty.
        dtype: of the module.
        rate: of the last step, of the optimizer whose rates are compared.
    """

    prepares_whole = False

    def __init__(self, port: PortUnderTest, trained: Trace) -> None:
        self._port, self._told = port, port.keras.facts[FACT]
        self._drawn = _Drawn(port.keras, trained)
        self._data = StepData(port)
        self._modes = list(port.modes)
        self._num_made = 0
        self._watched = self._weights_of_first()
        self.port: Port = port.built
        self.measures = OwnMeasures(trained)
        self.parts: dict[str, Any] = {}
        self.dtype = getattr(torch, port.dtype)
        self.rate = 0.0
        self._rate: StepRate | None = None  # of a step that is being made

    def prepared(self, batch: Batch) -> Batch:
        """Returns a batch whose `x` is what `train_step` gets."""
        arrays = [
            [np.asarray(array) for array in leaves(part) if array is not None]
            for part in (batch.x, batch.y, batch.weight)
        ]
        return Batch(self._data.given(*arrays))

    def step(self, batch: Batch) -> tuple[Mapping[str, float], None]:
        """Makes a step of training; returns its numbers."""
        port = self._port
        self._num_made += 1
        for module, is_training in self._modes:  # as the port left them
            module.training = is_training
        hooks = [
            register_optimizer_step_pre_hook(self._begin_step),
            register_optimizer_step_post_hook(self._end_step),
        ]
        probes, port.keras = port.keras, self._drawn  # type: ignore[assignment]
        try:
            given = given_draws(port, mode_of_step(self._num_made), self._told)
            with as_written(port.module), given:
                assert self.port.train_step is not None
                returned = self.port.train_step(batch.x)
        finally:
            port.keras = probes
            for hook in hooks:
                hook.remove()
        self._modes = [(module, module.training) for module in port.module.modules()]
        return numbers_of(returned), None

    def measured_batch(self, batch: Batch) -> Batch:
        """Returns a batch as it is: the numbers of a step are its own."""
        return batch

    def finish(self) -> None:
        """Ends a training: what its optimizers average is the port's own."""

    def _weights_of_first(self) -> set[int]:
        """Returns the parameters that Keras's first optimizer moves."""
        applied = self._told["applied"]
        names = (
            set(applied[0]["weights"]) if applied else {item.name for item in self._port.carried}
        )
        carried = (item for item in self._port.carried if item.name in names)
        return {id(tensor) for item in carried for tensor in held_tensors(item.variable)}

    def _begin_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        moved = {id(p) for group in optimizer.param_groups for p in group["params"]}
        if moved & self._watched:
            self._rate = StepRate(optimizer)
            self._rate.begin()

    def _end_step(self, *_: Any) -> None:
        if self._rate is not None:
            self.rate, self._rate = self._rate.end(), None


class _Drawn:
    """The probes of Keras, with what its training drew.

    Args:
        probes: of Keras.
        trained: its training.
    """

    def __init__(self, probes: Trace, trained: Trace) -> None:
        self.facts = probes.facts
        self._traces = (trained, probes)

    def __contains__(self, key: str) -> bool:
        return any(key in trace for trace in self._traces)

    def __getitem__(self, key: str) -> np.ndarray:
        return next(trace[key] for trace in self._traces if key in trace)

    def below(self, prefix: str) -> list[str]:
        """Returns the rest of all keys that begin with a prefix."""
        found = (key for trace in self._traces for key in trace.below(prefix))
        return list(dict.fromkeys(found))
