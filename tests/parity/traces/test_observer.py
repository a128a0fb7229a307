"""What is kept of how well the training samples are known, while a sweep trains."""

import pytest

from parity.traces.training_recorder import EpochObserver


def test_steps_are_told_and_each_epoch_ends_with_one_evaluation_of_two_numbers():
    told, evaluations = [], iter([(2.0, 0.25), (1.0, 0.5)])
    observer = EpochObserver(on_step=lambda: told.append(1))
    for _ in range(2):
        observer.on_step()
        observer.on_epoch_end(evaluations.__next__)
    assert len(told) == 2
    assert observer.columns == {"eval_loss": [2.0, 1.0], "eval_accuracy": [0.25, 0.5]}
    with pytest.raises(ValueError, match="zip"):
        observer.on_epoch_end(lambda: (0.5,))
