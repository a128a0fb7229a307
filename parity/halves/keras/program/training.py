"""A whole training of a user's Keras program, as its own `fit` makes it, written down."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any

import keras
import numpy as np

from keras_impl.reference import Reference
from parity.errors import InputError
from parity.halves.keras import versions
from parity.halves.keras.calls import recorded_calls
from parity.halves.keras.casts import in_float64
from parity.halves.keras.check.forward_backward import write_drawn
from parity.halves.keras.check.parts import optimizers_in
from parity.halves.keras.check.weights import get_weights
from parity.halves.keras.factories import building
from parity.halves.keras.program.anchors import Anchors
from parity.halves.keras.program.feed import Written, is_flow, rows_of
from parity.halves.keras.program.steps import PhantomSteps
from parity.halves.keras.schedules import StepRates, num_counted
from parity.ladder.custom_steps import FACT, counts_key, mode_of_step
from parity.programs.program_spec import ProgramSpec
from parity.traces.trace import History, KerasWriter, RunResult
from parity.traces.training_recorder import (
    EVALUATED_AT_ONCE,
    PREDICTIONS,
    TrainingRecorder,
    keep_evaluation,
    loss_of,
)

# --------------------------------------------------------------------------------------------------
#
# Evaluation: how well a model knows its training samples, and what it says of those of validation.
#
# The accuracy that `fit` tells is a mean over an epoch, with dropout and on augmented images, while
# the weights change: it cannot be set against that of validation.


class Evaluation(keras.callbacks.Callback):
    """Evaluates the training samples after every epoch, and predicts after the last one.

    Samples are taken as arrays, or as the arrays of a flow, before their augmentation. What is fed
    otherwise is left out.

    Args:
        reference: what is trained.
        writer: receives the columns `eval_...` of the history, and `predictions/val`.

    Attributes:
        wall_s: seconds that it took.
    """

    def __init__(self, reference: Reference, writer: KerasWriter) -> None:
        super().__init__()
        self._writer = writer
        given = reference.x
        x, y = (given.x, given.y) if is_flow(given) else (given, reference.y)
        self._samples = _batches(x, y) if versions.are_arrays((x, y)) else []
        validation = reference.validation_data
        has_arrays = validation is not None and versions.are_arrays(validation)
        self._validation = _batches(*validation[:2]) if has_arrays else []
        self.wall_s = 0.0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """After an epoch and its validation."""
        self._timed(self._evaluate)

    def on_train_end(self, logs: Any = None) -> None:
        """After the last epoch, when the best weights are restored."""
        self._timed(self._predict)

    def _evaluate(self) -> None:
        logs = [self.model.test_on_batch(x, y, return_dict=True) for x, y in self._samples]
        sizes = [len(y) for _, y in self._samples]
        if logs:
            numbers = {
                name: float(np.average([float(each[name]) for each in logs], weights=sizes))
                for name in logs[0]
            }
            keep_evaluation(self._writer, numbers)

    def _predict(self) -> None:
        """Writes what `model.predict` returns, without tracing a function for one call."""
        parts = [self.model(x, training=False) for x, _ in self._validation]
        if parts and not isinstance(parts[0], list | tuple | dict):
            self._writer.put(PREDICTIONS, np.concatenate([part.numpy() for part in parts]))

    def _timed(self, function: Callable[[], None]) -> None:
        started = time.perf_counter()
        function()
        self.wall_s += time.perf_counter() - started


def _batches(x: Any, y: Any) -> list[tuple[Any, Any]]:
    """Returns inputs and targets in batches; both are arrays, or nests of them."""
    number = len(keras.tree.flatten(x)[0])
    starts = range(0, number, EVALUATED_AT_ONCE)
    rows = [slice(start, start + EVALUATED_AT_ONCE) for start in starts]
    return [(rows_of(x, part), rows_of(y, part)) for part in rows]


# --- A whole training by a model's own `train_step`: what a port needs to make the same steps -----
#
# Masks and random numbers that a step draws are written down as it runs, so `fit` runs step by step
# and is not compiled, if there are any. The counts of the model's means say of what a number that
# `fit` shows is a mean.


class WatchedSteps:
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
        writer: KerasWriter,
        dtype: str,
        most_mib: int,
    ) -> None:
        step_facts = probes[FACT]
        self._model, self._writer, self._dtype = model, writer, dtype
        self._num_made, self._left, self._most_mib = 0, most_mib * 2**20, most_mib
        self._counts: dict[str, list[float]] = {}
        applied = step_facts["applied"]
        self._optimizer = applied[0]["optimizer"] if applied else "optimizer"
        if step_facts["num_drawn"] or step_facts["masks"]:
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


# --- A whole training of a user's Keras program, as its own `fit` makes it, written down ----------


MIB = 2**20
# (step, number of steps or 0, running loss)
Report = Callable[[int, int, float], None]


def train(
    spec: ProgramSpec,
    reference: Reference,
    fed: Iterable[str],
    writer: KerasWriter,
    report: Report,
    anchors: Anchors | None = None,
    watched_steps: WatchedSteps | None = None,
) -> tuple[Any, RunResult, dict[str, Written]]:
    """Trains a reference, and writes down what it does.

    Args:
        spec: of the training.
        reference: model, data and arguments of `fit`.
        fed: names of what it is fed, of `fed_arrays`.
        writer: receives `training/...`.
        report: called after every step.
        anchors: records states of the training; None: it is compared whole.
        watched_steps: watches steps by code of the user's own; None: they are Keras's.

    Returns:
        What `fit` returns; history, weights and seconds; and the batches that were fed of what is
        no arrays, as "train_batches" and "val_batches".
    """
    model: Any = reference.model
    arguments = reference.fit_arguments()
    written = {name: Written(spec.max_feed * MIB) for name in fed if name.endswith("_batches")}
    for name, batches in written.items():
        batches.watch(model, "train_step" if name.startswith("train") else "test_step")
    recorder = TrainingRecorder(writer, lambda: get_weights(model))
    watching = RecorderCallback(recorder, report, watched_steps)
    evaluations = [Evaluation(reference, writer)] if spec.evaluates else []
    arguments["callbacks"] = [*reference.callbacks, watching, *evaluations]
    if anchors is not None:
        arguments["callbacks"] = [anchors.first, *arguments["callbacks"], anchors]
    phantom = None
    if "train_batches" in written:
        phantom = PhantomSteps(anchors.after_phantom_step if anchors is not None else None)
        arguments["callbacks"].insert(0, phantom)
    fitted, result = fit(model, arguments, spec.dtype)
    beside = sum(each.wall_s for each in (anchors, *evaluations) if each is not None)
    result = dataclasses.replace(result, wall_s=result.wall_s - beside)
    recorder.on_end()
    if watched_steps is not None:
        watched_steps.finish()
    if phantom is not None and phantom.told:
        writer.facts["phantom_steps"] = phantom.told
    return fitted, result, written


def fit(model: keras.Model, arguments: Mapping[str, Any], dtype: str) -> tuple[Any, RunResult]:
    """Calls Keras's `fit`; returns what it returns, and history and seconds.

    It is not `model.fit`: a class of the user's own has called this one, and changed the arguments.

    Args:
        model: compiled.
        arguments: of `fit`.
        dtype: of the training.
    """
    started = time.perf_counter()
    with building(dtype), versions.top_k_in_float32():
        fitted = keras.Model.fit(model, **arguments, verbose=0)
    wall_s = time.perf_counter() - started
    # Of generators: callbacks of the user may have changed what they return.
    history: History = {k: [float(v) for v in column] for k, column in fitted.history.items()}
    return fitted, RunResult(history, {}, wall_s)


class RecorderCallback(keras.callbacks.Callback):
    """Calls a recorder during `fit`.

    Args:
        recorder: of the training.
        report: called after every step.
        own: watches steps by code of the user's own; None: they are Keras's.
    """

    def __init__(
        self, recorder: TrainingRecorder, report: Report, watched_steps: WatchedSteps | None = None
    ) -> None:
        super().__init__()
        self._recorder, self._report, self._watched_steps = recorder, report, watched_steps
        self._step = 0
        self._rates = StepRates()

    def on_train_begin(self, logs: Any = None) -> None:
        """Before the first step."""
        self._recorder.on_begin()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """After every step."""
        if not logs or ("loss" not in logs and self._watched_steps is None):
            raise InputError(
                "the model's own train_step returns no 'loss'; expected it among what it returns, "
                "so that the trainings can be compared"
            )
        loss = loss_of(logs)
        if not self._step:
            self._recorder.on_first_step(logs)
        if self._watched_steps is not None:
            self._watched_steps.after_step(logs)
        optimizer: Any = (
            self.model.optimizer if self._watched_steps is None else self._watched_steps.optimizer
        )
        rate = self._rates.of_step(optimizer, num_counted(optimizer) - 1)
        self._recorder.on_step(loss, rate)
        self._step += 1
        total = self.params.get("steps") or 0
        self._report(self._step, total * int(self.params.get("epochs") or 0), loss)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """After an epoch."""
        self._recorder.on_epoch_end()
