"""fit: trains one spec with Keras's own `model.fit`."""

from __future__ import annotations

import dataclasses
import time

import keras

from keras_impl.data import training_data, validation_data
from keras_impl.models import build_model
from keras_impl.weights import get_weights, set_weights
from parity.data import Data
from parity.nudge import nudged
from parity.recorder import Recorder
from parity.spec import RunSpec
from parity.trace import RunResult


def fit(spec: RunSpec, data: Data, recorder: Recorder | None = None) -> RunResult:
    """Trains the network of a spec from its seed.

    Args:
        spec: the run; every random number follows from `spec.seed`.
        data: the arrays of the run.
        recorder: what is written down on the way; it does not change the run.

    Returns:
        History with Keras's keys, the final weights, and the seconds spent training.
    """
    model = build_model(spec, data.input_shape, data.num_classes)
    if spec.nudge:
        set_weights(model, nudged(get_weights(model), spec.nudge))
    callbacks: list[keras.callbacks.Callback] = []
    if spec.reduce_lr is not None:
        callbacks.append(keras.callbacks.ReduceLROnPlateau(**dataclasses.asdict(spec.reduce_lr)))
    if recorder is not None:
        callbacks.append(RecorderCallback(recorder))
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
    # Keras logs the rate only where a callback may change it; elsewhere it is a constant.
    rate = float(model.optimizer.learning_rate.numpy())
    history.setdefault("learning_rate", [rate] * spec.epochs)
    return RunResult(
        {key: [float(value) for value in values] for key, values in history.items()},
        get_weights(model),
        wall_s,
    )


class RecorderCallback(keras.callbacks.Callback):
    """Hands what a Recorder keeps from a Keras run to it."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Initial weights."""
        self._recorder.on_start(lambda: get_weights(self.model))

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """One step."""
        assert logs is not None
        self._recorder.on_step(float(logs["loss"]), lambda: get_weights(self.model))

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """The end of training."""
        self._recorder.on_end()
