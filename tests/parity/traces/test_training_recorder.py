"""A whole training is written down at chosen steps, at the ends of epochs, and at its end."""

import numpy as np

from parity.traces.trace import TraceWriter
from parity.traces.training_recorder import TrainingRecorder


def test_weights_are_kept_at_chosen_steps_and_at_the_ends_of_epochs():
    writer, reported = TraceWriter(), []
    state = {"w": np.zeros(3)}
    recorder = TrainingRecorder(writer, lambda: dict(state), lambda *told: reported.append(told))
    recorder.on_begin()
    for step in range(1, 9):
        state["w"] = np.full(3, step)
        recorder.on_step(1 / step, 0.1)
        if step % 4 == 0:
            recorder.on_epoch_end()
    state["w"] = np.full(3, 4.0)  # restored
    recorder.on_end()
    kept = {key: value[0] for key, value in writer.arrays.items() if "weights" in key}
    assert kept == {f"training/weights/{step}/w": step for step in (0, 1, 2, 5, 4, 8)}
    assert writer.arrays["training/loss"].tolist() == [1 / step for step in range(1, 9)]
    assert writer.arrays["training/rates"].tolist() == [0.1] * 8
    assert writer.arrays["training/final/w"].tolist() == [4.0] * 3
    assert writer.facts["epoch_ends"] == [4, 8]
    assert reported[-1] == (8, 1 / 8)


def test_an_epoch_that_ends_at_a_chosen_step_is_kept_once():
    writer = TraceWriter()
    recorder = TrainingRecorder(writer, lambda: {"w": np.zeros(1)})
    recorder.on_begin()
    for _ in range(2):
        recorder.on_step(0.0, 0.0)
    recorder.on_epoch_end()
    assert [key for key in writer.arrays if "/2/" in key] == ["training/weights/2/w"]


def test_of_a_large_weight_some_values_are_kept_and_all_at_the_end():
    writer = TraceWriter()
    recorder = TrainingRecorder(writer, lambda: {"w": np.zeros(5000)})
    recorder.on_begin()
    recorder.on_end()
    assert writer.arrays["training/weights/0/w"].size <= 1024
    assert writer.arrays["training/final/w"].size == 5000
