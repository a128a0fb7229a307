"""Update rules in NumPy are those of torch.optim and of Keras's optimizers, step by step.

A recogniser takes numbers as the same up to 1e-9, and so do these tests: torch_impl.optim rounds
the betas to float32 where Keras does.
"""

import numpy as np
import pytest
import torch

from parity.divergences import arithmetic
from parity.divergences.evidence import CLOSE as CLOSE_BY_DTYPE
from torch_impl import optim

CLOSE = CLOSE_BY_DTYPE["float64"]

NUM = 6
RATES = [0.125, 0.125, 0.125, 0.03125, 0.03125, 0.03125]  # Keras keeps the rate in float32


@pytest.fixture(autouse=True)
def _counters_in_float64():
    """As in a check: torch's NAdam keeps a product of all steps in the default type."""
    torch.set_default_dtype(torch.float64)


@pytest.fixture
def numbers():
    draw = np.random.default_rng(8)
    gradients = [
        draw.normal(size=(4, 3)) * 10.0 ** draw.integers(-6, 2, size=(4, 3)) for _ in range(NUM)
    ]
    return draw.normal(size=(4, 3)), gradients


def trained(build, w, gradients):
    """The weight after each step of a torch optimizer, the rate cut on the way."""
    parameter = torch.nn.Parameter(torch.from_numpy(w.copy()))
    optimizer = build([parameter])
    for rate, gradient in zip(RATES, gradients, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = rate
        parameter.grad = torch.from_numpy(gradient.copy())
        optimizer.step()
        yield parameter.detach().numpy().copy()


def assert_same(family, settings, build, numbers):
    w, gradients = numbers
    ours = list(arithmetic.steps(family, w, gradients, RATES, settings))
    theirs = list(trained(build, w, gradients))
    assert len(ours) == NUM
    for a, b in zip(ours, theirs, strict=True):
        assert np.abs(a - b).max() <= CLOSE * np.abs(b).max()
    assert np.abs(ours[-1] - w).max() > 1e-4


T = torch.optim
OF_TORCH = {
    "adam": ("adam", {}, lambda p: T.Adam(p)),
    "adam_settings": (
        "adam",
        {"betas": (0.5, 0.9), "epsilon": 1e-3},
        lambda p: T.Adam(p, betas=(0.5, 0.9), eps=1e-3),
    ),
    "amsgrad": ("adam", {"amsgrad": True}, lambda p: T.Adam(p, amsgrad=True)),
    "adam_coupled": (
        "adam",
        {"decay": ("coupled", 0.01)},
        lambda p: T.Adam(p, weight_decay=0.01),
    ),
    "adamw": ("adam", {"decay": ("decoupled", 0.01)}, lambda p: T.AdamW(p, weight_decay=0.01)),
    "nadam": ("nadam", {}, lambda p: T.NAdam(p)),
    "nadam_momentum_decay": (
        "nadam",
        {"momentum_decay": 0.5},
        lambda p: T.NAdam(p, momentum_decay=0.5),
    ),
    "adamax": ("adamax", {}, lambda p: T.Adamax(p)),
    "sgd": ("sgd", {}, lambda p: T.SGD(p)),
    "momentum": ("sgd", {"momentum": 0.9}, lambda p: T.SGD(p, momentum=0.9)),
    "nesterov": (
        "sgd",
        {"momentum": 0.9, "nesterov": True},
        lambda p: T.SGD(p, momentum=0.9, nesterov=True),
    ),
    "sgd_decay": ("sgd", {"decay": ("coupled", 0.1)}, lambda p: T.SGD(p, weight_decay=0.1)),
    "rmsprop": ("rmsprop", {}, lambda p: T.RMSprop(p)),
    "rmsprop_all": (
        "rmsprop",
        {"rho": 0.9, "momentum": 0.5, "centered": True, "epsilon": 1e-4},
        lambda p: T.RMSprop(p, alpha=0.9, momentum=0.5, centered=True, eps=1e-4),
    ),
    "adagrad": ("adagrad", {}, lambda p: T.Adagrad(p)),
    "adagrad_start": (
        "adagrad",
        {"start": 0.1},
        lambda p: T.Adagrad(p, initial_accumulator_value=0.1),
    ),
    "adadelta": ("adadelta", {}, lambda p: T.Adadelta(p)),
}


@pytest.mark.parametrize(("family", "settings", "build"), OF_TORCH.values(), ids=OF_TORCH)
def test_a_rule_of_torch_is_that_of_torch(family, settings, build, numbers):
    settings = {"torch": True, **arithmetic.TORCH_DEFAULTS[family], **settings}
    assert_same(family, settings, build, numbers)


OF_KERAS = {
    "adam": (optim.Adam, {}),
    "adam_settings": (optim.Adam, {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3}),
    "amsgrad": (optim.Adam, {"amsgrad": True}),
    "adamw": (optim.AdamW, {"weight_decay": 0.01}),
    "nadam": (optim.Nadam, {}),
    "adamax": (optim.Adamax, {}),
    "sgd": (optim.SGD, {}),
    "momentum": (optim.SGD, {"momentum": 0.9}),
    "nesterov": (optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "sgd_decay": (optim.SGD, {"weight_decay": 0.1}),
    "rmsprop": (optim.RMSprop, {}),
    "rmsprop_all": (optim.RMSprop, {"rho": 0.8, "momentum": 0.5, "centered": True}),
    "adagrad": (optim.Adagrad, {}),
    "adadelta": (optim.Adadelta, {}),
    "lion": (optim.Lion, {}),
}
# Defaults of keras 3.15, src/optimizers: what get_config() says of each.
CONFIGS = {
    "Adam": {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "amsgrad": False},
    "AdamW": {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "amsgrad": False},
    "Nadam": {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7},
    "Adamax": {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7},
    "SGD": {"momentum": 0.0, "nesterov": False},
    "RMSprop": {"rho": 0.9, "momentum": 0.0, "epsilon": 1e-7, "centered": False},
    "Adagrad": {"initial_accumulator_value": 0.1, "epsilon": 1e-7},
    "Adadelta": {"rho": 0.95, "epsilon": 1e-7},
    "Lion": {"beta_1": 0.9, "beta_2": 0.99},
}


@pytest.mark.parametrize(("build", "settings"), OF_KERAS.values(), ids=OF_KERAS)
def test_a_rule_of_keras_is_that_of_keras(build, settings, numbers):
    """torch_impl.optim is proved against Keras itself, in tests/torch_impl/optim."""
    family = arithmetic.OF_KERAS[build.__name__]
    config = {**CONFIGS[build.__name__], **settings}
    found = arithmetic.keras_settings(family, config)
    assert found["torch"] is False
    assert_same(family, found, lambda p: build(p, learning_rate=0.1, **settings), numbers)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_defaults_are_those_of_keras(name):
    import keras

    config = getattr(keras.optimizers, name)().get_config()
    assert {key: config[key] for key in CONFIGS[name]} == CONFIGS[name]


GRADIENTS = {"a": np.array([3.0, -4.0]), "b": np.array([[0.3], [-12.0]]), "c": np.zeros(2)}


def parameters():
    found = [
        torch.nn.Parameter(torch.zeros(g.shape, dtype=torch.float64)) for g in GRADIENTS.values()
    ]
    for parameter, gradient in zip(found, GRADIENTS.values(), strict=True):
        parameter.grad = torch.from_numpy(gradient.copy())
    return found


@pytest.mark.parametrize("limit", [1.0, 100.0])
@pytest.mark.parametrize(
    ("how", "clip"),
    [
        ("value", torch.nn.utils.clip_grad_value_),
        ("global + 1e-6", torch.nn.utils.clip_grad_norm_),
    ],
)
def test_clipping_is_that_of_torch(how, clip, limit):
    expected = parameters()
    clip(expected, limit)
    found = arithmetic.clipped(GRADIENTS, how, limit)
    for gradient, parameter in zip(found.values(), expected, strict=True):
        np.testing.assert_allclose(gradient, parameter.grad.numpy(), rtol=1e-14, atol=0)


def test_clipping_by_norms_is_that_of_keras():
    """keras 3.15 optimizers/base_optimizer.py: g * limit / max(norm, limit), by hand."""
    found = arithmetic.clipped(GRADIENTS, "norm", 2.5)
    np.testing.assert_allclose(found["a"], [1.5, -2.0], rtol=1e-15)
    np.testing.assert_array_equal(found["c"], 0)
    total = np.sqrt(25 + 0.09 + 144)
    found = arithmetic.clipped(GRADIENTS, "global", 1.0)
    np.testing.assert_allclose(found["b"], GRADIENTS["b"] / total, rtol=1e-15)
    for how in (None, "norm", "global"):
        same = arithmetic.clipped(GRADIENTS, how, 50.0)
        assert all((same[name] == g).all() for name, g in GRADIENTS.items())
