"""What a Recorder keeps, and that it asks for no more."""

import numpy as np
import pytest
from parity.traces.recorder import Recorder, is_recorded_step

from parity.traces.trace import TraceWriter


class Training:
    """Stands in for a half: its only weight is the number of steps done.

    Args:
        steps_per_epoch: of the run.
        epochs: that are planned.
        ends_after: epochs after which training ends; all by default.
        **options: of the recorder.
    """

    def __init__(self, *, steps_per_epoch, epochs, ends_after=None, **options):
        self.writer, self.asked, self.reported = TraceWriter(), [], []
        self.evaluated = []
        self.step = 0
        recorder = Recorder(
            self.writer,
            steps_per_epoch=steps_per_epoch,
            epochs=epochs,
            report=lambda *progress: self.reported.append(progress),
            **options,
        )
        recorder.on_start(self.weights)
        for self.step in range(1, steps_per_epoch * (ends_after or epochs) + 1):
            recorder.on_step(1.0 / self.step, self.weights)
            if self.step % steps_per_epoch == 0:
                recorder.on_epoch_end(self.evaluate)
        recorder.on_end(lambda: np.array([[0.25, 0.75]]))

    def weights(self):
        self.asked.append(self.step)
        return {"w": np.array([self.step], np.float32)}

    def evaluate(self):
        self.evaluated.append(self.step)
        return self.step / 2, self.step / 100


def test_recorded_steps_are_1_2_5_and_these_times_powers_of_ten():
    recorded = [step for step in range(1, 3000) if is_recorded_step(step)]
    assert recorded == [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000]


@pytest.mark.parametrize("step", [3, 4, 6, 7, 11, 15, 25, 30, 110, 150, 501, 1001])
def test_other_steps_are_not_recorded(step):
    assert not is_recorded_step(step)


@pytest.mark.parametrize(
    ("steps_per_epoch", "epochs", "expected"),
    [
        (1, 4, [0, 1, 2, 3, 4]),
        (3, 4, [0, 1, 2, 3, 5, 6, 9, 10, 12]),
        (10, 1, [0, 1, 2, 5, 10]),
        (7, 3, [0, 1, 2, 5, 7, 10, 14, 20, 21]),
    ],
    ids=lambda value: str(value),
)
def test_weights_are_kept_at_the_start_at_recorded_steps_and_at_epoch_ends(
    steps_per_epoch, epochs, expected
):
    training = Training(steps_per_epoch=steps_per_epoch, epochs=epochs)
    kept = [key for key in training.writer.arrays if key.startswith("trajectory/")]
    assert kept == [f"trajectory/{step}/w" for step in expected]
    for step in expected:
        assert training.writer.arrays[f"trajectory/{step}/w"].tolist() == [step]


def test_weights_are_asked_for_only_where_they_are_kept():
    assert Training(steps_per_epoch=7, epochs=3).asked == [0, 1, 2, 5, 7, 10, 14, 20, 21]


def test_the_running_loss_of_every_step_is_kept_in_float64():
    losses = Training(steps_per_epoch=3, epochs=2).writer.arrays["running_loss"]
    assert losses.dtype == np.float64
    assert losses.tolist() == [1 / step for step in range(1, 7)]


def test_the_length_of_an_epoch_is_a_fact():
    assert Training(steps_per_epoch=3, epochs=2).writer.facts == {"steps_per_epoch": 3}


def test_every_step_is_reported_with_the_number_of_all_steps():
    reported = Training(steps_per_epoch=2, epochs=2).reported
    assert reported == [(1, 4, 1.0), (2, 4, 1 / 2), (3, 4, 1 / 3), (4, 4, 1 / 4)]


def test_progress_is_optional():
    recorder = Recorder(TraceWriter(), steps_per_epoch=1, epochs=1)
    recorder.on_step(1.0, lambda: {})


def test_training_samples_are_evaluated_once_at_the_end_of_every_epoch():
    training = Training(steps_per_epoch=3, epochs=4)
    assert training.evaluated == [3, 6, 9, 12]
    assert training.writer.columns == {
        "eval_loss": [1.5, 3.0, 4.5, 6.0],
        "eval_accuracy": [0.03, 0.06, 0.09, 0.12],
    }


def test_the_predictions_of_the_end_are_kept():
    kept = Training(steps_per_epoch=3, epochs=1).writer.arrays["predictions/val"]
    assert kept.tolist() == [[0.25, 0.75]]


def test_a_training_that_ends_early_is_kept_as_far_as_it_went():
    training = Training(steps_per_epoch=3, epochs=9, ends_after=2)
    assert training.asked == [0, 1, 2, 3, 5, 6]
    assert training.writer.arrays["running_loss"].tolist() == [1 / step for step in range(1, 7)]
    assert training.writer.columns["eval_loss"] == [1.5, 3.0]
    # Progress counts the steps that were planned.
    assert training.reported[-1] == (6, 27, 1 / 6)


@pytest.mark.parametrize("outcome", [(0.5,), (0.5, 0.25, 1.0)], ids=["one", "three"])
def test_an_evaluation_of_other_than_two_numbers_is_an_error(outcome):
    recorder = Recorder(TraceWriter(), steps_per_epoch=1, epochs=1)
    with pytest.raises(ValueError, match="zip"):
        recorder.on_epoch_end(lambda: outcome)
