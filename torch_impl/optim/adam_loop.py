"""The compiled step of Adam (`adam.c`), for parameters on the CPU."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from torch_impl import native
from torch_impl.optim.batch import lie_alike

SOURCE = Path(__file__).with_name("adam.c")
_NAMES = {torch.float32: "adam_float32", torch.float64: "adam_float64"}

# Takes (weight, gradient, momentum, velocity), 1 - beta_1, 1 - beta_2, alpha, epsilon.
Step = Callable[[Sequence[torch.Tensor], float, float, float, float], None]


def compiled_step(
    parameters: Sequence[torch.Tensor],
    gradients: Sequence[torch.Tensor],
    typical: Callable[[], Callable[[], object]],
) -> Step | None:
    """Returns the function that makes a step of one parameter, or None if torch has to do it.

    Args:
        parameters: those of one group, which have one dtype.
        gradients: their gradients.
        typical: prepares a typical step: see `native.fast`.
    """
    library = native.fast(SOURCE, typical)
    pairs = zip(parameters, gradients, strict=True)
    if library is None or not all(_is_for_the_loop(*pair) for pair in pairs):
        return None
    return _step(library, parameters[0].dtype)


def _is_for_the_loop(parameter: torch.Tensor, gradient: torch.Tensor) -> bool:
    is_on_cpu = parameter.device.type == "cpu"
    return is_on_cpu and parameter.dtype in _NAMES and lie_alike(parameter, gradient)


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
