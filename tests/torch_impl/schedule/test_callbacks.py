"""Rates are cut, and trainings end, when Keras's callbacks do it, to the same rate and weights."""

import inspect
import itertools
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import parity.spec
from torch_impl.layers import Dropout
from torch_impl.schedule import EarlyStopping, ReduceLROnPlateau

NUM_SEQUENCES = 200  # for each dtype
NUM_EPOCHS = 30
RATE = 0.001
NAN = float("nan")


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


def metric_values(seed, min_delta, dtype):
    """A sequence of losses with ties, plateaus, steps around `min_delta`, jumps and NaN.

    Values are numbers of the dtype of the run, as the losses of a run are.
    """
    generator = np.random.default_rng([seed, 1])
    best, values = 2.0, [NAN if seed % 10 == 0 else 2.0]
    tiny = 1e-9 if dtype == "float64" else 1e-7
    while len(values) < NUM_EPOCHS:
        move = generator.choice(["tie", "plateau", "around", "better", "worse", "nan", "infinite"],
                                p=[0.2, 0.25, 0.25, 0.1, 0.15, 0.03, 0.02])  # fmt: skip
        if move == "tie":
            value = best
        elif move == "plateau":
            value = best + generator.uniform(0, 0.01)
        elif move == "around":
            value = best - min_delta + generator.choice([-tiny, -1e-12, 0, 1e-12, tiny])
        elif move == "better":
            value = best - min_delta - generator.uniform(0, 0.2)
        elif move == "worse":
            value = best + generator.uniform(0, 1)
        else:
            value = NAN if move == "nan" else float("inf")
        value = float(np.dtype(dtype).type(value))
        best = min(best, value) if value == value else best
        values.append(value)
    return values


def keras_rates(values, dtype, **rule):
    """The rate after each epoch, from Keras's callback itself."""
    keras.config.set_floatx(dtype)
    optimizer = keras.optimizers.Adam(RATE)
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


HAND_MADE = {
    "first_is_nan": [NAN, 1.0, 0.5, 0.1, 0.05, 0.01],
    "nan_in_the_middle": [1.0, NAN, NAN, 0.5, NAN, 0.6, 0.7],
    "all_equal": [1.0] * 12,
    "always_better": [1 / (k + 1) for k in range(12)],
    "always_worse": [1.0 + k for k in range(12)],
    "better_by_exactly_min_delta": [1.0 - 0.25 * k for k in range(4)],
    "closer_than_float32": [1.0, 1.0 - 1e-9, 1.0 - 2e-9, 1.0 - 3e-9],
    "infinite_first": [float("inf"), float("inf"), 1.0, 1.0, 1.0],
}


@pytest.mark.parametrize("cooldown", range(4))
@pytest.mark.parametrize("patience", range(1, 6))
@pytest.mark.parametrize("values", HAND_MADE.values(), ids=HAND_MADE)
def test_hand_made_losses_give_the_rates_of_keras(values, patience, cooldown):
    rule = {"factor": 0.5, "patience": patience, "cooldown": cooldown}
    for min_delta, dtype in ((0.25, "float32"), (0.25, "float64"), (0.0, "float64")):
        ours = our_rates(values, dtype, min_delta=min_delta, **rule)
        assert ours == keras_rates(values, dtype, min_delta=min_delta, **rule)


def test_torchs_own_scheduler_gives_other_rates():
    num_different = 0
    for seed in range(100):
        rule = rules(seed)
        values = metric_values(seed, rule["min_delta"], "float64")
        optimizer = an_optimizer("float64")
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, threshold=rule.pop("min_delta"), **rule
        )
        rates = []
        for value in values:
            schedule.step(value)
            rates.append(optimizer.param_groups[0]["lr"])
        num_different += rates != our_rates(values, "float64", **rules(seed))
    assert num_different > 50


# Patience 2, by hand: the epochs 1, 2 are bad, the rate is cut at the end of epoch 2 and of epoch
# 4.
def test_the_rate_is_cut_as_soon_as_patience_epochs_were_bad():
    rates = our_rates([1.0, 1.0, 1.0, 1.0, 1.0], "float64", factor=0.5, patience=2)
    assert rates == [RATE, RATE, RATE / 2, RATE / 2, RATE / 4]


def test_the_epoch_in_which_a_cooldown_ends_counts():
    # Cut after epoch 1; cooldown 2 -> 1 in epoch 2, 1 -> 0 in epoch 3, which counts and cuts again.
    rates = our_rates([1.0] * 5, "float64", factor=0.5, patience=1, cooldown=2)
    assert rates == [RATE, RATE / 2, RATE / 2, RATE / 4, RATE / 4]


def test_min_delta_is_absolute():
    values = [0.001, 0.0005, 0.0002]  # halved and halved again, yet by less than 1e-3
    assert our_rates(values, "float64", patience=1, min_delta=1e-3)[-1] < RATE
    assert our_rates(values, "float64", patience=1, min_delta=1e-5)[-1] == RATE


