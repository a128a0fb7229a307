"""Anchors: records states of a Keras run, and what a few steps from each of them compute.

`fit` trains with this callback as without it: it only reads. After the run, the steps from each
anchor are made again in float64, by `train_step`'s own calculation, on the batches that `fit` had;
from some anchors once more, with weights and slots moved by one unit in the last place. How far
these two part is what rounding alone does.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.data import in_batches, validation_data
from keras_impl.harness.float32_masks import float32_masks
from keras_impl.harness.versions import slots
from keras_impl.models import build_model
from keras_impl.train import evaluate
from keras_impl.weights import get_weights, named_layers, named_variables, set_weights
from parity.data.dataset import Data
from parity.data.fingerprints import fingerprints
from parity.ladder.compare import relative_differences
from parity.programs.run_spec import RunSpec
from parity.traces.anchor_folder import AnchorFolder
from parity.traces.anchored_steps import AnchoredSteps, moved
from parity.traces.anchors import FLOAT32, NUM_STEPS, SIZE, Anchor, AnchorPlan
from parity.traces.perturbation import perturbed_state
from parity.traces.trace import TraceWriter, Weights

Batch = tuple[np.ndarray, np.ndarray]


class Anchors(keras.callbacks.Callback):
    """A callback of `fit`; call `finish` after it.

    Args:
        spec: the run.
        data: its arrays.
        writer: receives `anchored/…`, `anchor_noise/…`, `rates`, `between_steps` and the facts
            `anchors` and `anchors_measured`.
        folder: receives the anchors.

    Attributes:
        wall_s: seconds that recording took.
    """

    def __init__(
        self, spec: RunSpec, data: Data, writer: TraceWriter, folder: AnchorFolder
    ) -> None:
        super().__init__()
        self._spec, self._data, self._writer, self._folder = spec, data, writer, folder
        self._plan = AnchorPlan((), (), ())
        self._needed: set[int] = set()
        self._open: list[Anchor] = []  # whose steps are being made
        self._rates: list[float] = []
        self._left_behind: list[tf.Tensor] = []
        self._changed: list[int] = []
        self._batches: dict[int, Batch] = {}
        self._num_fed = 0
        self.wall_s = 0.0

    def set_model(self, model: keras.Model) -> None:
        """Called by `fit` before it makes its function of a step."""
        super().set_model(model)
        num_bytes = sum(int(np.prod(v.shape)) * v.numpy().itemsize for v in model.variables)
        num_bytes *= 3  # with two slots
        if self._spec.augmentation is not None:
            num_bytes += NUM_STEPS * self._spec.batch_size * self._data.x_train[0].nbytes
        steps_per_epoch = self._spec.steps_per_epoch(len(self._data.x_train))
        self._plan = AnchorPlan.of(steps_per_epoch, self._spec.epochs, num_bytes)
        self._folder.begin(self._plan)
        self._needed = {step + n for step in self._plan.steps for n in range(NUM_STEPS)}
        train_step = model.train_step

        def noted(batch: Any) -> Any:
            x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
            tf.numpy_function(self._note, [x, y], [], stateful=True)
            return train_step(batch)

        model.train_step = noted

    def _note(self, x: np.ndarray, y: np.ndarray) -> None:
        if self._num_fed in self._needed:
            self._batches[self._num_fed] = np.array(x), np.array(y)
        self._num_fed += 1

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Records the rate of a step, and the state before it."""
        started = time.perf_counter()
        step = len(self._rates)
        self._rates.append(float(self.model.optimizer.learning_rate.numpy()))
        self._changed.append(num_changed(self._left_behind, _values(self.model)))
        if step in self._plan.steps:
            state = get_weights(self.model), _slots(self.model), _masks(self.model)
            self._open.append(Anchor(step, *state))
        self.wall_s += time.perf_counter() - started

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Records how far a step from an anchor has moved the weights."""
        started = time.perf_counter()
        step = len(self._rates) - 1
        for anchor in self._open:
            if anchor.step == step and self._spec.dtype == FLOAT32:
                by = moved(anchor.weights, get_weights(self.model))
                self._writer.put_all(f"anchored/{step}/{FLOAT32}", by)
        self._close(step + 1 - NUM_STEPS)
        self._left_behind = _values(self.model)
        self.wall_s += time.perf_counter() - started

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Writes the last anchors."""
        self._close(len(self._rates))
        self._folder.end()

    def _close(self, last: int) -> None:
        """Writes the anchors up to a step, whose own steps are made."""
        for anchor in [each for each in self._open if each.step <= last]:
            numbers = range(anchor.step, min(anchor.step + NUM_STEPS, len(self._rates)))
            images = []
            if self._spec.augmentation is not None:
                images = [self._batches[number][0] for number in numbers]
            rates = np.array([self._rates[number] for number in numbers])
            self._folder.write(dataclasses.replace(anchor, rates=rates, images=images))
            self._open.remove(anchor)

    def finish(self) -> None:
        """Makes the steps from every anchor, and writes what they compute."""
        reached = [step for step in self._plan.steps if step < len(self._rates)]
        measured = [step for step in self._plan.measured if step in reached]
        self._writer.facts |= {"anchors": reached, "anchors_measured": measured}
        self._writer.put("rates", np.array(self._rates))
        self._writer.put("between_steps", np.array(self._changed))
        steps = _Steps(self._spec, self._data)
        noise: dict[str, np.ndarray] = {}
        for step in reached:
            anchor = self._folder.read(step)
            assert anchor is not None
            batches = [self._batches[step + number] for number in range(len(anchor.rates))]
            validates = step in self._plan.validated
            made = steps.made(anchor, batches, validates=validates)
            made.write(self._writer, step)
            for name, weight in anchor.weights.items():
                self._writer.put(f"anchored/{step}/{SIZE}/{name}", np.abs(weight).max(initial=0))
            self._write_fed(anchor, batches)
            if step in measured:
                place = measured.index(step)
                other = steps.made(perturbed_state(anchor, 1 + place), batches, validates=validates)
                for key, apart in relative_differences(made.arrays, other.arrays):
                    # Some arrays are not there from all anchors, such as validation.
                    noise.setdefault(key, np.full(len(measured), np.nan))[place] = apart
        self._writer.put_all("anchor_noise", noise)

    def _write_fed(self, anchor: Anchor, batches: Sequence[Batch]) -> None:
        prefix = f"anchored/{anchor.step}"
        self._writer.put(f"{prefix}/labels", np.concatenate([y for _, y in batches]))
        images = np.concatenate([fingerprints(x) for x, _ in batches])
        self._writer.put(f"{prefix}/images", images)
        for name, state in anchor.masks.items():
            self._writer.put(f"{prefix}/masks/{name}", state)


