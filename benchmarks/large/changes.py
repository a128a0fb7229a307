"""How a twin is changed: a layer or a setting of it is replaced, or takes another input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from benchmarks.large.torch_models import port
from torch_impl import Port
from torch_impl.keras_config import KerasModel


class After(nn.Module):
    """A function of what a layer returns, in Keras's layout; its weights keep their names."""

    unnamed_children = ("layer",)

    def __init__(self, layer: nn.Module, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.layer, self.change = layer, change

    def forward(self, x: torch.Tensor, **options: Any) -> torch.Tensor:
        """Returns the changed output."""
        return self.change(self.layer(x, **options))


def layer(net: KerasModel, name: str) -> Any:
    """Returns a layer, without the module that turns what it is given."""
    module: Any = net.get_submodule(name)
    return getattr(module, "layer", module)


def put(net: KerasModel, name: str, module: nn.Module) -> Port:
    """Returns a port with another module in the place of a layer."""
    setattr(net, name, module)
    return port(net)


def reroute(net: KerasModel, call: str, old: str, new: str) -> None:
    """Lets a layer take what another layer returns."""
    for each in net.graph.calls:
        if each.layer == call:
            each.arguments = _renamed(each.arguments, old, new)
    net._last_use = net._find_last_uses()


def _renamed(value: Any, old: str, new: str) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_renamed(item, old, new) for item in value)
    return replace(value, layer=new) if getattr(value, "layer", None) == old else value
