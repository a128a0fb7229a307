"""Trainings end when Keras's callback ends them, with the same weights."""

import keras
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from torch_impl.layers import Dropout
from torch_impl.schedule import EarlyStopping

NAN = float("nan")


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
    model = nn.Linear(1, 1, bias=False, dtype=getattr(torch, dtype))
    stopping = EarlyStopping(model, **rule)
    for epoch, value in enumerate(values):
        nn.init.constant_(model.weight, epoch)
        if stopping.step(value):
            break
    stopping.restore()
    return epoch, stopping.best_epoch, repr(stopping.best), model.weight.item()


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


def test_buffers_come_back_too_but_no_seed_and_no_counter_as_in_keras():
    model = nn.Sequential(nn.BatchNorm1d(2), Dropout(0.5, seed=4)).train()
    stopping = EarlyStopping(model, restore_best_weights=True)
    stopping.step(1.0)
    model(torch.full((3, 2), 8.0))
    nn.init.constant_(model[0].weight, 7.0)
    stopping.step(2.0)
    stopping.restore()
    assert {name: value.tolist() for name, value in model[0].state_dict().items()} == {
        **{"weight": [1.0, 1.0], "bias": [0.0, 0.0], "num_batches_tracked": 0},
        **{"running_mean": [0.0, 0.0], "running_var": [1.0, 1.0]},
    }
    assert (model[1].seed, model[1].num_calls) == (4, 1)


def test_what_is_kept_is_a_copy_and_training_goes_on_with_the_same_parameters():
    model = nn.Linear(1, 1)
    stopping = EarlyStopping(model, restore_best_weights=True)
    weight = nn.init.constant_(model.weight, 5.0)
    stopping.step(1.0)
    for value in (6.0, 9.0):
        nn.init.constant_(model.weight, value)
        stopping.restore()
        assert model.weight.item() == 5.0
    assert model.weight is weight
    assert weight.requires_grad


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(
    values=LOSSES,
    rule=RULES,
    mode=st.sampled_from(["min", "max"]),
    baseline=st.sampled_from([None, 0.25, 0.5, 0.75, 1.0, 1 - 1e-9, NAN]),
)
def test_modes_and_baselines_end_a_training_as_keras_ends_it(dtype, values, rule, mode, baseline):
    values = [float(np.dtype(dtype).type(value)) for value in values]
    rule = {**rule, "mode": mode, "baseline": baseline}
    assert our_end(values, dtype, **rule) == keras_end(values, dtype, **rule)
