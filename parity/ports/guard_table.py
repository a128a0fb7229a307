"""What a port may use of torch, NumPy and `torch_impl`, by the names of these in its files."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from torch_impl import (
    arrays,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    optim,
    regularizers,
    schedule,
)
from torch_impl.layers import activations


def _of_torch(path: Sequence[str]) -> bool:
    first, *rest = path
    if first in ("nn", "linalg", "optim", "special", "fft"):
        return not rest or _INSIDE_TORCH[first](rest)
    value = getattr(torch, first, None)
    is_function = (
        hasattr(torch._C._VariableFunctions, first)
        or getattr(value, "__module__", "") == "torch.functional"
    )
    is_known = first in _TORCH or isinstance(value, torch.dtype) or is_function
    return not rest and is_known and not first.startswith("_") and first != "from_file"


_TORCH = {
    *("Tensor", "tensor", "as_tensor", "get_default_dtype", "set_default_dtype"),
    *("manual_seed", "initial_seed", "float"),
}


def _of_nn(path: Sequence[str]) -> bool:
    if path[0] == "init":
        return len(path) == 1 or (len(path) == 2 and path[1].endswith("_"))
    if path[0] == "functional":
        return len(path) == 1 or _of_functional(path[1:])
    value = getattr(nn, path[0], None)
    return (
        len(path) == 1 and isinstance(value, type) and issubclass(value, nn.Module | nn.Parameter)
    )


def _of_functional(path: Sequence[str]) -> bool:
    name = path[0]
    value = getattr(functional, name, None)
    homes = (torch._C._nn, torch._C._VariableFunctions)
    is_own = inspect.isfunction(value) and value.__module__ == functional.__name__
    is_native = inspect.isbuiltin(value) and any(hasattr(home, name) for home in homes)
    return len(path) == 1 and not name.startswith("_") and (is_own or is_native)


def _builtins_of(module: ModuleType) -> Callable[[Sequence[str]], bool]:
    return lambda path: len(path) == 1 and inspect.isbuiltin(getattr(module, path[0], None))


def _public_of(module: ModuleType, home: str) -> Callable[[Sequence[str]], bool]:
    """Returns whether a name is one of the classes of a module, or a function that is public."""
    public = getattr(module, "__all__", ()) if home == "torch_impl" else ()

    def is_known(path: Sequence[str]) -> bool:
        value: Any = getattr(module, path[0], None)
        is_class = isinstance(value, type) and value.__module__.startswith(home)
        return len(path) == 1 and (is_class or path[0] in public)

    return is_known


_INSIDE_TORCH: dict[str, Callable[[Sequence[str]], bool]] = {
    "nn": _of_nn,
    "linalg": _builtins_of(torch.linalg),
    "special": _builtins_of(torch.special),
    "fft": _builtins_of(torch.fft),
    "optim": _public_of(torch.optim, "torch.optim"),
}
# Name of a module -> whether a path in it, of an attribute, may stand in a file.
MODULES: dict[str, Callable[[Sequence[str]], bool]] = {
    "torch": _of_torch,
    "nn": _of_nn,
    "F": _of_functional,
    "np": lambda path: path in (["ndarray"], ["swapaxes"]),
    "math": _builtins_of(math),
    "argparse": lambda path: False,
    "layers": _public_of(layers, "torch_impl"),
    "arrays": _public_of(arrays, "torch_impl"),
    "constraints": _public_of(constraints, "torch_impl"),
    "activations": lambda path: (
        len(path) == 1 and inspect.isfunction(getattr(activations, path[0], None))
    ),
    **{
        module.__name__.rpartition(".")[2]: _public_of(module, "torch_impl")
        for module in (losses, metrics, optim, schedule, initializers, regularizers)
    },
}
