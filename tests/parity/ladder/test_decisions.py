"""What the rules say of a history is what Keras's callbacks do with it."""

import functools
from dataclasses import asdict
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from parity.ladder.decisions import closest_call, decisions
from parity.programs.run_spec import EarlyStopping, ReduceLR, RunSpec

NUM_EPOCHS = 24


def losses(seed, decimals):
    """Losses that fall and rise; few decimals give ties, and differences of exactly min_delta."""
    generator = np.random.default_rng(seed)
    steps = generator.normal(-0.02, 0.15, NUM_EPOCHS)
    return [float(np.float32(round(value, decimals))) for value in 2 + np.cumsum(steps)]


@functools.cache
def optimizer_of(dtype):
    """One for all sequences: to make one takes Keras longer than a sequence."""
    assert keras.config.floatx() == dtype
    return keras.optimizers.SGD()


def decided_by_keras(spec, values):
    """Rates, number of epochs and the epoch whose weights are the last, by Keras's callbacks."""
    optimizer = optimizer_of(spec.dtype)
    optimizer.learning_rate = spec.learning_rate
    model = SimpleNamespace(optimizer=optimizer, stop_training=False, weights=None)
    model.get_weights = lambda: model.weights
    model.set_weights = lambda weights: setattr(model, "weights", weights)
    callbacks = []
    if spec.reduce_lr is not None:
        callbacks.append(keras.callbacks.ReduceLROnPlateau(**asdict(spec.reduce_lr), mode="min"))
    if spec.early_stopping is not None:
        settings = asdict(spec.early_stopping)
        callbacks.append(keras.callbacks.EarlyStopping(**settings, mode="min"))
    for callback in callbacks:
        callback.set_model(model)
        callback.on_train_begin()
    rates = []
    for epoch, value in enumerate(values):
        model.weights = epoch
        rates.append(float(keras.ops.convert_to_numpy(optimizer.learning_rate)))
        for callback in callbacks:
            callback.on_epoch_end(epoch, {"loss": value, "val_loss": value})
        if model.stop_training:
            break
    for callback in callbacks:
        callback.on_train_end()
    return rates, len(rates), model.weights


REDUCE = {
    "plain": ReduceLR(patience=2),
    "a delta and a cooldown": ReduceLR(patience=1, min_delta=0.1, cooldown=2, factor=0.5),
    "a least rate": ReduceLR(patience=1, factor=0.3, min_lr=2e-4),
    "the training loss": ReduceLR(monitor="loss", patience=3),
    "a long cooldown": ReduceLR(patience=2, cooldown=3, factor=0.5),
}
STOP = {
    "plain": EarlyStopping(patience=3),
    "restores": EarlyStopping(patience=2, restore_best_weights=True, min_delta=0.05),
    "starts late": EarlyStopping(patience=2, start_from_epoch=5, restore_best_weights=True),
    "at once": EarlyStopping(patience=0, restore_best_weights=True),
}


@pytest.mark.parametrize("decimals", [1, 6])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", REDUCE.values(), ids=REDUCE)
def test_rates_are_those_of_reduce_lr_on_plateau(rule, dtype, decimals):
    keras.config.set_floatx(dtype)
    for seed in range(20):
        values = losses(seed, decimals)
        spec = RunSpec(epochs=NUM_EPOCHS, reduce_lr=rule, dtype=dtype)
        found = decisions(spec, {"loss": values, "val_loss": values})
        assert found.rates == decided_by_keras(spec, values)[0]


@pytest.mark.parametrize("decimals", [1, 6])
@pytest.mark.parametrize("rule", STOP.values(), ids=STOP)
def test_the_end_and_the_last_weights_are_those_of_early_stopping(rule, decimals):
    for seed in range(20):
        values = losses(seed, decimals)
        spec = RunSpec(epochs=NUM_EPOCHS, early_stopping=rule)
        _, num_epochs, best = decided_by_keras(spec, values)
        trained = {"loss": values[:num_epochs], "val_loss": values[:num_epochs]}
        found = decisions(spec, trained)
        assert (found.num_epochs, found.best_epoch) == (num_epochs, best)


