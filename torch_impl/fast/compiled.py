"""compiled: a network through `torch.compile`, with masks drawn outside the compiled parts.

A dropout counts its calls. A counter inside would make torch compile anew at every call.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from torch_impl.layers.dropout import Dropout


def compiled(model: nn.Module) -> Any:
    """Returns a module that computes what a model computes, with the same parameters and masks.

    On a GPU the compiled parts are recorded as CUDA graphs, so that launching them costs no time.
    Nothing is compiled before the first call.

    Args:
        model: has any layers; a compiled part ends before each Dropout.
    """
    for layer in model.modules():
        if isinstance(layer, Dropout):
            layer.draw = torch.compiler.disable(layer.draw)  # type: ignore[method-assign]
    is_cuda = any(parameter.is_cuda for parameter in model.parameters())
    return torch.compile(model, mode="reduce-overhead" if is_cuda else "default")
