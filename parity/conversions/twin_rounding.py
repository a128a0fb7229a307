"""What rounding may change in what a twin computes: the same measure as that of a check.

The twin runs again, with every weight moved by one unit in the last place, and with what Keras has
in float32 moved by as much as that may change it. A module that writes 1 / 255 where Keras computes
with that rounded to float32 is right; one that writes 1 / 254 is not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from parity.conversions.twin import Leaf, Twin
from parity.halves.torch.call import Call
from parity.halves.torch.calls import recorded_calls
from parity.halves.torch.port.function_weights import flat_tensors
from parity.ladder.tolerance import (
    LARGEST_OF_GELU,
    NOISE_FACTOR,
    OF_A_CONSTANT,
    ROUNDINGS_OF_RESIZING,
    SOFTPLUS_LIMIT,
)
from parity.traces.perturbation import perturbed_one_by_one
from torch_impl.keras_config.operations import Operation
from torch_impl.weights import set_variable, to_array

# Constants that move together may hide each other, so those of the two sides move against each
# other in one of the passes; what is computed in float32 moves in both directions there.
PASSES = (1, 2)
_RESIZED = ("upsampling", "resizing")

Change = Callable[[Mapping[str, Any], torch.Tensor, torch.Tensor], torch.Tensor]


@contextmanager
def moved_weights(twin: Twin, number: int) -> Iterator[None]:
    """Moves each weight of a twin by one unit in the last place of float64 in the block.

    Args:
        twin: whose weights are put back.
        number: of the pass, which says the directions.
    """
    before = {
        name: array
        for name, variable in twin.variables.items()
        if (array := to_array(variable.to_keras(variable.tensors))).dtype.kind == "f"
    }
    try:
        for name, array in perturbed_one_by_one(before, number):
            set_variable(twin.variables[name], name, array)
        yield
    finally:
        for name, array in before.items():
            set_variable(twin.variables[name], name, array)


def moved_pass(twin: Twin, arguments: Any, number: int) -> tuple[list[Call], Any]:
    """Returns the calls of a pass in which rounded numbers are moved, and what it returns.

    Args:
        twin: the model.
        arguments: of it.
        number: of the pass: one of `PASSES`.
    """
    leaves = {leaf.path: leaf for leaf in twin.leaves}
    paths = {id(module): path for path, module in twin.module.named_modules()}
    draw = torch.Generator().manual_seed(number)

    def passed(call: Call, output: Any) -> Any:
        config = _config(leaves, paths.get(id(call.module), ""), call)
        first = flat_tensors(output)[0]
        if not call.inputs or first.dtype != torch.float64:
            return output
        moved = first + _change(call, config, first, number, draw)
        return moved if isinstance(output, torch.Tensor) else (moved, *output[1:])

    keep: Any = lambda number, x, rate: x  # noqa: E731
    watch = recorded_calls(twin.module, keep, passed=passed)
    with torch.no_grad(), moved_weights(twin, number), watch as calls:
        returned = twin.module(arguments)
    return calls, returned


def _config(leaves: Mapping[str, Leaf], path: str, call: Call) -> Mapping[str, Any]:
    """Returns the settings of the layer that makes a call; of a function, its numbers."""
    while path and path not in leaves:
        path = path.rpartition(".")[0]
    return leaves[path].config if path else call.arguments


def _change(
    call: Call,
    config: Mapping[str, Any],
    output: torch.Tensor,
    number: int,
    draw: torch.Generator,
) -> torch.Tensor:
    given = call.inputs[0]
    if call.kind in (*_RESIZED, "mel_spectrogram"):
        if config.get("interpolation") == "nearest" or config.get("mode") == "nearest":
            return torch.zeros_like(output)
        share = torch.rand(output.shape, generator=draw, dtype=output.dtype)
        share = share if number == PASSES[0] else 2 * share - 1
        size = _size_of_pixels(given, output) if call.kind in _RESIZED else output
        roundings = ROUNDINGS_OF_RESIZING if call.kind in _RESIZED else 1.0
        return 2.0**-24 * roundings * share * size
    name = call.module.name if isinstance(call.module, Operation) else ""
    change = _CHANGES.get(_OPERATIONS.get(name, call.kind))
    if change is None or not (given.is_floating_point() or call.kind in _SCALES):
        return torch.zeros_like(output)
    sign = -1 if number != PASSES[0] and call.kind not in _SCALES else 1
    return sign * change(config, given, output)


def _size_of_pixels(given: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    """Returns how large the pixels are that make each value; between both signs it is near zero."""
    if given.ndim != 4 or output.ndim != 4 or given.shape[:2] != output.shape[:2]:
        return output.abs()
    sizes = F.interpolate(given.abs().to(output), output.shape[2:], mode="bilinear")
    return torch.maximum(output.abs(), sizes)


def _leaky_relu(
    config: Mapping[str, Any], given: torch.Tensor, output: torch.Tensor
) -> torch.Tensor:
    """The slope; of a ReLU, its largest value as well."""
    most, is_rounded = config.get("max_value"), given < 0
    if isinstance(most, int | float) and float(np.float32(most)) != float(most):
        is_rounded = is_rounded | (output >= float(np.float32(most)))
    return OF_A_CONSTANT * torch.where(is_rounded, output, 0.0)


def _softplus(_: Mapping[str, Any], given: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    return torch.where(given > SOFTPLUS_LIMIT, given - output, 0.0) * (2 / NOISE_FACTOR)


def _gelu(_: Mapping[str, Any], given: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    """Towards the exact root of 2; of an approximate one, by as much as another root would do."""
    exact = F.gelu(given)
    if float((exact - output).abs().max()) > LARGEST_OF_GELU:
        return OF_A_CONSTANT * given**2 * torch.exp(-0.5 * given**2) / math.sqrt(2 * math.pi)
    return (exact - output) * (2 / NOISE_FACTOR)


def _rescaling(
    config: Mapping[str, Any], given: torch.Tensor, output: torch.Tensor
) -> torch.Tensor:
    """The scale upwards, and the offset downwards."""
    offset = torch.as_tensor(config.get("offset", 0.0), dtype=output.dtype)
    return OF_A_CONSTANT * (output - 2 * offset)


def _normalization(
    config: Mapping[str, Any], given: torch.Tensor, output: torch.Tensor
) -> torch.Tensor:
    mean, variance = config.get("mean"), config.get("variance")
    if mean is None or variance is None:  # weights, which a file has in float32 as they are
        return torch.zeros_like(output)
    offset = float(np.max(np.abs(mean) / np.sqrt(np.maximum(variance, 1e-14))))
    return OF_A_CONSTANT * (output + offset)


_CHANGES: dict[str, Change] = {
    "activation:softplus": _softplus,
    "activation:gelu": _gelu,
    "activation:leaky_relu": _leaky_relu,
    "activation:relu": _leaky_relu,
    "rescaling": _rescaling,
    "normalization": _normalization,
}
# Class of an operation, such as keras.activations.gelu of a tensor -> its kind.
_OPERATIONS = {
    "Softplus": "activation:softplus",
    "Gelu": "activation:gelu",
    "LeakyRelu": "activation:leaky_relu",
    "ReLU": "activation:relu",
    "Relu": "activation:relu",
}
_SCALES = ("rescaling", "normalization")


def changed_by(first: Sequence[torch.Tensor], moved: Sequence[torch.Tensor]) -> float:
    """Returns the greatest change of some tensors, relative to their largest value."""
    pairs = [(a, b) for a, b in zip(first, moved, strict=True) if a.is_floating_point()]
    most = max((float((a - b).abs().max()) for a, b in pairs if a.numel()), default=0.0)
    largest = max((float(a.abs().max()) for a, _ in pairs if a.numel()), default=0.0)
    return most / (largest or 1.0) if np.isfinite(most) and np.isfinite(largest) else 0.0
