"""Batch: the parameters and gradients that a step of an optimizer uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

Group = dict[str, Any]
Tensors = list[torch.Tensor]


class Batch(NamedTuple):
    """The parameters of a group that have a gradient, and their gradients."""

    group: Group
    parameters: Tensors
    gradients: Tensors

    @property
    def joined(self) -> list[list[int]]:
        """Numbers of the gradients that have one norm; see `KerasOptimizer.join_norms`."""
        places = {id(parameter): place for place, parameter in enumerate(self.parameters)}
        return [
            [places[id(p)] for p in (self.group["params"][n] for n in numbers) if id(p) in places]
            for numbers in self.group["joined"]
        ]

    def changed(self, change: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Batch:
        """Returns a batch with the gradients `change(parameter, gradient)`."""
        pairs = zip(self.parameters, self.gradients, strict=True)
        return self._replace(gradients=[change(*pair) for pair in pairs])


def norms_of(tensors: Tensors, joined: Sequence[Sequence[int]] = ()) -> list[torch.Tensor]:
    """Returns the Euclidean norm of each tensor; those whose numbers are joined have one."""
    squares = [tensor.square().sum() for tensor in tensors]
    for numbers in joined:
        if numbers:
            whole = torch.stack([squares[number] for number in numbers]).sum()
            for number in numbers:
                squares[number] = whole
    return [square.sqrt() for square in squares]


def mix_squares(slots: Tensors, values: Tensors, rho: float) -> None:
    """Sets each slot to rho * slot + (1 - rho) * value * value, in Keras's order."""
    squares = torch._foreach_mul(values, values)
    torch._foreach_mul_(squares, 1 - rho)
    torch._foreach_mul_(slots, rho)
    torch._foreach_add_(slots, squares)


def with_gradients(group: Group) -> Batch:
    """Returns the parameters of a group that have a gradient.

    Raises:
        ValueError: for a sparse gradient.
    """
    parameters, gradients = [], []
    for parameter in group["params"]:
        gradient = parameter.grad
        if gradient is None:
            continue
        if gradient.layout != torch.strided:
            raise ValueError(
                f"a gradient of layout {gradient.layout}: expected a dense one; build the "
                "torch.nn.Embedding with sparse=False"
            )
        parameters.append(parameter)
        gradients.append(gradient)
    return Batch(group, parameters, gradients)


def lie_alike(parameter: torch.Tensor, gradient: torch.Tensor) -> bool:
    """Whether both hold their values in the same order, without gaps, and in the same dtype."""
    is_dense = parameter.is_contiguous() or (
        parameter.ndim == 4 and parameter.is_contiguous(memory_format=torch.channels_last)
    )
    steps = zip(parameter.stride(), gradient.stride(), parameter.shape, strict=True)
    return (
        is_dense
        and parameter.device == gradient.device
        and parameter.dtype == gradient.dtype
        and all(a == b or size == 1 for a, b, size in steps)
    )
