"""Weights, gradients and optimizer state in the portable layout, and back.

Names are those of the layers in `models.py`: "conv1.kernel", "conv1.bias", "dense1.kernel", ...
The portable layout is Keras's; `torch_impl.layouts.LAYOUTS` has the conversions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import nn

from torch_impl.layouts import LAYOUTS, Variable, all_variables, variables
from torch_impl.parametrized import kept_gradient, set_computed

__all__ = [
    "LAYOUTS",
    "assign",
    "from_portable",
    "get_weights",
    "gradient_of",
    "match",
    "named_parameters",
    "put",
    "read",
    "set_variable",
    "set_weights",
    "to_array",
    "to_portable",
]

_NAMELESS = re.compile(r"(?P<layer>(?:.*/)?)variable(?:_(?P<number>\d+))?")


def named_parameters(model: nn.Module) -> Iterator[tuple[str, nn.Parameter, nn.Module]]:
    """Yields (portable name, parameter, layer), kernel before bias, in the order of the layers.

    A Keras variable that torch splits into two parameters, the bias of torch.nn.LSTM, is left out.
    """
    for variable in variables(model):
        if variable.trainable and len(variable.attributes) == 1:
            (parameter,) = variable.tensors
            yield _portable_name(variable), parameter, variable.module  # type: ignore[misc]


def to_portable(tensor: torch.Tensor, layer: nn.Module) -> np.ndarray:
    """Returns a parameter of `layer`, or a tensor of its shape, in the portable layout."""
    for variable in variables(layer):
        if len(variable.attributes) == 1 and variable.tensors[0].shape == tensor.shape:
            return to_array(variable.to_keras((tensor,)))
    raise ValueError(f"tensor of shape {tuple(tensor.shape)}: expected that of a weight of {layer}")


def from_portable(array: np.ndarray, parameter: torch.Tensor, layer: nn.Module) -> torch.Tensor:
    """Returns an array of the portable layout as a tensor like a parameter of `layer`."""
    for variable in variables(layer):
        if len(variable.attributes) == 1 and variable.tensors[0] is parameter:
            (part,) = variable.to_torch(torch.from_numpy(np.array(array, order="C")))
            return torch.empty_like(parameter, requires_grad=False).copy_(part)
    raise ValueError(f"a parameter of shape {tuple(parameter.shape)}: expected one of {layer}")


def get_weights(model: nn.Module) -> dict[str, np.ndarray]:
    """Returns all weights by name, in the portable layout."""
    return {_portable_name(v): to_array(v.to_keras(v.tensors)) for v in variables(model)}


def set_weights(model: nn.Module, weights: dict[str, np.ndarray]) -> None:
    """Sets all weights from the portable layout.

    Raises:
        ValueError: names or shapes are not those of the model.
    """
    targets = {_portable_name(variable): variable for variable in variables(model)}
    if targets.keys() != weights.keys():
        raise ValueError(f"weights {sorted(weights)}: expected {sorted(targets)}")
    for name, variable in targets.items():
        set_variable(variable, name, weights[name])


def assign(module: nn.Module, arrays: Mapping[str, np.ndarray]) -> set[str]:
    """Sets weights of one module, of any torch program, from arrays of a Keras layer.

    Names are Keras's: "kernel", "gamma", "lstm_cell/kernel", or a whole path, "conv1/kernel". The
    part of a path before the module is ignored, and so are the numbers that Keras adds to names of
    cells and directions.

    Args:
        module: a module of torch.nn or `torch_impl.layers`, or one that contains such modules.
        arrays: by name; entries of other modules are ignored.

    Returns:
        The names that were used.

    Raises:
        ValueError: a shape is wrong, or two names mean the same weight.
    """
    targets = {variable.name: variable for variable in variables(module)}
    used = match(arrays, list(targets), by_kind=True)
    for name, target in used.items():
        set_variable(targets[target], name, arrays[name])
    return set(used)


def read(module: nn.Module, *, gradient: bool = False) -> dict[str, np.ndarray]:
    """Returns the weights of one module by Keras's names, or their gradients.

    A gradient has the layout of its weight. If torch has two biases for one of Keras, as in
    torch.nn.LSTM, the weight is their sum, and the gradient is that of either, since both are
    equal.

    Args:
        module: see `assign`.
        gradient: whether to return gradients, of the trainable weights that have one.
    """
    if not gradient:
        return {v.name: to_array(v.to_keras(v.tensors)) for v in variables(module)}
    arrays = {}
    for variable in variables(module):
        gradients = gradient_of(variable)
        if gradients is not None:
            arrays[variable.name] = to_array(gradients)
    return arrays


def variable_of(model: nn.Module, name: str) -> Variable:
    """Returns a weight of a model by the name of its module and Keras's of the weight.

    Args:
        model: has the module.
        name: "dense.kernel", "lstm.lstm_cell/kernel"; "kernel" of the model itself.

    Raises:
        AttributeError: the model has no module of that name.
        ValueError: the module has no weight of that name.
    """
    path, module = _holder(model, name)
    weight = name.removeprefix(f"{path}.") if path else name
    found = {variable.name: variable for variable in all_variables(module)}
    if weight not in found:
        raise ValueError(f"{name!r}: expected one of {sorted(found)} of {path!r}")
    return found[weight]


def _holder(model: nn.Module, name: str) -> tuple[str, nn.Module]:
    """Returns the longest path in a name that is a module, and the module."""
    parts = name.split(".")
    for count in range(len(parts) - 1, -1, -1):
        path = ".".join(parts[:count])
        try:
            return path, model.get_submodule(path)
        except AttributeError:
            continue
    raise AttributeError(f"{name!r}: the model has no such module")


def match(
    names: Mapping[str, object] | Sequence[str], targets: Sequence[str], *, by_kind: bool = False
) -> dict[str, str]:
    """Finds the weight that a name means: the same name, or the same except for outer layers.

    Args:
        names: Keras's, with "/" or "." between layer and weight.
        targets: names of weights, with "/".
        by_kind: whether a name also matches if only its last part and its direction agree, such as
            "forward_lstm_2/lstm_cell_1/kernel" for "forward_lstm/lstm_cell/kernel".

    Returns:
        From name to target; names without a target are left out.

    Raises:
        ValueError: a name means several targets, or two names mean the same target.
    """
    found: dict[str, str] = {}
    paths = _counted_anew([_legal(name) for name in names], targets)
    for name, path in zip(names, paths, strict=True):
        candidates = _candidates(path, targets, by_kind)
        if len(candidates) > 1:
            raise ValueError(f"{name!r} means any of {candidates}: expected a longer path")
        for target in candidates:
            if target in found.values():
                raise ValueError(f"{sorted(names)}: expected one name for {target!r}")
            found[name] = target
    return found


def _counted_anew(paths: Sequence[str], targets: Sequence[str]) -> list[str]:
    """Returns paths in which weights without a name are counted within their layer.

    Keras counts them over all models of the process: "scale/variable_18", "scale/variable_19" are
    "scale/variable", "scale/variable_1" here.
    """
    nameless: dict[str, list[tuple[int, int]]] = {}
    for place, path in enumerate(paths):
        found = _NAMELESS.fullmatch(path)
        if found is not None and path not in targets:
            nameless.setdefault(found["layer"], []).append((int(found["number"] or 0), place))
    counted = list(paths)
    for layer, numbers in nameless.items():
        for count, (_, place) in enumerate(sorted(numbers)):
            counted[place] = f"{layer}variable_{count}" if count else f"{layer}variable"
    return counted


def _candidates(path: str, targets: Sequence[str], by_kind: bool) -> list[str]:
    """Returns the targets that a path means, by the strictest rule that finds any."""
    if path in targets:
        return [path]
    whole = [target for target in targets if target.endswith(f"/{path}")]
    if whole:  # "outer/inner/dense/kernel" before "dense/kernel", for "inner/dense/kernel"
        return whole
    ends = [target for target in targets if path.endswith(f"/{target}")]
    if ends or not by_kind:
        return [max(ends, key=len)] if ends else []  # "inner/dense/kernel" before "dense/kernel"
    return [target for target in targets if _kind(target) == _kind(path)]


def gradient_of(variable: Variable) -> torch.Tensor | None:
    """Returns the gradient of a Keras variable; None if one of its tensors has none."""
    if variable.is_computed:
        kept = [kept_gradient(variable.module, attribute) for attribute in variable.attributes]
        known = tuple(gradient for gradient in kept if gradient is not None)
        return variable.to_keras(known) if len(known) == len(kept) else None
    if not variable.trainable:
        return None
    if variable.gradient_of is not None:
        parameter: torch.Tensor = getattr(variable.module, variable.gradient_of)
        return parameter.grad
    found = [tensor.grad for tensor in variable.tensors if tensor.grad is not None]
    return variable.to_keras(tuple(found)) if len(found) == len(variable.tensors) else None


def _legal(name: str) -> str:
    """Returns a name with "/" only; a "." in Keras's name of a layer is "_" in torch."""
    return name.replace(".", "_") if "/" in name else name.replace(".", "/")


