"""Rates are cut when Keras's callback does it, to the same rate."""

import functools
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import torch
from covering import one_test

from torch_impl.schedule import ReduceLROnPlateau

RATE, NAN = 0.001, float("nan")


def metric_values(seed, min_delta, dtype):
    """A sequence of losses with ties, plateaus, steps around `min_delta`, jumps and NaN.

    Values are numbers of the dtype of the run, as the losses of a run are.
    """
    generator = np.random.default_rng([seed, 1])
    best, values = 2.0, [NAN if seed % 10 == 0 else 2.0]
    tiny = 1e-9 if dtype == "float64" else 1e-7
    while len(values) < 30:
        # What may come next, and how often.
        moves = {
            best: 0.2,
            best + generator.uniform(0, 0.01): 0.25,
            best - min_delta + generator.choice([-tiny, -1e-12, 0, 1e-12, tiny]): 0.25,
            best - min_delta - generator.uniform(0, 0.2): 0.1,
            best + generator.uniform(0, 1): 0.15,
            **{NAN: 0.03, float("inf"): 0.02},
        }
        shares = np.array([*moves.values()])
        value = float(np.dtype(dtype).type(generator.choice([*moves], p=shares / shares.sum())))
        best = np.fmin(best, value)
        values.append(value)
    return values


def rules(seed):
    """Random arguments, over all that the callback takes."""
    generator = np.random.default_rng(seed)
    return {
        "factor": float(generator.choice([0.1, 0.2, 0.5, 0.9])),
        "patience": int(generator.integers(1, 6)),
        "cooldown": int(generator.integers(0, 4)),
        "min_delta": float(generator.choice([0.0, 1e-4, 0.01, 0.3])),
        "min_lr": float(generator.choice([0.0, 1e-5, 3e-4, 0.001])),
    }


@functools.cache
def keras_optimizer(dtype):
    """One for all sequences: to make one takes Keras longer than a sequence."""
    keras.config.set_floatx(dtype)
    return keras.optimizers.Adam(RATE)


def keras_rates(values, dtype, **rule):
    """The rate after each epoch, from Keras's callback itself."""
    optimizer = keras_optimizer(dtype)
    optimizer.learning_rate = RATE
    callback = keras.callbacks.ReduceLROnPlateau(monitor="val_loss", **rule)
    callback.set_model(SimpleNamespace(optimizer=optimizer))
    callback.on_train_begin()
    rates = []
    for epoch, value in enumerate(values):
        callback.on_epoch_end(epoch, {"val_loss": value})
        rates.append(float(optimizer.learning_rate.numpy()))
    return rates


def an_optimizer(dtype="float32"):
    return torch.optim.SGD([torch.zeros(1, dtype=getattr(torch, dtype), requires_grad=True)], RATE)


def our_rates(values, dtype, **rule):
    optimizer = an_optimizer(dtype)
    schedule, rates = ReduceLROnPlateau(optimizer, **rule), [optimizer.param_groups[0]["lr"]]
    for value in values:
        has_cut = schedule.step(value)
        rates.append(optimizer.param_groups[0]["lr"])
        assert has_cut == (rates[-1] != rates[-2])
    return rates[1:]


def test_all_groups_are_cut():
    parameters = [torch.zeros(1, requires_grad=True) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": [p], "lr": 0.5} for p in parameters])
    schedule = ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    assert [schedule.step(1.0) for _ in range(2)] == [False, True]
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]


@one_test
@pytest.mark.parametrize("factor", [0, 1, 1.5, -0.1, NAN])
def test_a_factor_outside_of_the_unit_interval_is_an_error_that_shows_it(factor):
    with pytest.raises(ValueError, match=rf"factor={factor!r}: expected a number in \(0, 1\)"):
        ReduceLROnPlateau(an_optimizer(), factor=factor)


@one_test
@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_metric_of_either_direction_gives_the_rates_of_keras(dtype, mode):
    num_cuts = 0
    for seed in range(1000, 1060):
        rule = {**rules(seed), "mode": mode}
        sign = -1 if mode == "max" else 1
        values = [sign * value for value in metric_values(seed, rule["min_delta"], dtype)]
        ours, theirs = our_rates(values, dtype, **rule), keras_rates(values, dtype, **rule)
        assert ours == theirs, (seed, rule, values)
        num_cuts += len(set(theirs)) - 1
    assert num_cuts > 10
