"""Weights, gradients and optimizer state in the portable layout, and back.

Names are those of the layers in `models.py`: "conv1.kernel", "conv1.bias", "dense1.kernel", ...
Every transpose of this half's parameters is a row of `LAYOUTS`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

# type of layer -> (axes from torch's weight to the portable kernel, axes back)
LAYOUTS: dict[type[nn.Module], tuple[tuple[int, ...], tuple[int, ...]]] = {
    nn.Conv2d: ((2, 3, 1, 0), (3, 2, 0, 1)),  # (out, in, h, w) <-> (h, w, in, out)
    nn.Linear: ((1, 0), (1, 0)),  # (out, in) <-> (in, out)
}


def named_parameters(model: nn.Module) -> Iterator[tuple[str, nn.Parameter, nn.Module]]:
    """Yields (portable name, parameter, layer), kernel before bias, in the order of the layers."""
    for layer_name, layer in model.named_children():
        if type(layer) in LAYOUTS:
            yield f"{layer_name}.kernel", layer.weight, layer  # type: ignore[misc]
            yield f"{layer_name}.bias", layer.bias, layer  # type: ignore[misc]


def to_portable(tensor: torch.Tensor, layer: nn.Module) -> np.ndarray:
    """Returns a parameter of `layer`, or a tensor of its shape, in the portable layout."""
    if tensor.ndim > 1:
        tensor = tensor.permute(LAYOUTS[type(layer)][0])
    return tensor.detach().cpu().numpy().copy(order="C")


def get_weights(model: nn.Module) -> dict[str, np.ndarray]:
    """Returns all weights by name, in the portable layout."""
    return {name: to_portable(p, layer) for name, p, layer in named_parameters(model)}


@torch.no_grad()
def set_weights(model: nn.Module, weights: dict[str, np.ndarray]) -> None:
    """Sets all weights from the portable layout.

    Raises:
        ValueError: names or shapes are not those of the model.
    """
    parameters = {name: (p, layer) for name, p, layer in named_parameters(model)}
    if parameters.keys() != weights.keys():
        raise ValueError(f"weights {sorted(weights)}: expected {sorted(parameters)}")
    for name, (parameter, layer) in parameters.items():
        # A copy, since torch takes neither read-only arrays nor negative strides.
        value = torch.from_numpy(weights[name].copy())
        if value.ndim > 1:
            value = value.permute(LAYOUTS[type(layer)][1])
        if value.shape != parameter.shape:
            expected = to_portable(parameter, layer).shape
            raise ValueError(f"{name} of shape {weights[name].shape}: expected {expected}")
        parameter.copy_(value)
