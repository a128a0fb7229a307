"""The optimizer of a Keras model alone, without loss and data.

Gradients of every size go in; `optimizer/…` comes out: weights, slots and rates after some steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.harness import versions
from keras_impl.harness.check.model import set_weights, trainable
from keras_impl.harness.check.steps import Steps
from keras_impl.harness.compiled_rate import has_schedule
from keras_impl.harness.factories import Reference
from parity.data import probe_inputs
from parity.programs.check_spec import CheckSpec
from parity.traces.trace import TraceWriter


def write_optimizer(
    spec: CheckSpec,
    reference: Reference,
    steps: Steps,
    weights: Mapping[str, np.ndarray],
    writer: TraceWriter,
) -> None:
    """Feeds gradients of every size to the optimizer, and writes what its steps change.

    Args:
        spec: settings of the check.
        reference: the model.
        steps: of its optimizer; they begin again.
        weights: what the model starts from.
        writer: receives weights, slots and rates.
    """
    model = reference.model
    optimizer: Any = model.optimizer
    steps.begin_again()
    set_weights(model, weights)
    begin_training(reference)
    variables = trainable(model)
    names = {id(variable): name for name, variable in variables.items()}
    rates = []
    for step in range(1, probe_inputs.NUM_OPTIMIZER_STEPS + 1):
        if step == probe_inputs.CUT_BEFORE:
            cut(optimizer)
        gradients = [
            tf.constant(probe_inputs.gradient(spec.seed, step, names[id(v)], tuple(v.shape)))
            for v in model.trainable_variables
        ]
        rates.append(float(optimizer.learning_rate))
        steps.make(gradients)
        if step in probe_inputs.OPTIMIZER_STEPS:
            for name, variable in variables.items():
                value = probe_inputs.of_step(variable.numpy())
                writer.put(f"optimizer/{step}/weights/{name}", value)
        if step in probe_inputs.SLOT_STEPS:
            for slot, name, value in _slots(optimizer, variables):
                writer.put(f"optimizer/{step}/{slot}/{name}", probe_inputs.of_step(value))
    writer.put("optimizer/learning_rate", np.array(rates))


def _slots(
    optimizer: Any, variables: Mapping[str, keras.Variable]
) -> list[tuple[str, str, np.ndarray]]:
    """Returns (slot, weight, value), such as ("momentum", "conv1.kernel", ...)."""
    return [
        (slot, name, value.numpy())
        for name, variable in variables.items()
        for slot, value in versions.slots(optimizer, variable)
    ]


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
