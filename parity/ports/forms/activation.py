"""Activations: functions of torch, or those of `torch_impl` where Keras rounds or adds more."""

from __future__ import annotations

import inspect
from typing import Any

from torch import nn

from parity.ports.form import Applied, Form, Layout, Row, arguments, told
from torch_impl import layers
from torch_impl.keras_config.planned import Planned
from torch_impl.layers.activations import ACTIVATIONS

# Keras's name -> a function of torch with the same values and derivatives.
STOCK = {
    "relu": "F.relu",
    "relu6": "F.relu6",
    "silu": "F.silu",
    "swish": "F.silu",
    "tanh": "torch.tanh",
    "softsign": "F.softsign",
    "log_sigmoid": "F.logsigmoid",
    "exponential": "torch.exp",
    "elu": "F.elu",
}
_CARRIED = "it tells the loss its logits, as Keras's does"
_REASONS = {
    "gelu": "Keras rounds a constant to float32",
    "leaky_relu": "Keras rounds the slope to float32",
    "softplus": "torch's is x from 20 on",
    "selu": "the slope at 0 is that above 0",
}
_ALONG = ("softmax", "log_softmax", "sparsemax", "glu")


def named(name: str, call: Applied, **settings: Any) -> Form:
    """Returns the form of an activation by its name in keras.activations."""
    defaults = _defaults(name)
    given = {
        key: value
        for key, value in settings.items()
        # Keras tells all settings of a function: relu(x, negative_slope=0.0, threshold=0.0).
        if value is not None and value != defaults.get(key, inspect.Parameter.empty)
    }
    if name == "relu" and given == {"max_value": 6}:
        name, given = "relu6", {}
    if name == "linear":
        return Form("{0}")
    if name == "sigmoid":
        return _carried("sigmoid", call) if call.ends else Form("{0}.sigmoid()")
    if name in _ALONG:
        return _along(name, given.pop("axis", -1), call)
    if name in STOCK and not given:
        return Form(f"{STOCK[name]}({{0}})")
    told = arguments(**given)
    text = f"activations.{name}({{0}}{', ' if told else ''}{told})"
    return Form(text, note=_REASONS.get(name, ""))


def _defaults(name: str) -> dict[str, Any]:
    """Returns the defaults of an activation of `torch_impl`, which are Keras's."""
    function = ACTIVATIONS.get(name)
    told = inspect.signature(function).parameters if function is not None else {}
    return {key: parameter.default for key, parameter in told.items()}


def _carried(name: str, call: Applied, axis: int | None = None) -> Form:
    """Returns the form of an output, which carries its logits to the loss."""
    told = "" if axis in (None, call.rank - 1) else f", axis={axis}"
    return Form(f"activations.{name}({{0}}{told})", note=_CARRIED)


def _along(name: str, axis: Any, call: Applied) -> Form:
    if not isinstance(axis, int):
        axes = tuple(call.axis(number) for number in axis)
        return Form(f"activations.{name}({{0}}, {arguments(axis=axes)})")
    if name == "softmax" and call.ends:
        return _carried("softmax", call, call.axis(axis))
    number = call.axis(axis)
    number = -1 if number == call.rank - 1 else number
    if name == "sparsemax":
        return Form(f"activations.sparsemax({{0}}, axis={number})", note="torch has none")
    return Form(f"F.{name}({{0}}, dim={number})")


def _activation(planned: Planned, call: Applied) -> Form:
    given = planned.named
    settings = dict(given.get("settings") or {})
    return named(given["name"] or "linear", call, **settings)


def _relu(planned: Planned, call: Applied) -> Form:
    given = planned.named
    most, slope, threshold = given["max_value"], given["negative_slope"], given["threshold"]
    if not slope and not threshold and most in (None, 6):
        return named("relu" if most is None else "relu6", call)
    if slope and most is None and not threshold:
        return named("leaky_relu", call, negative_slope=slope)
    return named("relu", call, negative_slope=slope or None, max_value=most, threshold=threshold)


def _softmax(planned: Planned, call: Applied) -> Form:
    axis = planned.named["axis"]
    if axis is None:
        return Form("activations.softmax({0}, axis=None)")
    return named("softmax", call, axis=axis if isinstance(axis, int) else tuple(axis))


def _axes(numbers: set[int]) -> str:
    """Returns axes of Keras's layout in words, counted with that of the batch."""
    told = ", ".join(map(str, sorted(numbers)))
    return f"axis {told} of Keras" if len(numbers) == 1 else f"axes {told} of Keras"


def _prelu(planned: Planned, call: Applied) -> Form:
    shared = planned.named.get("shared_axes") or ()
    shared = {shared} if isinstance(shared, int) else set(shared)
    sizes = dict(enumerate(planned.named["shape"], start=1))
    own = {axis for axis, size in sizes.items() if axis not in shared and size != 1}
    if not own:
        alphas = "one alpha"
    elif own == {len(sizes)} and len(sizes) > 1:
        alphas = "an alpha for each channel"
    elif own == {axis for axis, size in sizes.items() if size != 1}:
        alphas = "an alpha for each entry"
    else:
        alphas = f"an alpha for each place along {_axes(own)}"
    why = f"{alphas}, and a slope of 0 at 0"
    return Form("{self}({0})", told(planned), Layout.LAST, why=why)


ROWS: dict[Any, Row] = {
    layers.Activation: _activation,
    layers.ReLU: _relu,
    layers.LeakyReLU: lambda planned, call: named("leaky_relu", call, **planned.named),
    layers.ELU: lambda planned, call: named(
        "elu", call, alpha=None if planned.named["alpha"] == 1 else planned.named["alpha"]
    ),
    layers.Softmax: _softmax,
    layers.PReLU: _prelu,
    nn.Identity: lambda planned, call: Form("{0}"),
}
