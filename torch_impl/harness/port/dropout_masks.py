"""Keras's masks for the dropouts of a port.

The pairs of a port go in. What an active dropout returns comes out: its input with Keras's mask, in
the order of the port's axes, and at the rate of the port.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from torch_impl.harness.port.drawn_masks import mask_like

if TYPE_CHECKING:
    from torch_impl.harness.port.port_under_test import PortUnderTest


def dropout_masks(
    port: PortUnderTest, mode: str
) -> Callable[[int, torch.Tensor, float], torch.Tensor]:
    """Returns the function of an active dropout: (its number, its input, its rate) -> its output.

    Args:
        port: the port.
        mode: of the pass in Keras's trace: "train", "step1", ...; without masks nothing is dropped.
    """
    dropouts = [n for n, call in enumerate(port.calls) if call.kind == "dropout"]
    numbers = {id(port.calls[column]): n for n, column in enumerate(dropouts)}
    pairs = {numbers[id(pair.call)]: pair for pair in port.all_pairs if id(pair.call) in numbers}

    def dropped(number: int, x: torch.Tensor, rate: float) -> torch.Tensor:
        pair = pairs.get(number)
        key = f"mask/{mode}/{pair.node['name']}" if pair else ""
        if pair is None or key not in port.keras or rate >= 1:
            return x
        mask = pair.native(port.keras[key], x)
        if mask is None:  # ones of a single step, by which all steps are multiplied
            mask = mask_like(port.keras[key], x)
        if mask is None:
            return x
        return torch.where(mask != 0, x * (1 / (1 - rate)), torch.zeros_like(x))

    return dropped
