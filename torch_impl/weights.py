"""Weights, gradients and optimizer state in the portable layout, and back.

Names are those of the layers in `models.py`: "conv1.kernel", "conv1.bias", "dense1.kernel", ...
The portable layout is Keras's, and what leads to it is a row of `torch_impl.layouts.LAYOUTS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import nn

from torch_impl.layouts import LAYOUTS, Variable, variables

__all__ = [
    "LAYOUTS",
    "assign",
    "get_weights",
    "match",
    "named_parameters",
    "read",
    "set_weights",
    "to_portable",
]


def named_parameters(model: nn.Module) -> Iterator[tuple[str, nn.Parameter, nn.Module]]:
    """Yields (portable name, parameter, layer), kernel before bias, in the order of the layers.

    A Keras variable that torch keeps in two parameters, the bias of torch.nn.LSTM, is left out.
    """
    for variable in variables(model):
        if variable.trainable and len(variable.attributes) == 1:
            (parameter,) = variable.tensors
            yield _portable_name(variable), parameter, variable.module  # type: ignore[misc]


def to_portable(tensor: torch.Tensor, layer: nn.Module) -> np.ndarray:
    """Returns a parameter of `layer`, or a tensor of its shape, in the portable layout."""
    for variable in variables(layer):
        if len(variable.attributes) == 1 and variable.tensors[0].shape == tensor.shape:
            return _to_array(variable.to_keras((tensor,)))
    raise ValueError(f"tensor of shape {tuple(tensor.shape)}: expected that of a weight of {layer}")


def get_weights(model: nn.Module) -> dict[str, np.ndarray]:
    """Returns all weights by name, in the portable layout."""
    return {_portable_name(v): _to_array(v.to_keras(v.tensors)) for v in variables(model)}


def set_weights(model: nn.Module, weights: dict[str, np.ndarray]) -> None:
    """Sets all weights from the portable layout.

    Raises:
        ValueError: names or shapes are not those of the model.
    """
    targets = {_portable_name(variable): variable for variable in variables(model)}
    if targets.keys() != weights.keys():
        raise ValueError(f"weights {sorted(weights)}: expected {sorted(targets)}")
    for name, variable in targets.items():
        _set(variable, name, weights[name])


def assign(module: nn.Module, arrays: Mapping[str, np.ndarray]) -> set[str]:
    """Sets weights of one module, of any torch program, from arrays of a Keras layer.

    Names are Keras's: "kernel", "gamma", "lstm_cell/kernel", or a whole path, "conv1/kernel". What
    stands before the module's own part of it is ignored, and so are the numbers that Keras adds to
    names of cells and directions.

    Args:
        module: one of torch.nn, of `torch_impl.layers`, or what holds such.
        arrays: by name; entries that are none of this module's are left alone.

    Returns:
        The names that were used.

    Raises:
        ValueError: a shape is not the module's, or two names mean one weight.
    """
    targets = {variable.name: variable for variable in variables(module)}
    used = match(arrays, list(targets), by_kind=True)
    for name, target in used.items():
        _set(targets[target], name, arrays[name])
    return set(used)


def read(module: nn.Module, *, gradient: bool = False) -> dict[str, np.ndarray]:
    """Returns the weights of one module by Keras's names, or their gradients.

    A gradient has the layout of its weight. Where two biases of torch stand for one of Keras, as in
    torch.nn.LSTM, the weight is their sum, and the gradient that of either: both are equal.

    Args:
        module: as for `assign`.
        gradient: return gradients, of trainable weights that have one.
    """
    if not gradient:
        return {v.name: _to_array(v.to_keras(v.tensors)) for v in variables(module)}
    arrays = {}
    for variable in variables(module):
        gradients = _gradients(variable)
        if gradients is not None:
            arrays[variable.name] = _to_array(gradients)
    return arrays


def match(
    names: Mapping[str, object] | Sequence[str], targets: Sequence[str], *, by_kind: bool = False
) -> dict[str, str]:
    """Finds which weight a name means: the same, or the same but for layers before it.

    Args:
        names: Keras's, with "/" or "." between layer and weight.
        targets: names of weights, with "/".
        by_kind: whether names are taken that agree only in their last part and their direction,
            "forward_lstm_2/lstm_cell_1/kernel" for "forward_lstm/lstm_cell/kernel".

    Returns:
        target by name; names that mean none are missing.

    Raises:
        ValueError: a name means several targets, or two names one.
    """
    found: dict[str, str] = {}
    for name in names:
        candidates = _candidates(_legal(name), targets, by_kind)
        if len(candidates) > 1:
            raise ValueError(f"{name!r} means any of {candidates}: expected a longer path")
        for target in candidates:
            if target in found.values():
                raise ValueError(f"{sorted(names)}: expected one name for {target!r}")
            found[name] = target
    return found


def _candidates(path: str, targets: Sequence[str], by_kind: bool) -> list[str]:
    """The targets that a path means, by the strictest rule that finds one."""
    if path in targets:
        return [path]
    longer = [target for target in targets if path.endswith(f"/{target}")]
    if longer:
        return [max(longer, key=len)]  # "inner/dense/kernel" before "dense/kernel"
    shorter = [target for target in targets if target.endswith(f"/{path}")]
    if shorter or not by_kind:
        return shorter
    return [target for target in targets if _kind(target) == _kind(path)]


def _gradients(variable: Variable) -> torch.Tensor | None:
    """That of a Keras variable; None where one of its tensors has none."""
    if not variable.trainable:
        return None
    if variable.gradient_of is not None:
        parameter: torch.Tensor = getattr(variable.module, variable.gradient_of)
        return parameter.grad
    found = [tensor.grad for tensor in variable.tensors if tensor.grad is not None]
    return variable.to_keras(tuple(found)) if len(found) == len(variable.tensors) else None


def _legal(name: str) -> str:
    """With "/" only; a "." inside of Keras's name of a layer is "_" in torch."""
    return name.replace(".", "_") if "/" in name else name.replace(".", "/")


def _kind(path: str) -> tuple[str, str]:
    *before, last = path.split("/")
    directions = [part.partition("_")[0] for part in before]
    return next((d for d in directions if d in ("forward", "backward")), ""), last


def _portable_name(variable: Variable) -> str:
    return variable.name.replace("/", ".")


def _to_array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy().copy(order="C")


@torch.no_grad()
def _set(variable: Variable, name: str, array: np.ndarray) -> None:
    # A copy, since torch takes neither read-only arrays nor negative strides.
    value = torch.from_numpy(np.array(array, order="C"))
    expected = variable.to_keras(variable.tensors).shape
    parts = variable.to_torch(value) if value.ndim == len(expected) else ()
    shapes = [part.shape for part in parts]
    if shapes != [tensor.shape for tensor in variable.tensors]:
        raise ValueError(f"{name} of shape {tuple(value.shape)}: expected {tuple(expected)}")
    for tensor, part in zip(variable.tensors, parts, strict=True):
        tensor.copy_(part)
