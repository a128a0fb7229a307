"""A few steps of training, as a Keras model's `fit` makes them.

Batches go in, the last ones smaller; `trajectory/…` comes out: losses, rates and the weights after
each step, and the batches and masks that the port will use. One thing is not as in `fit`: rows of
an embedding that occur more than once are added up (`occurrences.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.reference import Reference
from parity.data import probe_inputs
from parity.halves.keras import versions
from parity.halves.keras.calls import recorded_calls
from parity.halves.keras.check.augmented import write_augmented
from parity.halves.keras.check.exercised import told
from parity.halves.keras.check.flat_steps import OneByOneSteps
from parity.halves.keras.check.forward import write_drawn
from parity.halves.keras.check.inputs import reset_states
from parity.halves.keras.check.model import named_weights, trainable
from parity.halves.keras.check.noise import greatest_of, perturbed_gradient
from parity.halves.keras.check.objective import Objective
from parity.halves.keras.check.occurrences import has_repeated_rows, taken_apart
from parity.halves.keras.check.optimizer import begin_training, cut
from parity.halves.keras.check.outputs import outputs_of
from parity.halves.keras.check.sequence_masks import counts_of_outputs, put_counts
from parity.halves.keras.check.steps import Steps
from parity.halves.keras.check.structure import as_fed
from parity.halves.keras.rounding import Perturbation
from parity.halves.memory import SMALLER, give_back_large_blocks
from parity.ladder.trajectory_items import by_rows
from parity.programs.check_spec import LARGE_MODEL, CheckSpec, num_steps
from parity.traces.trace import TraceWriter

_APART = (
    "Keras's optimizer takes each occurrence of a token in a batch by itself; here their gradients "
    "are added up before, as in torch"
)


def write_trajectory(
    spec: CheckSpec,
    objective: Objective,
    steps: Steps | OneByOneSteps,
    writer: TraceWriter,
    perturbation: Perturbation | None,
) -> None:
    """Makes a few steps as `fit` does, with a cut of the rate if there may be one."""
    model, reference, samples = objective.model, objective.reference, objective.samples
    begin_training(reference)
    reset_states(model)  # once: `fit` carries a state from batch to batch
    losses, rates = [], []
    repeated: list[Any] = []  # the first gradients with repeated rows
    is_large = model.count_params() >= LARGE_MODEL
    sizes = samples.sizes(num_steps(spec.steps, model.count_params()))
    for step, size in enumerate(sizes, start=1):
        if step == probe_inputs.TRAJECTORY_CUT_BEFORE and _is_cut(reference):
            cut(model.optimizer)
        if is_large:
            give_back_large_blocks(SMALLER)
        x = samples.inputs(f"step{step}", size)
        fed = as_fed(reference, x)
        with tf.GradientTape() as tape, recorded_calls(fed, perturbation) as calls:
            output = model(fed, training=True)
            parts = outputs_of(model, output) or {"": output}
            batch = objective.batch(f"step{step}", size, counts_of_outputs(parts))
            loss = objective.value(output, batch)
        put_counts(f"step{step}", parts, writer)
        write_drawn(f"step{step}", calls, writer)
        write_augmented(f"step{step}", calls, writer)
        del calls, output, parts  # a large model has much of each, as the tape has of its gradients
        variables = model.trainable_variables
        found = tape.gradient(loss, [versions.tensor_of(v) for v in variables])
        found = [
            tf.zeros(v.shape, v.dtype) if g is None else g
            for g, v in zip(found, variables, strict=True)
        ]
        if not perturbation and not repeated and has_repeated_rows(found):
            repeated = found
        losses.append(float(loss))
        for number, value in enumerate(x):
            writer.put(f"input/step{step}/{number}", value)
        objective.put(batch, f"step{step}", writer)
        gradients = [tf.convert_to_tensor(each) for each in found]
        del found, tape
        rates.append(steps.rate)
        if is_large:
            give_back_large_blocks()
        steps.make(_let_go(gradients, perturbation.later(step) if perturbation else None))
        for name, variable in named_weights(model).items():
            writer.put(f"trajectory/{step}/{name}", probe_inputs.of_step(variable.numpy()))
    writer.put("trajectory/losses", np.array(losses))
    writer.put("trajectory/rates", np.array(rates))
    if repeated:
        names = {id(variable): name for name, variable in trainable(model).items()}
        apart = taken_apart(model.optimizer, repeated, variables)
        writer.facts["not_compared"] = [
            told(by_rows(names[id(variables[number])]), _APART) for number in apart
        ]


def _let_go(gradients: list[Any], perturbation: Perturbation | None) -> Iterator[Any]:
    """Yields gradients, moved in a perturbed pass, and keeps none of them in memory."""
    greatest = greatest_of(gradients) if perturbation else 0.0
    generator = np.random.default_rng(perturbation.seed if perturbation else 0)
    gradients.reverse()
    while gradients:
        gradient = gradients.pop()
        if perturbation:
            gradient = perturbed_gradient(gradient, greatest, perturbation.dtype, generator)
        yield gradient


def _is_cut(reference: Reference) -> bool:
    """Whether a callback may change the learning rate: the check then changes it, too."""
    stopping = keras.callbacks.EarlyStopping
    return any(not isinstance(callback, stopping) for callback in reference.callbacks)
