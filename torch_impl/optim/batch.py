"""What a step of an optimizer works on."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

Group = dict[str, Any]
Tensors = list[torch.Tensor]


class Batch(NamedTuple):
    """What a step changes in a group: the parameters that have a gradient."""

    group: Group
    parameters: Tensors
    gradients: Tensors


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
