"""What a call is given: its tensors, and others in their place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from parity.halves.torch.port.function_weights import Weights, flat_tensors, replaced

# (the name of a call, its tensors) -> place of a tensor -> what the call is given there.
Given = Callable[[str, list[torch.Tensor]], Mapping[int, torch.Tensor]]


@dataclass
class Taken:
    """The tensors that a call is given, and where they come from; see `Call`."""

    inputs: list[torch.Tensor]
    sources: list[int | None]
    origins: list[int | None]
    nearest: list[int | None]
    whole: torch.Tensor | None  # input of a dropout, which may work in place; part of the graph
    has_weights: bool  # whether parameters are among the arguments


def with_given(
    given: Given, name: str, arguments: Any, weights: Weights
) -> tuple[Any, list[tuple[torch.Tensor, torch.Tensor]]]:
    """Returns the arguments of a call, and (the new tensor, the one in whose place it is).

    Args:
        given: says what a call is given.
        name: of the call.
        arguments: nested; parameters among them stay.
        weights: the parameters.
    """
    tensors = [x for x in flat_tensors(arguments) if x not in weights]
    others = given(name, tensors)
    if not others:
        return arguments, []
    left = [others.get(place, x) for place, x in enumerate(tensors)]
    pairs = [(other, tensors[place]) for place, other in others.items()]
    return replaced(arguments, left, weights), pairs
