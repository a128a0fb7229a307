"""The module of a port as it is watched: without wrappers, not compiled, with all its parameters.

A wrapper of torch (`torch.compile`, DataParallel) computes what the module in it computes, under
other names, and where it cannot be watched.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

# Class of torch -> the attribute with the module that is wrapped.
_WRAPPERS = {
    "OptimizedModule": "_orig_mod",
    "DataParallel": "module",
    "DistributedDataParallel": "module",
}


def unwrapped(module: nn.Module) -> nn.Module:
    """Returns the module in a wrapper; wrapped and compiled modules inside of it are replaced.

    Args:
        module: is changed, but for its parameters, which an optimizer may hold.
    """
    if "torch._dynamo" in sys.modules:  # also functions that the port has compiled
        torch.compiler.set_stance("force_eager")
    module = _inner(module)
    for parent in list(module.modules()):
        parent._compiled_call_impl = None
        for name, child in list(parent._modules.items()):
            if child is not None and (inner := _inner(child)) is not child:
                parent._modules[name] = inner
                for other in inner.modules():
                    other._compiled_call_impl = None
    return module


def _inner(module: nn.Module) -> nn.Module:
    while (attribute := _WRAPPERS.get(type(module).__name__)) is not None:
        inner = getattr(module, attribute, None)
        if not type(module).__module__.startswith("torch.") or not isinstance(inner, nn.Module):
            break
        module = inner
    return module


def has_lazy(module: nn.Module) -> bool:
    """Whether a module has parameters or buffers whose shapes the first batch decides."""
    return any(map(is_lazy, [*module.parameters(), *module.buffers()]))


def build_lazy(module: nn.Module, arguments: Callable[[], tuple[Any, ...]]) -> None:
    """Runs a module once in eval mode, which makes its lazy parameters; others are not changed.

    Args:
        module: without effect if it has no lazy parameters.
        arguments: returns the arguments of the module.
    """
    if has_lazy(module):
        was_training = module.training
        module.eval()
        with torch.no_grad():
            module(*arguments())
        module.train(was_training)
