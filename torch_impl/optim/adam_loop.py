"""The compiled step of Adam (`adam.c`), for parameters on the CPU."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from torch_impl import native

SOURCE = Path(__file__).with_name("adam.c")
_NAMES = {torch.float32: "adam_float32", torch.float64: "adam_float64"}

# Takes (weight, gradient, momentum, velocity), 1 - beta_1, 1 - beta_2, alpha, epsilon.
Step = Callable[[Sequence[torch.Tensor], float, float, float, float], None]


def compiled_step(
    parameters: Sequence[torch.Tensor], gradients: Sequence[torch.Tensor]
) -> Step | None:
    """Returns the function that makes a step of one parameter, or None if torch has to do it.

    Args:
        parameters: those of one group, which have one dtype.
        gradients: their gradients.
    """
    library = native.library(SOURCE)
    pairs = zip(parameters, gradients, strict=True)
    if library is None or not all(_lie_alike(*pair) for pair in pairs):
        return None
    return _step(library, parameters[0].dtype)


def _lie_alike(parameter: torch.Tensor, gradient: torch.Tensor) -> bool:
    """Whether the values of both are contiguous in memory, in the same order."""
    is_dense = parameter.is_contiguous() or (
        parameter.ndim == 4 and parameter.is_contiguous(memory_format=torch.channels_last)
    )
    steps = zip(parameter.stride(), gradient.stride(), parameter.shape, strict=True)
    return (
        is_dense
        and parameter.device.type == gradient.device.type == "cpu"
        and parameter.dtype == gradient.dtype
        and parameter.dtype in _NAMES
        and all(a == b or size == 1 for a, b, size in steps)
    )


@functools.cache
def _step(library: ctypes.CDLL, dtype: torch.dtype) -> Step:
    loop = library[_NAMES[dtype]]
    loop.restype = None
    loop.argtypes = (
        [ctypes.c_void_p] * 4 + [ctypes.c_int64] + [ctypes.c_double] * 4 + [ctypes.c_int]
    )

    def step(
        tensors: Sequence[torch.Tensor], weight_1: float, weight_2: float, alpha: float, eps: float
    ) -> None:
        pointers = (tensor.data_ptr() for tensor in tensors)
        threads = torch.get_num_threads()
        loop(*pointers, tensors[0].numel(), weight_1, weight_2, alpha, eps, threads)

    return step
