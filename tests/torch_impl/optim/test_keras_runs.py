"""Every optimizer moves weights as Keras's does, to the bit where nothing but sums can differ."""

import numpy as np
import pytest
import torch
from covering import one_test
from optimizer_runs import (
    TorchRun,
    assert_close,
    assert_defaults_are_those_of_keras,
    assert_same_bits,
    assert_same_slots,
    both_runs,
)
from rows import each_row

from torch_impl import optim

USUAL = {"clipvalue": 0.5, "weight_decay": 0.05}
ALL = None  # slots
# (optimizer, settings, slots that are Keras's to the bit): with weights up to rounding.
CLOSE = {
    # The rate is the paper's, 1, and that of half of the run: at 0.001 hardly anything moves.
    "adadelta": (
        "Adadelta",
        {"learning_rate": 1.0, "clipvalue": 0.5, "weight_decay": 0.01},
        ["accumulated_grad"],
    ),
    "adagrad": ("Adagrad", USUAL, ALL),
    "adam": ("Adam", {}, []),
    "adam_amsgrad": ("Adam", {"amsgrad": True, "global_clipnorm": 0.5, "beta_2": 0.95}, []),
    "adamw": ("AdamW", {"clipnorm": 0.5}, []),
    "lamb": ("Lamb", {"clipnorm": 0.5, "weight_decay": 0.05}, []),
    "nadam": ("Nadam", {"clipnorm": 0.5, "weight_decay": 0.05}, []),
    "rmsprop": ("RMSprop", USUAL, ["velocity"]),
    "rmsprop_momentum": ("RMSprop", {**USUAL, "momentum": 0.9, "rho": 0.8}, ["velocity"]),
    "rmsprop_centered": (
        "RMSprop",
        {**USUAL, "centered": True, "momentum": 0.5, "epsilon": 1e-5},
        ["velocity", "average_gradient"],
    ),
}
TO_THE_BIT = {
    "adamax": ("Adamax", {**USUAL, "beta_2": 0.9}),
    "lion": ("Lion", {**USUAL, "beta_1": 0.7}),
    "sgd": ("SGD", USUAL),
    "sgd_momentum": ("SGD", {**USUAL, "momentum": 0.9}),
    "sgd_nesterov": ("SGD", {**USUAL, "momentum": 0.9, "nesterov": True}),
}


@pytest.mark.parametrize(
    ("dtype", "num_steps"), [("float64", 200), ("float32", 60)], ids=["float64", "float32"]
)
@pytest.mark.parametrize("name", [*CLOSE, *TO_THE_BIT])
def test_weights_and_slots_are_those_of_keras(name, dtype, num_steps):
    kind, settings, exact = CLOSE.get(name) or (*TO_THE_BIT[name], ALL)
    theirs, ours = both_runs(kind, dtype, num_steps, **settings)
    if name in TO_THE_BIT:
        assert_same_bits(ours, theirs)
        return
    assert_close(ours, theirs)
    if exact != []:
        assert_same_slots(ours, theirs, exact)


@one_test
@pytest.mark.parametrize("name", [name for name in optim.__all__ if name != "KerasOptimizer"])
def test_defaults_are_those_of_keras(name):
    assert_defaults_are_those_of_keras(name)


def test_lamb_of_zeros_moves_by_the_rate_and_an_update_of_zeros_nothing():
    """Where a norm is 0, the ratio of norms is 1."""
    run = TorchRun("Lamb", [np.zeros(2)], learning_rate=0.1, epsilon=0.0)
    run.step([np.array([2.0, -7.0])])
    np.testing.assert_allclose(run.weights()[0], [-0.1, 0.1], rtol=2e-5, atol=0)
    run = TorchRun("Lamb", [np.array([3.0, 4.0])], learning_rate=0.1)
    run.step([np.zeros(2)])
    assert run.weights()[0].tolist() == [3.0, 4.0]


STRENGTHS = ("l1_regularization", "l2_regularization", "l2_shrinkage_regularization")
REFUSED = [
    ("AdamW", {"weight_decay": None}, "weight_decay=None: expected a number"),
    *(("Lion", {"beta_1": b}, rf"beta_1={b}: expected a number in \(0, 1\]") for b in (0.0, 1.1)),
    ("SGD", {"momentum": 1.5}, r"momentum=1.5: expected a number in \[0, 1\]"),
    ("Ftrl", {"learning_rate_power": 0.5}, "learning_rate_power=0.5: expected .* of at most 0"),
    ("Ftrl", {"initial_accumulator_value": -0.1}, "_value=-0.1: expected a number of at least 0"),
    *(
        ("Ftrl", {f"{name}_strength": -1.0}, f"{name}_strength=-1.0: expected .* of at least 0")
        for name in STRENGTHS
    ),
]


@each_row("name, settings, message", REFUSED)
def test_a_setting_out_of_its_range_is_an_error_that_shows_it(name, settings, message):
    with pytest.raises(ValueError, match=message):
        getattr(optim, name)([torch.nn.Parameter(torch.ones(1))], **settings)
