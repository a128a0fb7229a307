"""Dense layers whose features are several axes: heads and their size, in Keras and in a port.

Keras's projections of attention have kernels (in, heads, size) and (heads, size, out), and a port
has one axis in the place of two. In row-major order both are the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from parity.halves.torch.call import Call
from torch_impl.layers import EinsumDense
from torch_impl.layouts import Tensors, Variable


def num_inputs(node: Mapping[str, Any]) -> int:
    """Returns how many axes of the kernel of a Keras node are inputs; 0 if it is no such layer."""
    return int((node.get("config") or {}).get("kernel_inputs") or 0)


def flat_shape(node: Mapping[str, Any], shape: Sequence[int]) -> list[int]:
    """Returns the shape of a weight of a Keras node, with one axis for inputs and one for outputs.

    A bias has one axis.
    """
    number = num_inputs(node)
    if not number or len(shape) < 2:
        return list(shape)
    if len(shape) > number and _is_kernel(node, shape):
        return [math.prod(shape[:number]), math.prod(shape[number:])]
    return [math.prod(shape)]


def _is_kernel(node: Mapping[str, Any], shape: Sequence[int]) -> bool:
    kernel = str(node["config"].get("equation", "")).replace("...", "").partition(",")[2]
    return len(kernel.partition("->")[0].strip()) == len(shape)


def flat_features(node: Mapping[str, Any]) -> list[int]:
    """Returns the shape of the output of a Keras node, with one axis for its features."""
    shape = list(node["output_shape"])
    number = num_inputs(node)
    if not number:
        return shape
    equation = str(node["config"].get("equation", ""))
    kernel = equation.replace("...", "").partition(",")[2].partition("->")[0].strip()
    rest = len(kernel) - number
    # The projections of an attention are told with one axis already.
    if rest < 2 or len(shape) <= rest or node["config"].get("part"):
        return shape
    return [*shape[:-rest], math.prod(shape[-rest:])]


def with_flat_axes(call: Call, variable: Variable, value: torch.Tensor) -> torch.Tensor:
    """Returns a weight of a call, in Keras's layout, with one axis for inputs and for outputs."""
    module = call.module
    if not isinstance(module, EinsumDense):
        return value
    if variable.name == "bias":
        return value.reshape(-1)
    number = len(module.input_axes)
    if module.input_axes != list(range(number)):
        return value
    return value.reshape(math.prod(value.shape[:number]), -1)


def shaped(variable: Variable, shape: Sequence[int]) -> Variable:
    """Returns a variable whose Keras array has another shape, of the same numbers in their order.

    It stays as it is if the numbers are not as many.
    """
    own = tuple(variable.to_keras(variable.tensors).shape)
    if own == tuple(shape) or math.prod(own) != math.prod(shape) or len(own) == len(shape):
        return variable

    def to_keras(tensors: Tensors) -> torch.Tensor:
        return variable.to_keras(tensors).reshape(tuple(shape))

    def to_torch(array: torch.Tensor) -> Tensors:
        return variable.to_torch(array.reshape(own))

    return replace(variable, to_keras=to_keras, to_torch=to_torch)


def is_split(shape: Sequence[int], expected: Sequence[int]) -> bool:
    """Whether one of two shapes has in its last two axes what the other has in its last one."""
    short, long = sorted((list(shape), list(expected)), key=len)
    if len(long) != len(short) + 1 or len(short) < 2:
        return False
    return long[:-2] == short[:-1] and long[-2] * long[-1] == short[-1]
