"""What the modules of a port keep from batch to batch, beside their parameters and buffers.

A port of a stateful recurrent layer keeps the last states, often as a plain attribute. A probe
begins where the factory left them, as Keras's begins from zeros.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

_OF_EVERY_MODULE = frozenset(vars(nn.Module()))


class CarriedState:
    """The plain attributes of modules, and the buffers that no `state_dict` has, as they are now.

    Args:
        module: with all modules in it.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._before = [(each, _copied(_state_of(each))) for each in module.modules()]
        self._buffers: dict[str, torch.Tensor] = {}

    def note_buffers(self) -> None:
        """Notes the other buffers as well, now that Keras's weights are in some of them."""
        persistent = self._module.state_dict()
        named = self._module.named_buffers()
        self._buffers = _copied({name: buffer for name, buffer in named if name in persistent})

    def restore(self) -> None:
        """Sets them to what they were."""
        for module, (attributes, buffers) in self._before:
            for name in [n for n in vars(module) if n not in _OF_EVERY_MODULE]:
                if name not in attributes:
                    delattr(module, name)
            vars(module).update(_copied(attributes))
            module._buffers.update(_copied(buffers))
        for name, buffer in self._module.named_buffers():
            if name in self._buffers and buffer.shape == self._buffers[name].shape:
                buffer.data.copy_(self._buffers[name])


def _state_of(module: nn.Module) -> tuple[dict[str, Any], dict[str, Any]]:
    attributes = {n: value for n, value in vars(module).items() if n not in _OF_EVERY_MODULE}
    buffers = {name: module._buffers[name] for name in module._non_persistent_buffers_set}
    return attributes, buffers


def _copied(value: Any) -> Any:
    """Returns a nest with copies of its tensors, and other values as they are."""
    if isinstance(value, torch.Tensor):
        return value if isinstance(value, nn.Parameter) else value.detach().clone()
    if type(value) in (list, tuple):
        return type(value)(map(_copied, value))
    if type(value) is dict:
        return {name: _copied(part) for name, part in value.items()}
    return value