def of(values, *, epochs=5, **settings):
    """What the rules say of a run whose losses are these, in training and in validation."""
    return decisions(RunSpec(epochs=epochs, **settings), {"loss": values, "val_loss": values})


def test_a_run_without_rules_keeps_its_rate_and_ends_with_its_last_epoch():
    found = of([4.0, 3.0, 5.0, 6.0], dtype="float64")
    assert (found.rates, found.num_epochs, found.best_epoch) == ([0.001] * 4, 5, 3)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"restore_best_weights": False}, 2),
        ({"restore_best_weights": True}, 1),
        ({"restore_best_weights": True, "start_from_epoch": 3}, 2),
    ],
    ids=["last", "best", "watched too late"],
)
def test_a_run_that_is_not_stopped_ends_with_its_last_weights_unless_it_restores(
    settings, expected
):
    found = of([3.0, 2.0, 4.0], epochs=3, early_stopping=EarlyStopping(patience=9, **settings))
    assert (found.num_epochs, found.best_epoch) == (3, expected)


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (1e-4, 1e-4),  # it starts below, and is not raised
        (1e-3 * (1 + 1e-9), 1e-3 * (1 + 1e-9)),  # the same in float32, in which Keras compares
        (1e-3 * (1 + 1e-6), 1e-3),
    ],
    ids=["below", "equal in float32", "above"],
)
def test_a_rate_is_cut_only_above_the_least_one(rate, expected):
    rule = ReduceLR(patience=1, min_lr=1e-3)
    found = of([1.0, 2.0, 3.0], dtype="float64", learning_rate=rate, reduce_lr=rule)
    assert found.rates == [rate, rate, expected]


def test_a_run_that_goes_on_past_its_end_is_told_where_the_end_was():
    spec = RunSpec(epochs=5, early_stopping=EarlyStopping(patience=1))
    values = [1.0, 2.0, 3.0, 4.0, 5.0]
    assert decisions(spec, {"loss": values, "val_loss": values}).num_epochs == 2


def test_a_run_that_ends_before_its_rule_says_so_should_have_had_all_epochs():
    spec = RunSpec(epochs=5, early_stopping=EarlyStopping(patience=4))
    values = [1.0, 2.0]
    assert decisions(spec, {"loss": values, "val_loss": values}).num_epochs == 5


def test_a_loss_that_is_not_a_number_is_no_improvement():
    spec = RunSpec(epochs=3, reduce_lr=ReduceLR(patience=1, factor=0.5), dtype="float64")
    values = [1.0, float("nan"), 0.5]
    assert decisions(spec, {"loss": values, "val_loss": values}).rates == [0.001, 0.001, 0.0005]


def test_the_closest_call_is_the_epoch_whose_improvement_was_decided_by_least():
    # Improvements by 0.5, -0.25, 0.125 over the best one, less a min_delta of 0.0625.
    assert closest_call([1.0, 0.5, 0.75, 0.375], min_delta=0.0625) == (3, 0.0625)
    # By 0.4375, and by -0.3125.
    assert closest_call([1.0, 0.5, 0.75], min_delta=0.0625) == (2, 0.3125)


def test_the_first_epoch_is_no_call_and_the_second_may_be_the_closest():
    assert closest_call([1.0]) == (0, float("inf"))
    assert closest_call([1.0, 0.75, 0.25]) == (1, 0.25)


def test_of_calls_that_are_equally_close_the_first_is_told():
    assert closest_call([1.0, 0.75, 0.5]) == (1, 0.25)


def test_epochs_that_are_not_watched_are_no_calls():
    assert closest_call([1.0, 1.0, 0.75, 0.25], start=2) == (3, 0.5)
