"""fit: trains one spec with Keras's own `model.fit`."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import keras
import numpy as np

from keras_impl.data import evaluation_data, training_data, validation_data
from keras_impl.models import build_model
from keras_impl.weights import get_weights

if TYPE_CHECKING:
    from parity.data.dataset import Data
    from parity.programs.run_spec import RunSpec
    from parity.traces.training_recorder import Observer


class Result(NamedTuple):
    """What `fit` returns.

    Attributes:
        history: Keras's keys (loss, accuracy, val_loss, val_accuracy, learning_rate), each with one
            float an epoch; learning_rate is the rate with which the epoch was trained.
        weights: name to array in the portable layout, such as "conv1.kernel".
        wall_s: seconds spent training, model building and data preparation not counted.
    """

    history: dict[str, list[float]]
    weights: dict[str, np.ndarray]
    wall_s: float


def fit(spec: RunSpec, data: Data, observer: Observer | None = None) -> Result:
    """Trains the network of a spec from its seed.

    Args:
        spec: the run; every random number follows from `spec.seed`.
        data: the arrays of the run.
        observer: is called during the run, which it does not change.

    Returns:
        History with Keras's keys, the final weights, and the seconds spent training.
    """
    model = build_model(spec, data.input_shape, data.num_classes)
    callbacks = callbacks_of(spec)
    if observer is not None:
        callbacks.append(ObserverCallback(observer, evaluation_data(spec, data)))
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
    # Keras logs the rate only if a callback may change it; without one it is a constant.
    rate = float(model.optimizer.learning_rate.numpy())
    history.setdefault("learning_rate", [rate] * len(history["loss"]))
    history = {key: [float(value) for value in values] for key, values in history.items()}
    return Result(history, get_weights(model), wall_s)


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


class ObserverCallback(keras.callbacks.Callback):
    """Calls an observer during a Keras run.

    Args:
        observer: what is called.
        evaluation: batches (images, labels) of the training samples, not augmented.
    """

    def __init__(
        self, observer: Observer, evaluation: Sequence[tuple[np.ndarray, np.ndarray]]
    ) -> None:
        super().__init__()
        self._observer, self._evaluation = observer, evaluation

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Reports a step."""
        self._observer.on_step()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Reports the end of an epoch."""
        self._observer.on_epoch_end(lambda: evaluate(self.model, self._evaluation))
