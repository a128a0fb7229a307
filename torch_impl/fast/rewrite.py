"""fused and compiled: the same network in fewer passes, or through `torch.compile`."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import nn

from torch_impl.fast.conv_pool import PooledConv2d
from torch_impl.fast.pool import PooledReLU
from torch_impl.layers.dropout import Dropout

# --- compiled: a network through `torch.compile`, with masks drawn outside the compiled parts -----
#
# A dropout counts its calls. A counter inside would make torch compile anew at every call.


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


# --------------------------------------------------------------------------------------------------
#
# fused: the same network with its layers grouped, so that each group is one pass over memory.
#
# A Sequential goes in. Another one over the same layers comes out, which shares their parameters
# and states. It computes the same bits, except that the sums of a first convolution run in another
# order.


def fused(model: nn.Sequential) -> nn.Sequential:
    """Returns a network that computes what a model computes, in fewer passes.

    ReLU, MaxPool2d(2) and a Dropout that follows become one `PooledReLU` under the name of the
    pool. At the start of the network, together with a small Conv2d before them, they become a
    `PooledConv2d`. All other layers are the same objects in both networks. Each network has its own
    train mode: call `train` and `eval` of the one that is used.

    Args:
        model: has any layers.
    """
    layers = list(model.named_children())
    found: OrderedDict[str, nn.Module] = OrderedDict()
    while layers:
        name, layer = layers.pop(0)
        if isinstance(layer, nn.ReLU) and layers and _is_pool(layers[0][1]):
            name, _ = layers.pop(0)
            dropout = _plain_dropout(layers[0][1] if layers else None)
            if dropout is not None:
                layers.pop(0)
            conv = next(iter(found.values())) if len(found) == 1 else None
            if isinstance(conv, nn.Conv2d) and PooledConv2d.is_fit(conv):
                found.clear()
                layer = PooledConv2d(conv, dropout)
            else:
                layer = PooledReLU(dropout)
        found[name] = layer
    return nn.Sequential(found)


def _is_pool(layer: nn.Module) -> bool:
    """Whether a layer is `MaxPool2d(2)`, in any form in which it can be written."""
    return (
        type(layer) is nn.MaxPool2d
        and layer.kernel_size in (2, (2, 2))
        and layer.stride in (2, (2, 2))
        and layer.padding in (0, (0, 0))
        and layer.dilation in (1, (1, 1))
        and not layer.ceil_mode
        and not layer.return_indices
    )


def _plain_dropout(layer: nn.Module | None) -> Dropout | None:
    """Returns a layer if it is a Dropout of single values, which has a mask entry for each."""
    return layer if type(layer) is Dropout and layer.noise_shape is None else None
