"""What is kept of how well the training samples are known, while a sweep trains."""

import pytest

from parity.traces.observer import EpochObserver


@pytest.fixture
def observer():
    """Counts the steps that it was told of."""
    told = []
    made = EpochObserver(on_step=lambda: told.append(1))
    made.told = told
    return made


def test_every_step_is_told(observer):
    for _ in range(3):
        observer.on_step()
    assert len(observer.told) == 3
    assert observer.columns == {}


def test_training_samples_are_evaluated_once_at_the_end_of_every_epoch(observer):
    evaluated = []

    def evaluate():
        evaluated.append(1)
        return 2.0 / len(evaluated), 0.25 * len(evaluated)

    for _ in range(3):
        observer.on_epoch_end(evaluate)
    assert len(evaluated) == 3
    assert observer.columns == {
        "eval_loss": [2.0, 1.0, 2.0 / 3],
        "eval_accuracy": [0.25, 0.5, 0.75],
    }
    assert observer.told == []


@pytest.mark.parametrize("outcome", [(0.5,), (0.5, 0.25, 1.0)], ids=["one", "three"])
def test_an_evaluation_of_other_than_two_numbers_is_an_error(observer, outcome):
    with pytest.raises(ValueError, match="zip"):
        observer.on_epoch_end(lambda: outcome)