def test_values_are_compared_in_float32_in_float64_runs_too():
    # 1 - 1e-9 is 1 in float32: no improvement, so the rate is cut.
    rule = {"factor": 0.5, "patience": 1, "min_delta": 0.0}
    assert our_rates([1.0, 1.0 - 1e-9], "float64", **rule) == [RATE, RATE / 2]
    assert our_rates([1.0, 1.0 - 1e-6], "float64", **rule) == [RATE, RATE]


def test_an_improvement_by_exactly_min_delta_is_none():
    assert our_rates([1.0, 0.75], "float64", factor=0.5, patience=1, min_delta=0.25)[-1] == RATE / 2
    assert our_rates([1.0, 0.5], "float64", factor=0.5, patience=1, min_delta=0.25)[-1] == RATE


def test_the_rate_falls_to_min_lr_and_no_further():
    rates = our_rates([1.0] * 6, "float64", factor=0.1, patience=1, min_lr=3e-4)
    assert rates == [RATE, 3e-4, 3e-4, 3e-4, 3e-4, 3e-4]


def test_all_groups_are_cut():
    parameters = [torch.zeros(1, requires_grad=True) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": [p], "lr": 0.5} for p in parameters])
    schedule = ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    schedule.step(1.0)
    schedule.step(1.0)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]


@pytest.mark.parametrize(("dtype", "kept"), [("float32", float(np.float32(0.1))), ("float64", 0.1)])
def test_the_rate_is_kept_in_the_dtype_of_the_weights(dtype, kept):
    optimizer = an_optimizer(dtype, 0.1)
    ReduceLROnPlateau(optimizer)
    assert optimizer.param_groups[0]["lr"] == kept


@pytest.mark.parametrize("factor", [0, 1, 1.5, -0.1, NAN])
def test_a_factor_outside_of_the_unit_interval_is_an_error_that_shows_it(factor):
    with pytest.raises(ValueError, match=rf"factor={factor!r}: expected a number in \(0, 1\)"):
        ReduceLROnPlateau(an_optimizer(), factor=factor)


# EarlyStopping.


class Weights:
    """Stands in for a Keras model: its weights are the epoch in which it was trained last."""

    def __init__(self):
        self.epoch, self.stop_training = -1, False

    def get_weights(self):
        return [self.epoch]

    def set_weights(self, weights):
        (self.epoch,) = weights


def keras_end(values, dtype, **rule):
    """How Keras's callback ends a training: last epoch, best epoch, best value, final weights."""
    keras.config.set_floatx(dtype)
    model = Weights()
    callback = keras.callbacks.EarlyStopping(monitor="val_loss", **rule)
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, value in enumerate(values):
        model.epoch = epoch
        callback.on_epoch_end(epoch, {"val_loss": value})
        if model.stop_training:
            break
    callback.on_train_end()
    return epoch, callback.best_epoch, repr(callback.best), model.epoch


def our_end(values, dtype, **rule):
    """The same of ours."""
    model = nn.Linear(1, 1, dtype=getattr(torch, dtype))
    stopping = EarlyStopping(model, **rule)
    for epoch, value in enumerate(values):
        for parameter in model.parameters():
            nn.init.constant_(parameter, epoch)
        if stopping.step(value):
            break
    stopping.restore()
    (weights,) = {parameter.item() for parameter in model.parameters()}
    return epoch, stopping.best_epoch, repr(stopping.best), weights