class _Steps:
    """Makes steps of a run in float64, from any state of it.

    Args:
        spec: the run.
        data: its arrays.
    """

    def __init__(self, spec: RunSpec, data: Data) -> None:
        x, y = validation_data(spec, data)
        self._validation = in_batches(x.astype(np.float64), y)
        self._model = build_model(spec.replace(dtype="float64"), data.input_shape, data.num_classes)
        self._model.optimizer.build(self._model.trainable_variables)
        self._masks = float32_masks if spec.dtype == FLOAT32 else nullcontext
        self._step = tf.function(_step_of(self._model), reduce_retracing=True)

    def made(self, anchor: Anchor, batches: Sequence[Batch], *, validates: bool) -> AnchoredSteps:
        """Returns what the steps from a state compute.

        Args:
            anchor: the state.
            batches: images and labels of the steps.
            validates: whether to evaluate the validation samples first.
        """
        model = self._model
        _load(model, anchor)
        made = AnchoredSteps(anchor.weights, len(batches))
        if validates:
            made.keep_validation(evaluate(model, self._validation))
        names = [name for name, _ in named_variables(model)]
        metrics: list[tuple[float, float]] = []
        for rate, (x, y) in zip(anchor.rates, batches, strict=True):
            model.optimizer.learning_rate = rate
            with self._masks():
                loss, correct, norms = self._step(tf.constant(x, tf.float64), tf.constant(y))
            metrics.append((float(loss), float(correct)))
            # Keras tells means over samples.
            weights = [len(labels) for _, labels in batches[: len(metrics)]]
            running = np.average(metrics, axis=0, weights=weights)
            is_kept = made.next_is_kept
            made.keep(float(loss), tuple(running), dict(zip(names, map(float, norms), strict=True)))
            if is_kept:
                made.keep_state(get_weights(model), _slots(model))
        return made


