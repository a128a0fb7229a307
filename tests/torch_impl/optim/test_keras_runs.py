"""Every optimizer moves weights as Keras's does, to the bit where nothing but sums can differ."""

import pytest
from covering import one_test
from optimizer_runs import (
    assert_close,
    assert_defaults_are_those_of_keras,
    assert_same_bits,
    assert_same_slots,
    both_runs,
)

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