RULES = st.fixed_dictionaries(
    {
        "min_delta": st.sampled_from([0.0, 1e-4, 0.25, 0.3, -0.25]),
        "patience": st.integers(0, 4),
        "restore_best_weights": st.booleans(),
        "start_from_epoch": st.integers(0, 5),
    }
)
# Few values, so that there are ties, and differences of just min_delta and of less than float32.
LOSSES = st.lists(
    st.sampled_from([0.25, 0.5, 0.75, 1.0, 1 - 1e-9, 1 - 1e-7, 0.75 + 1e-8, NAN, float("inf")])
    | st.floats(0, 2),
    min_size=1,
    max_size=14,
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(values=LOSSES, rule=RULES)
def test_random_losses_end_a_training_as_keras_ends_it(dtype, values, rule):
    values = [float(np.dtype(dtype).type(value)) for value in values]
    assert our_end(values, dtype, **rule) == keras_end(values, dtype, **rule)


@pytest.mark.parametrize("patience", range(5))
@pytest.mark.parametrize("values", HAND_MADE.values(), ids=HAND_MADE)
def test_hand_made_losses_end_a_training_as_keras_ends_it(values, patience):
    for start, restores in itertools.product((0, 1, 3), (False, True)):
        rule = {"start_from_epoch": start, "restore_best_weights": restores, "patience": patience}
        for min_delta, dtype in ((0.25, "float32"), (0.25, "float64"), (0.0, "float64")):
            ours = our_end(values, dtype, min_delta=min_delta, **rule)
            assert ours == keras_end(values, dtype, min_delta=min_delta, **rule)


FALLS_AND_RISES = [3.0, 2.0, 1.0, 2.0, 3.0, 4.0, 5.0]


@pytest.mark.parametrize(
    ("patience", "last"), [(0, 3), (1, 3), (2, 4), (3, 5), (4, 6), (5, 6)], ids=str
)
def test_training_ends_after_patience_epochs_without_improvement(patience, last):
    """The epochs 3, 4, ... are worse than epoch 2; with patience 0 the first of them ends it."""
    assert our_end(FALLS_AND_RISES, "float64", patience=patience)[:2] == (last, 2)


@pytest.mark.parametrize(("restores", "weights"), [(True, 2), (False, 4)])
def test_the_weights_of_the_best_epoch_come_back_if_they_are_asked_for(restores, weights):
    rule = {"patience": 2, "restore_best_weights": restores}
    assert our_end(FALLS_AND_RISES, "float64", **rule)[3] == weights


def test_the_best_weights_come_back_also_where_training_was_not_stopped():
    rule = {"patience": 5, "restore_best_weights": True}
    assert our_end(FALLS_AND_RISES[:5], "float64", **rule) == (4, 2, "1.0", 2)


def test_an_epoch_that_is_better_by_just_min_delta_is_not_better():
    assert our_end([1.0, 0.75, 0.5], "float64", min_delta=0.25, patience=2)[:2] == (2, 2)
    assert our_end([1.0, 0.75, 0.75], "float64", min_delta=0.25, patience=2)[:2] == (2, 0)


def test_epochs_before_the_start_are_not_watched():
    # 0.1 and 0.2 do not count: 1.0 is the first, 0.9 is better, 0.95 is worse and ends it.
    assert our_end([0.1, 0.2, 1.0, 0.9, 0.95, 1.0], "float64", start_from_epoch=2)[:2] == (4, 3)


def test_nothing_is_kept_before_the_start():
    rule = {"start_from_epoch": 9, "restore_best_weights": True}
    assert our_end([3.0, 1.0, 2.0], "float64", **rule) == (2, 0, "None", 2)


def test_a_first_loss_that_is_nan_is_never_improved_on():
    rule = {"patience": 3, "restore_best_weights": True}
    assert our_end([NAN, 3.0, 2.0, 1.0, 0.5], "float64", **rule) == (3, 0, "nan", 0)


def test_the_first_epoch_of_all_never_ends_a_training():
    # Only where it is the first that is watched can it be no improvement, and then it is one.
    assert our_end([1.0, 2.0], "float64", patience=0)[0] == 1
    assert our_end([NAN, NAN], "float64", patience=0)[0] == 1


def test_losses_are_compared_in_float32_also_to_end_a_training():
    # 1 - 1e-9 is 1 in float32: no improvement.
    assert our_end([1.0, 1.0 - 1e-9, 1.0], "float64")[0] == 1
    assert our_end([1.0, 1.0 - 1e-6, 1.0], "float64")[0] == 2


def test_buffers_come_back_too_but_no_seed_and_no_counter_as_in_keras():
    model = nn.Sequential(nn.BatchNorm1d(2), Dropout(0.5, seed=4))
    stopping = EarlyStopping(model, restore_best_weights=True)
    stopping.step(1.0)
    model.train()
    model(torch.full((3, 2), 8.0))
    with torch.no_grad():
        model[0].weight.fill_(7.0)
    stopping.step(2.0)
    stopping.restore()
    assert model[0].running_mean.tolist() == [0.0, 0.0]
    assert model[0].num_batches_tracked == 0
    assert model[0].weight.tolist() == [1.0, 1.0]
    assert (model[1].seed, model[1].num_calls) == (4, 1)


def test_what_is_kept_is_a_copy_and_training_goes_on_with_the_same_parameters():
    model = nn.Linear(1, 1)
    stopping = EarlyStopping(model, restore_best_weights=True)
    parameters = list(model.parameters())
    nn.init.constant_(model.weight, 5.0)
    stopping.step(1.0)
    nn.init.constant_(model.weight, 6.0)
    stopping.restore()
    assert model.weight.item() == 5.0
    nn.init.constant_(model.weight, 9.0)
    stopping.restore()
    assert model.weight.item() == 5.0
    assert all(a is b for a, b in zip(model.parameters(), parameters, strict=True))
    assert model.weight.requires_grad


@pytest.mark.parametrize("name", ["EarlyStopping", "ReduceLROnPlateau"])
def test_defaults_are_those_of_keras_here_and_in_the_spec(name):
    theirs = inspect.signature(getattr(keras.callbacks, name)).parameters
    in_spec = getattr(parity.spec, {"ReduceLROnPlateau": "ReduceLR"}.get(name, name))()
    for key, value in vars(in_spec).items():
        assert value == theirs[key].default, key
    ours = inspect.signature({"EarlyStopping": EarlyStopping}.get(name, ReduceLROnPlateau))
    compared = [key for key in ours.parameters if key not in ("model", "optimizer")]
    assert sorted([*compared, "monitor"]) == sorted(vars(in_spec))
    for key in compared:
        assert ours.parameters[key].default == theirs[key].default, key
