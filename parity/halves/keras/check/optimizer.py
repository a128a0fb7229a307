"""The optimizer of a Keras model alone, without loss and data.

Gradients of every size go in; `optimizer/…` comes out: weights, slots and rates after some steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.reference import Reference
from parity.data import probe_inputs
from parity.halves.keras import versions
from parity.halves.keras.check.flat_steps import FlatSteps, OneByOneSteps
from parity.halves.keras.check.model import set_weights, trainable
from parity.halves.keras.check.steps import Steps
from parity.halves.keras.compiled_rate import has_schedule
from parity.programs.check_spec import CheckSpec
from parity.traces.trace import TraceWriter


def write_optimizer(
    spec: CheckSpec,
    reference: Reference,
    steps: Steps | OneByOneSteps,
    weights: Mapping[str, np.ndarray],
    writer: TraceWriter,
) -> None:
    """Feeds gradients of every size to the optimizer, and writes what its steps change.

    Args:
        spec: settings of the check.
        reference: the model.
        steps: of its optimizer; they begin again.
        weights: what the steps start from. Those of the model are other ones afterwards.
        writer: receives weights, slots and rates.
    """
    steps.begin_again()
    probe = _probe_of(reference, steps, weights)
    begin_training(reference)
    rates = []
    for step in range(1, probe_inputs.NUM_OPTIMIZER_STEPS + 1):
        if step == probe_inputs.CUT_BEFORE:
            cut(reference.model.optimizer)
        rates.append(probe.rate)
        probe.make(spec.seed, step)
        if step in probe_inputs.OPTIMIZER_STEPS:
            for name, value in probe.weights():
                writer.put(f"optimizer/{step}/weights/{name}", value)
        for slot, name, value in probe.slots() if step in probe_inputs.OPTIMIZER_STEPS else ():
            if step in probe_inputs.SLOT_STEPS or slot == probe_inputs.AVERAGE:
                writer.put(f"optimizer/{step}/{slot}/{name}", value)
    writer.put("optimizer/learning_rate", np.array(rates))


def _probe_of(
    reference: Reference, steps: Steps | OneByOneSteps, weights: Mapping[str, np.ndarray]
) -> _Whole | _Sampled:
    if not isinstance(steps, Steps):
        return _Sampled(reference, weights)
    set_weights(reference.model, weights)
    return _Whole(reference, steps)


class _Whole:
    """Whole weights, for an optimizer that may look at more than one number at a time."""

    def __init__(self, reference: Reference, steps: Steps) -> None:
        self._model, self._steps = reference.model, steps
        self._variables = trainable(reference.model)

    @property
    def rate(self) -> float:
        return self._steps.rate

    def make(self, seed: int, step: int) -> None:
        names = {id(variable): name for name, variable in self._variables.items()}
        self._steps.make(
            [
                tf.constant(probe_inputs.gradient(seed, step, names[id(v)], tuple(v.shape)))
                for v in self._model.trainable_variables
            ]
        )

    def weights(self) -> Iterator[tuple[str, np.ndarray]]:
        for name, variable in self._variables.items():
            yield name, probe_inputs.of_step(variable.numpy())

    def slots(self) -> Iterator[tuple[str, str, np.ndarray]]:
        """Yields (slot, weight, value), such as ("momentum", "conv1.kernel", ...)."""
        for name, variable in self._variables.items():
            for slot, value in versions.slots(self._model.optimizer, variable):
                yield slot, name, probe_inputs.of_step(value.numpy())


class _Sampled:
    """Only the entries that are compared, for an optimizer that treats each by itself."""

    def __init__(self, reference: Reference, weights: Mapping[str, np.ndarray]) -> None:
        variables = trainable(reference.model)
        self._names = list(variables)
        self._shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
        # Copies, since what `of_step` returns keeps the whole weight in memory.
        start = {n: probe_inputs.of_step(w).copy() for n, w in weights.items() if n in variables}
        self._steps = FlatSteps(reference.model.optimizer, [start[name] for name in self._names])

    @property
    def rate(self) -> float:
        return self._steps.rate

    def make(self, seed: int, step: int) -> None:
        shapes = self._shapes.items()
        self._steps.make([probe_inputs.gradient_of_step(seed, step, *item) for item in shapes])

    def weights(self) -> Iterator[tuple[str, np.ndarray]]:
        return zip(self._names, self._steps.arrays(), strict=True)

    def slots(self) -> Iterator[tuple[str, str, np.ndarray]]:
        for slot, number, value in self._steps.slots():
            yield slot, self._names[number], value


def begin_training(reference: Reference) -> None:
    """Sets the rate of the first epoch, as a LearningRateScheduler does before the first step."""
    for callback in reference.callbacks:
        if isinstance(callback, keras.callbacks.LearningRateScheduler):
            callback.set_model(reference.model)
            callback.on_epoch_begin(0, {})


def cut(optimizer: Any) -> None:
    """Cuts the learning rate, unless a schedule sets it."""
    if not has_schedule(optimizer):
        optimizer.learning_rate = float(optimizer.learning_rate) * probe_inputs.CUT_FACTOR
