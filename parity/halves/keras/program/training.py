"""A whole training of a user's Keras program, as its own `fit` makes it, written down."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras

from keras_impl.reference import Reference
from parity.errors import InputError
from parity.halves.keras import versions
from parity.halves.keras.check.model import get_weights
from parity.halves.keras.compiled_rate import StepRates
from parity.halves.keras.factories import building
from parity.halves.keras.program.anchors import Anchors
from parity.halves.keras.program.evaluation import Evaluation
from parity.halves.keras.program.feed import Written
from parity.halves.keras.program.own_steps import OwnSteps
from parity.halves.keras.program.phantom import PhantomSteps
from parity.programs.program_spec import ProgramSpec
from parity.traces.trace import History, RunResult, TraceWriter
from parity.traces.training_recorder import TrainingRecorder, loss_of

MIB = 2**20
# (step, number of steps or 0, running loss)
Report = Callable[[int, int, float], None]


def train(
    spec: ProgramSpec,
    reference: Reference,
    fed: Iterable[str],
    writer: TraceWriter,
    report: Report,
    anchors: Anchors | None = None,
    own: OwnSteps | None = None,
) -> tuple[Any, RunResult, dict[str, Written]]:
    """Trains a reference, and writes down what it does.

    Args:
        spec: of the training.
        reference: model, data and arguments of `fit`.
        fed: names of what it is fed, of `fed_arrays`.
        writer: receives `training/...`.
        report: called after every step.
        anchors: records states of the training; None: it is compared whole.
        own: watches steps by code of the user's own; None: they are Keras's.

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
    watching = RecorderCallback(recorder, report, own)
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
    if own is not None:
        own.finish()
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
        self, recorder: TrainingRecorder, report: Report, own: OwnSteps | None = None
    ) -> None:
        super().__init__()
        self._recorder, self._report, self._own = recorder, report, own
        self._step = 0
        self._rates = StepRates()

    def on_train_begin(self, logs: Any = None) -> None:
        """Before the first step."""
        self._recorder.on_begin()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """After every step."""
        if not logs or ("loss" not in logs and self._own is None):
            raise InputError(
                "the model's own train_step returns no 'loss'; expected it among what it returns, "
                "so that the trainings can be compared"
            )
        loss = loss_of(logs)
        if not self._step:
            self._recorder.on_first_step(logs)
        if self._own is not None:
            self._own.after_step(logs)
        optimizer: Any = self.model.optimizer if self._own is None else self._own.optimizer
        rate = self._rates.of_step(optimizer, int(optimizer.iterations) - 1)
        self._recorder.on_step(loss, rate)
        self._step += 1
        total = self.params.get("steps") or 0
        self._report(self._step, total * int(self.params.get("epochs") or 0), loss)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """After an epoch."""
        self._recorder.on_epoch_end()
