"""fit: trains one spec with Keras's own `model.fit`."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np

from keras_impl.data import EVALUATION_BATCH_SIZE, evaluation_data, training_data, validation_data
from keras_impl.models import build_model
from keras_impl.weights import get_weights
from parity.data.dataset import Data
from parity.programs.run_spec import RunSpec
from parity.traces.recorder import Observer
from parity.traces.trace import RunResult

if TYPE_CHECKING:
    from keras_impl.harness.anchors import Anchors


def fit(
    spec: RunSpec,
    data: Data,
    recorder: Observer | None = None,
    anchors: Anchors | None = None,
) -> RunResult:
    """Trains the network of a spec from its seed.

    Args:
        spec: the run; every random number follows from `spec.seed`.
        data: the arrays of the run.
        recorder: is called during the run, which it does not change.
        anchors: receives states of the run, and makes steps from them after it.

    Returns:
        History with Keras's keys, the final weights, and the seconds spent training.
    """
    model = build_model(spec, data.input_shape, data.num_classes)
    callbacks = callbacks_of(spec)
    if recorder is not None:
        x_val, _ = validation_data(spec, data)
        callbacks.append(RecorderCallback(recorder, evaluation_data(spec, data), x_val))
    if anchors is not None:
        callbacks.append(anchors)
    train = training_data(spec, data)
    started = time.perf_counter()
    history = model.fit(
        **train,
        epochs=spec.epochs,
        validation_data=validation_data(spec, data),
        callbacks=callbacks,
        verbose=0,
    ).history
    wall_s = time.perf_counter() - started
    if anchors is not None:
        wall_s -= anchors.wall_s
    # Keras logs the rate only if a callback may change it; without one it is a constant.
    rate = float(model.optimizer.learning_rate.numpy())
    history.setdefault("learning_rate", [rate] * len(history["loss"]))
    result = RunResult(
        {key: [float(value) for value in values] for key, values in history.items()},
        get_weights(model),
        wall_s,
    )
    if anchors is not None:
        anchors.finish()
    return result


def callbacks_of(spec: RunSpec) -> list[keras.callbacks.Callback]:
    """Returns the callbacks of a spec, which change the training, in their order."""
    found: list[keras.callbacks.Callback] = []
    if spec.reduce_lr is not None:
        found.append(keras.callbacks.ReduceLROnPlateau(**dataclasses.asdict(spec.reduce_lr)))
    if spec.early_stopping is not None:
        found.append(keras.callbacks.EarlyStopping(**dataclasses.asdict(spec.early_stopping)))
    return found


def evaluate(
    model: keras.Model, batches: Sequence[tuple[np.ndarray, np.ndarray]]
) -> tuple[float, float]:
    """Returns (loss, accuracy) as `model.evaluate` does, without building its pipeline each time.

    Args:
        model: compiled, with the metric "accuracy".
        batches: of images and labels.
    """
    logs = [model.test_on_batch(x, y, return_dict=True) for x, y in batches]
    sizes = [len(y) for _, y in batches]
    loss, accuracy = (
        float(np.average([float(each[name]) for each in logs], weights=sizes))
        for name in ("loss", "accuracy")
    )
    return loss, accuracy


class RecorderCallback(keras.callbacks.Callback):
    """Calls an observer during a Keras run.

    Args:
        recorder: the observer.
        evaluation: batches (images, labels) of the training samples, not augmented.
        x_val: (N, H, W, C) validation images.
    """

    def __init__(
        self,
        recorder: Observer,
        evaluation: Sequence[tuple[np.ndarray, np.ndarray]],
        x_val: np.ndarray,
    ) -> None:
        super().__init__()
        self._recorder, self._evaluation, self._x_val = recorder, evaluation, x_val

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Reports the initial weights."""
        self._recorder.on_start(lambda: get_weights(self.model))

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Reports a step."""
        assert logs is not None
        self._recorder.on_step(float(logs["loss"]), lambda: get_weights(self.model))

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Reports the end of an epoch."""
        self._recorder.on_epoch_end(self._evaluate)

    def _evaluate(self) -> tuple[float, float]:
        return evaluate(self.model, self._evaluation)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Reports the end of training."""
        self._recorder.on_end(self._predict)

    def _predict(self) -> np.ndarray:
        """Returns what `model.predict` returns, without tracing a function for one call."""
        starts = range(0, len(self._x_val), EVALUATION_BATCH_SIZE)
        batches = [self._x_val[start : start + EVALUATION_BATCH_SIZE] for start in starts]
        return np.concatenate([self.model(x, training=False).numpy() for x in batches])
