"""Keras's masks and noise for the layers of a port that draw.

The pairs of a port go in. What an active dropout, or layer of noise, returns comes out: its input
with what Keras's layer drew, in the order of the port's axes, and at the rate of the port.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from parity.halves.torch.kinds import REPLAYED
from parity.halves.torch.port.drawn_masks import mask_like

if TYPE_CHECKING:
    from parity.halves.torch.call import Call
    from parity.halves.torch.port.port_under_test import PortUnderTest

_ALPHA = -1.6732632423543772 * 1.0507009873554805  # what a value becomes that AlphaDropout drops


def dropout_masks(
    port: PortUnderTest, mode: str
) -> Callable[[int, torch.Tensor, float], torch.Tensor]:
    """Returns the function of an active dropout: (its number, its input, its rate) -> its output.

    Args:
        port: the port.
        mode: of the pass in Keras's trace: "train", "step1", ...; without masks nothing is dropped.
    """
    dropouts = [n for n, call in enumerate(port.calls) if call.kind in REPLAYED]
    numbers = {id(port.calls[column]): n for n, column in enumerate(dropouts)}
    pairs = {numbers[id(pair.call)]: pair for pair in port.all_pairs if id(pair.call) in numbers}

    def dropped(number: int, x: torch.Tensor, rate: float) -> torch.Tensor:
        pair = pairs.get(number)
        key = f"mask/{mode}/{pair.node['name']}" if pair else ""
        if pair is None or key not in port.keras or rate >= 1:
            return x
        drawn = pair.native(port.keras[key], x)
        if drawn is None:  # ones of a single step, by which all steps are multiplied
            drawn = mask_like(port.keras[key], x)
        return x if drawn is None else _applied(pair.call.kind, x, drawn, rate)

    return dropped


def masks_of_step(
    port: PortUnderTest, mode: str, order: Sequence[str]
) -> Callable[[Call, torch.Tensor], torch.Tensor]:
    """Returns the function of an active dropout in a step that calls layers in its own order.

    A layer may be called several times: its calls have the numbers of Keras's. A dropout that is no
    module takes the next mask of those that have no module.

    Args:
        port: the port.
        mode: of the step in Keras's trace.
        order: names of Keras's dropouts as they are called.

    Returns:
        A function of the call and of the input of a dropout: its output.
    """
    pairs = {
        _base(pair.call.name): pair
        for pair in port.all_pairs
        if pair.call.kind in REPLAYED and pair.call.module is not None
    }
    with_module = {_base(pair.node["name"]) for pair in pairs.values()}
    left = [name for name in order if _base(name) not in with_module]
    own_masks = np.random.default_rng(0)

    def dropped(call: Call, x: torch.Tensor) -> torch.Tensor:
        pair = pairs.get(_base(call.name))
        if pair is not None:
            name = _base(pair.node["name"]) + call.name[len(_base(call.name)) :]
        else:
            name = left.pop(0) if left else ""
        key = f"mask/{mode}/{name}"
        if call.rate is None or call.rate >= 1:
            return x
        if key not in port.keras:  # Keras drops nothing here
            kept = own_masks.random(tuple(x.shape)) >= call.rate
            return _applied(call.kind, x, torch.from_numpy(kept).to(x), call.rate)
        drawn = None if pair is None else pair.native(port.keras[key], x)
        if drawn is None:
            drawn = mask_like(port.keras[key], x, port.given_axes())
        return x if drawn is None else _applied(call.kind, x, drawn, call.rate)

    return dropped


def _base(name: str) -> str:
    """Returns the name of a call without its number: "drop" of "drop#2"."""
    return name.partition("#")[0]


def _applied(kind: str, x: torch.Tensor, drawn: torch.Tensor, rate: float) -> torch.Tensor:
    """Returns what a layer makes of its input by what was drawn.

    Sources: keras 3.15 `layers/regularization`, torch `nn/modules/dropout.py`.
    """
    if kind == "gaussian_noise":
        return x + rate * drawn
    if kind == "gaussian_dropout":
        return x * (1 + math.sqrt(rate / (1 - rate)) * drawn)
    if kind == "alpha_dropout":
        scale: float = ((1 - rate) * (1 + rate * _ALPHA**2)) ** -0.5
        kept = torch.where(drawn != 0, x, torch.full_like(x, _ALPHA))
        return scale * kept - scale * _ALPHA * rate
    return torch.where(drawn != 0, x * (1 / (1 - rate)), torch.zeros_like(x))
