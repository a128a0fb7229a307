"""Rates are cut when Keras's callback does it, to the same rate."""

import functools
import inspect
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from metric_values import HAND_MADE, NAN, metric_values

import parity.programs.run_spec
from torch_impl import optim
from torch_impl.schedule import PiecewiseConstantDecay, ReduceLROnPlateau

NUM_SEQUENCES = 100  # for each dtype
RATE = 0.001


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


def an_optimizer(dtype="float32", rate=RATE):
    return torch.optim.SGD([torch.zeros(1, dtype=getattr(torch, dtype), requires_grad=True)], rate)


def our_rates(values, dtype="float32", rate=RATE, **rule):
    optimizer = an_optimizer(dtype, rate)
    schedule = ReduceLROnPlateau(optimizer, **rule)
    rates = [optimizer.param_groups[0]["lr"]]
    for value in values:
        has_cut = schedule.step(value)
        rates.append(optimizer.param_groups[0]["lr"])
        assert has_cut == (rates[-1] != rates[-2])
    return rates[1:]


@one_test
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("part", range(4))
def test_random_losses_give_the_rates_of_keras(part, dtype):
    num_cuts = 0
    for seed in range(part, NUM_SEQUENCES, 4):
        rule = rules(seed)
        values = metric_values(seed, rule["min_delta"], dtype)
        ours, theirs = our_rates(values, dtype, **rule), keras_rates(values, dtype, **rule)
        assert ours == theirs, (seed, rule, values)
        num_cuts += len(set(theirs)) - 1
    assert num_cuts > NUM_SEQUENCES / 4  # the sequences are such that something happens


@one_test
@pytest.mark.parametrize("cooldown", range(4))
@pytest.mark.parametrize("patience", range(1, 6))
@pytest.mark.parametrize("values", HAND_MADE.values(), ids=HAND_MADE)
def test_hand_made_losses_give_the_rates_of_keras(values, patience, cooldown):
    rule = {"factor": 0.5, "patience": patience, "cooldown": cooldown}
    for min_delta, dtype in ((0.25, "float32"), (0.0, "float64")):
        ours = our_rates(values, dtype, min_delta=min_delta, **rule)
        assert ours == keras_rates(values, dtype, min_delta=min_delta, **rule)


def test_values_are_compared_in_float32_in_float64_runs_too():
    # 1 - 1e-9 is 1 in float32: no improvement, so the rate is cut.
    rule = {"factor": 0.5, "patience": 1, "min_delta": 0.0}
    assert our_rates([1.0, 1.0 - 1e-9], "float64", **rule) == [RATE, RATE / 2]
    assert our_rates([1.0, 1.0 - 1e-6], "float64", **rule) == [RATE, RATE]


def test_all_groups_are_cut():
    parameters = [torch.zeros(1, requires_grad=True) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": [p], "lr": 0.5} for p in parameters])
    schedule = ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    schedule.step(1.0)
    schedule.step(1.0)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]


@one_test
@pytest.mark.parametrize(("dtype", "kept"), [("float32", float(np.float32(0.1))), ("float64", 0.1)])
def test_the_rate_is_kept_in_the_dtype_of_the_weights(dtype, kept):
    optimizer = an_optimizer(dtype, 0.1)
    ReduceLROnPlateau(optimizer)
    assert optimizer.param_groups[0]["lr"] == kept


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
    for seed in range(1000, 1020):
        rule = {**rules(seed), "mode": mode}
        sign = -1 if mode == "max" else 1
        values = [sign * value for value in metric_values(seed, rule["min_delta"], dtype)]
        ours, theirs = our_rates(values, dtype, **rule), keras_rates(values, dtype, **rule)
        assert ours == theirs, (seed, rule, values)
        num_cuts += len(set(theirs)) - 1
    assert num_cuts > 10


def test_the_name_of_the_metric_tells_the_direction():
    rise = [0.1, 0.2, 0.3]
    assert our_rates(rise, "float64", patience=1, monitor="val_accuracy")[-1] == RATE
    assert our_rates(rise, "float64", patience=1, monitor="val_loss")[-1] < RATE


def test_an_optimizer_that_follows_a_schedule_is_an_error():
    rate = PiecewiseConstantDecay([1], [0.1, 0.2])
    optimizer = optim.SGD([torch.zeros(1, requires_grad=True)], rate)
    with pytest.raises(ValueError, match="PiecewiseConstantDecay: expected one whose rate can be"):
        ReduceLROnPlateau(optimizer)


def test_defaults_are_those_of_keras_here_and_in_the_spec():
    theirs = inspect.signature(keras.callbacks.ReduceLROnPlateau).parameters
    ours = inspect.signature(ReduceLROnPlateau).parameters
    assert set(theirs) - {"verbose", "kwargs"} == set(ours) - {"optimizer"}
    for key in set(ours) - {"optimizer"}:
        assert ours[key].default == theirs[key].default, key
    for key, value in vars(parity.programs.run_spec.ReduceLR()).items():
        assert value == theirs[key].default, key