def _kind(path: str) -> tuple[str, str]:
    *before, last = path.split("/")
    directions = [part.partition("_")[0] for part in before]
    return next((d for d in directions if d in ("forward", "backward")), ""), last


def _portable_name(variable: Variable) -> str:
    return variable.name.replace("/", ".")


def to_array(tensor: torch.Tensor) -> np.ndarray:
    """Returns a copy of a tensor in NumPy's order."""
    return tensor.detach().cpu().numpy().copy(order="C")


@torch.no_grad()
def set_variable(variable: Variable, name: str, array: np.ndarray) -> None:
    """Sets a variable from an array in the portable layout.

    Raises:
        ValueError: the shape is wrong, or the module computes the weight from others that cannot
            give it. `name` is the name of the array in the message.
    """
    # A copy, since torch takes neither read-only arrays nor negative strides.
    value = torch.from_numpy(np.array(array, order="C"))
    expected = variable.to_keras(variable.tensors).shape
    try:
        parts = variable.to_torch(value) if value.ndim == len(expected) else ()
    except (IndexError, RuntimeError):  # axes that the layout does not have
        parts = ()
    shapes = [part.shape for part in parts]
    if shapes != [tensor.shape for tensor in variable.tensors]:
        raise ValueError(f"{name} of shape {tuple(value.shape)}: expected {tuple(expected)}")
    if variable.is_computed:
        for attribute, part in zip(variable.attributes, parts, strict=True):
            set_computed(variable.module, attribute, part)
        return
    for tensor, part in zip(variable.tensors, parts, strict=True):
        put(variable, tensor, part)


def put(variable: Variable, tensor: torch.Tensor, value: torch.Tensor) -> None:
    """Copies a value into a tensor of a variable, or into the part that belongs to it.

    Args:
        variable: see `Variable.part`.
        tensor: one of its tensors, or one like it, such as a gradient.
        value: of the same shape, as `Variable.to_torch` returns it.
    """
    if variable.part is None:
        tensor.copy_(value)
    else:
        places = variable.part.to(tensor.device)
        tensor.view(-1)[places] = value.to(tensor).reshape(-1)[places]
