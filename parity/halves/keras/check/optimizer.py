"""The optimizer of a Keras model alone, and a few steps of training with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.reference import Reference
from parity.data import probe_inputs
from parity.halves.keras import versions
from parity.halves.keras.calls import recorded_calls
from parity.halves.keras.check.forward_backward import write_drawn
from parity.halves.keras.check.inputs import reset_states
from parity.halves.keras.check.noise import greatest_of, perturbed_gradient
from parity.halves.keras.check.not_compared import not_compared_entry
from parity.halves.keras.check.objective import Objective
from parity.halves.keras.check.passes import write_augmented
from parity.halves.keras.check.sequence_masks import counts_of_outputs, put_counts
from parity.halves.keras.check.steps import FlatSteps, OneByOneSteps, Steps
from parity.halves.keras.check.structure import as_fed, outputs_of
from parity.halves.keras.check.weights import named_weights, set_weights, trainable
from parity.halves.keras.rounding import Perturbation
from parity.halves.keras.schedules import has_schedule
from parity.halves.memory import SMALLER, give_back_large_blocks
from parity.ladder.items import by_rows
from parity.ladder.rounding import FLOAT64
from parity.programs.check_spec import LARGE_MODEL, CheckSpec, num_steps
from parity.traces.trace import KerasWriter

# --- The optimizer of a Keras model alone, without loss and data ----------------------------------
#
# Gradients of every size go in; `optimizer/…` comes out: weights, slots and rates after some steps.


def write_optimizer(
    spec: CheckSpec,
    reference: Reference,
    steps: Steps | OneByOneSteps,
    weights: Mapping[str, np.ndarray],
    writer: KerasWriter,
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


# --- Rows of an embedding that occur more than once in a batch ------------------------------------
#
# TensorFlow gives the gradient of `Embedding` as one row for each occurrence of a token. Keras's
# optimizers square, clip and take signs of these rows one by one, where torch, and this check, use
# their sum. With Adam, the second moment of a token is then a sum of squares in the place of the
# square of a sum. An optimizer that is linear in the gradient does not tell them apart.


def has_repeated_rows(gradients: Sequence[Any]) -> bool:
    """Whether a gradient, as a tape returns it, has more than one row for one row of its weight."""
    indices = [np.asarray(g.indices) for g in gradients if isinstance(g, tf.IndexedSlices)]
    return any(len(np.unique(rows)) < rows.size for rows in indices)


def places_moved_by_rows(
    optimizer: Any, gradients: Sequence[Any], variables: Sequence[Any]
) -> list[int]:
    """Returns the places of weights that move otherwise if repeated rows are added up before.

    Args:
        optimizer: that has made a step before. It and the variables are left as they were.
        gradients: tensors, or tf.IndexedSlices.
        variables: the weights, of the same number.
    """
    as_fit = _step(optimizer, gradients, variables)
    as_sum = _step(optimizer, [tf.convert_to_tensor(g) for g in gradients], variables)
    return [
        number
        for number, (a, b) in enumerate(zip(as_fit, as_sum, strict=True))
        if np.abs(a - b).max(initial=0) > FLOAT64 * np.abs(a).max(initial=0)
    ]


def _step(optimizer: Any, gradients: Sequence[Any], variables: Sequence[Any]) -> list[np.ndarray]:
    """Returns what the variables are after a step, which is taken back."""
    state = [*versions.state_of(optimizer), *variables]
    before = [np.asarray(variable.numpy()) for variable in state]
    versions.apply(optimizer, gradients, variables)
    after = [np.asarray(variable.numpy()) for variable in variables]
    for variable, value in zip(state, before, strict=True):
        variable.assign(value)
    return after


# --- A few steps of training, as a Keras model's `fit` makes them ---------------------------------
#
# Batches go in, the last ones smaller; `trajectory/…` comes out: losses, rates and the weights
# after each step, and the batches and masks that the port will use. One thing is not as in `fit`:
# rows of an embedding that occur more than once are added up (`optimizer.py`).


_APART = (
    "Keras's optimizer takes each occurrence of a token in a batch by itself; here their gradients "
    "are added up before, as in torch"
)


def write_trajectory(
    spec: CheckSpec,
    objective: Objective,
    steps: Steps | OneByOneSteps,
    writer: KerasWriter,
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
        apart = places_moved_by_rows(model.optimizer, repeated, variables)
        writer.facts["not_compared"] = [
            not_compared_entry(by_rows(names[id(variables[number])]), _APART) for number in apart
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
