"""A whole training is written down at chosen steps, at the ends of epochs, and at its end."""

import numpy as np
from rows import each_row

from parity.traces.trace import TraceWriter
from parity.traces.training_recorder import (
    TrainingRecorder,
    is_recorded_step,
    keep_evaluation,
)


class Training:
    """Stands in for a half: its only weight is the number of steps done.

    Args:
        ends: number of steps after each epoch.
        restores: what it ends with, if these are other weights.
    """

    def __init__(self, *ends, restores=None):
        self.writer, self.asked, self.reported = TraceWriter(), [], []
        self.step = 0
        recorder = TrainingRecorder(
            self.writer, self.weights, lambda *told: self.reported.append(told)
        )
        recorder.on_begin()
        for self.step in range(1, max(ends, default=0) + 1):
            recorder.on_step(1 / self.step, 0.1 / self.step)
            if self.step in ends:
                recorder.on_epoch_end()
        self.step = self.step if restores is None else restores
        recorder.on_end()

    def weights(self):
        self.asked.append(self.step)
        return {"w": np.array([self.step], np.float32)}

    @property
    def kept(self):
        """Step -> what was kept of its weight."""
        start = "training/weights/"
        arrays = self.writer.arrays.items()
        return {int(k.split("/")[2]): a.item() for k, a in arrays if k.startswith(start)}


def test_recorded_steps_are_1_2_5_and_these_times_powers_of_ten():
    recorded = [step for step in range(1, 3000) if is_recorded_step(step)]
    assert recorded == [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000]


@each_row("ends", [(3, 6), ()])
def test_loss_and_rate_of_every_step_are_kept_in_float64_and_told(ends):
    training, steps = Training(*ends), range(1, max(ends, default=0) + 1)
    for key, first in (("training/loss", 1.0), ("training/rates", 0.1)):
        array = training.writer.arrays[key]
        assert (array.dtype, array.tolist()) == (np.float64, [first / step for step in steps])
    assert training.writer.facts == {"epoch_ends": list(ends)}
    assert training.reported == [(step, 1 / step) for step in steps]


@each_row(
    ("ends", "expected"),
    [
        ((1, 2, 3, 4), [0, 1, 2, 3, 4]),
        ((3, 6, 9, 12), [0, 1, 2, 3, 5, 6, 9, 10, 12]),
        ((10,), [0, 1, 2, 5, 10]),
        ((7, 14, 21), [0, 1, 2, 5, 7, 10, 14, 20, 21]),
        ((4, 5, 8), [0, 1, 2, 4, 5, 8]),  # epochs of other lengths
        ((), [0]),
    ],
    ids=str,
)
def test_weights_are_kept_at_the_start_at_recorded_steps_and_at_epoch_ends(ends, expected):
    training = Training(*ends)
    assert training.kept == {step: step for step in expected}
    # They are asked for only where they are kept, and at the end.
    assert training.asked == [*expected, max(ends, default=0)]


def test_the_weights_at_the_end_may_be_those_of_an_earlier_step():
    training = Training(4, 8, restores=4)
    assert training.writer.arrays["training/final/w"].tolist() == [4]
    assert training.kept[8] == 8


def test_of_the_first_step_the_loss_of_each_output_is_kept():
    writer = TraceWriter()
    recorder = TrainingRecorder(writer, dict)
    recorder.on_first_step({"loss": 3, "mask_loss": np.float32(2), "box_loss": 1, "box_mae": 7})
    assert writer.facts["first_losses"] == {"": 3.0, "mask": 2.0, "box": 1.0}


def test_an_evaluation_becomes_columns_of_the_history():
    writer = TraceWriter()
    for number in (1, 2):
        keep_evaluation(writer, {"loss": np.float32(0.5) / number, "accuracy": number / 4})
    assert writer.columns == {"eval_loss": [0.5, 0.25], "eval_accuracy": [0.25, 0.5]}
    assert all(type(value) is float for column in writer.columns.values() for value in column)