def _step_of(model: keras.Model) -> Callable[..., Any]:
    """Returns a function that makes a step of training: (x, y) to loss, accuracy, norms."""

    # The calculation of `train_step`, which does not tell the gradients.
    def step(x: tf.Tensor, y: tf.Tensor) -> tuple[Any, Any, list[Any]]:
        with tf.GradientTape() as tape:
            output = model(x, training=True)
            loss = model.compute_loss(x=x, y=y, y_pred=output)
        gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
        model.optimizer.apply(gradients, model.trainable_variables)
        correct = tf.equal(tf.argmax(output, axis=-1), tf.cast(y, tf.int64))
        norms = [tf.norm(gradient) for gradient in gradients]
        return loss, tf.reduce_mean(tf.cast(correct, tf.float64)), norms

    return step


def _values(model: keras.Model) -> list[tf.Tensor]:
    """Returns weights and slots, as they are now."""
    variables = [variable for _, variable in named_variables(model)]
    found = [value for v in variables for _, value in slots(model.optimizer, v)]
    # Tensors share the memory of a variable until that is changed: in every step, copies are dear.
    return [tf.convert_to_tensor(variable) for variable in (*variables, *found)]


def num_changed(before: list[tf.Tensor], now: list[tf.Tensor]) -> int:
    """Returns how many values are not those before.

    Args:
        before: weights and slots; none in front of the first step.
        now: the same ones, later.
    """
    if not before:  # in front of the first step
        return 0
    arrays = [(np.asarray(a), np.asarray(b)) for a, b in zip(before, now, strict=True)]
    # A value that is no number stays the same.
    return sum(
        int(((a != b) & ~((a != a) & (b != b))).sum())
        for a, b in arrays
        if not np.array_equal(a, b)
    )


def _masked(model: keras.Model) -> dict[str, keras.Layer]:
    return {
        name: layer
        for name, layer in named_layers(model)
        if isinstance(layer, keras.layers.Dropout)
    }


def _masks(model: keras.Model) -> Weights:
    states = {name: layer.seed_generator.state for name, layer in _masked(model).items()}
    return {name: state.numpy().astype(np.int64) for name, state in states.items()}


def _slots(model: keras.Model) -> dict[str, Weights]:
    found: dict[str, Weights] = {}
    for name, variable in named_variables(model):
        for slot, value in slots(model.optimizer, variable):
            found.setdefault(slot, {})[name] = value.numpy()
    return found


def _load(model: keras.Model, anchor: Anchor) -> None:
    """Puts a model and its optimizer into the state of an anchor."""
    set_weights(model, dict(anchor.weights))
    for name, layer in _masked(model).items():
        state = layer.seed_generator.state
        state.assign(anchor.masks[name].astype(state.dtype))
    model.optimizer.iterations.assign(anchor.step)
    for name, variable in named_variables(model):
        for slot, value in slots(model.optimizer, variable):
            kept = anchor.slots.get(slot, {})  # none were there before the first step
            value.assign(kept[name] if name in kept else np.zeros(value.shape, value.dtype))
