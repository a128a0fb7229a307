"""The slots of a port's optimizer are set from Keras's, and read back by Keras's names."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import torch
from rows import each_row
from torch import nn

from parity.halves.torch.port.carried import PAIRING, Carried
from parity.halves.torch.port.slots import (
    counters_of,
    set_slots,
    slots_of,
    why_not_carried,
)
from torch_impl import optim
from torch_impl.layouts import variables

RATE = 0.5
KERNEL = np.arange(6.0).reshape(3, 2) / 8  # Keras's layout, (in, out)
BIAS = np.array([0.25, -0.5])
COUNT = {"iterations": np.array(7)}


def port(kind, **settings):
    """A port with one linear layer."""
    module = nn.Linear(3, 2).double()
    optimizer = kind(module.parameters(), **settings)
    carried = [Carried(f"dense.{v.name}", v, PAIRING) for v in variables(module)]
    return SimpleNamespace(built=SimpleNamespace(optimizer=optimizer), carried=carried)


def slots(*names):
    return {name: {"dense.kernel": KERNEL, "dense.bias": BIAS} for name in names}


KNOWN = [
    (optim.Adam, {}, ("momentum", "velocity")),
    (optim.RMSprop, {}, ("velocity",)),
    (optim.Adadelta, {}, ("accumulated_grad", "accumulated_delta_var")),
    (torch.optim.Adam, {"lr": RATE}, ("momentum", "velocity")),
    (torch.optim.SGD, {"lr": RATE, "momentum": 0.9}, ("momentum",)),
    (
        torch.optim.RMSprop,
        {"lr": RATE, "momentum": 0.9, "centered": True},
        ("velocity", "momentum", "average_gradient"),
    ),
    (torch.optim.Adamax, {"lr": RATE}, ("momentum", "norm")),
]


@each_row("kind, settings, names", KNOWN)
def test_what_was_set_is_read_back(kind, settings, names):
    given, values = port(kind, **settings), slots(*names)
    assert why_not_carried(given, values, COUNT) is None
    # Keras's arrays are of its training; torch divides some by the rate, which is no float32.
    of_training = {
        name: {k: v.astype("float32") for k, v in values[name].items()} for name in names
    }
    set_slots(given, of_training, COUNT, 0.3)
    found = slots_of(given, 0.3)
    assert set(found) == set(names)
    for each in found.values():
        np.testing.assert_allclose(each["dense.kernel"], KERNEL, rtol=1e-15)
        np.testing.assert_allclose(each["dense.bias"], BIAS, rtol=1e-15)


@each_row(
    "kind, others, counters",
    [
        (optim.Adam, {}, [7.0]),
        (torch.optim.Adam, {}, [7.0, 7.0]),
        # The product of Nadam counts as one of them.
        (optim.Nadam, {"u_product": np.array(0.25)}, [7.0, 0.25]),
        (torch.optim.NAdam, {"u_product": np.array(0.25)}, [7.0, 0.25] * 2),
    ],
)
def test_the_number_of_steps_is_set_where_an_optimizer_counts_them(kind, others, counters):
    given = port(kind)
    set_slots(given, slots("momentum", "velocity"), COUNT | others, RATE)
    assert counters_of(given.built.optimizer) == counters


def test_what_an_optimizer_of_ones_own_keeps_under_these_names_may_be_anything():
    given = port(torch.optim.Adam).built.optimizer
    given.param_groups[0]["step"] = [1, 2]
    assert counters_of(given) == []


def test_momentum_of_torch_is_a_gradient_and_that_of_keras_a_step():
    given = port(torch.optim.SGD, lr=RATE, momentum=0.9)
    set_slots(given, slots("momentum"), {}, RATE)
    (kernel, bias) = (s["momentum_buffer"] for s in given.built.optimizer.state.values())
    np.testing.assert_array_equal(kernel.numpy(), -2 * KERNEL.T)
    np.testing.assert_array_equal(bias.numpy(), [-0.5, 1.0])


UNKNOWN = [
    (
        *(type("Own", (optim.Adam,), {}), {}, ("momentum", "velocity"), COUNT),
        "Own is an optimizer of your own",
    ),
    # A class derived from one of torch may keep something else under the same name.
    (
        *(type("Derived", (torch.optim.SGD,), {}), {"lr": RATE, "momentum": 0.9}),
        *(("momentum",), COUNT, "Derived is an optimizer of your own"),
    ),
    (torch.optim.SGD, {"lr": 0.1}, ("velocity",), COUNT, "keeps velocity, for which SGD has no"),
    (optim.Adam, {}, ("momentum",), {"scale": 1}, "keeps scale, for which Adam has no place"),
]


@each_row("kind, settings, names, others, why", UNKNOWN)
def test_what_is_not_known_is_told(kind, settings, names, others, why):
    assert why in why_not_carried(port(kind, **settings), slots(*names), others)


def test_an_optimizer_of_ones_own_that_keeps_nothing_is_no_problem():
    plain = partial(torch.optim.Optimizer, defaults={"lr": 0.1})
    assert why_not_carried(port(plain), {}, COUNT) is None
