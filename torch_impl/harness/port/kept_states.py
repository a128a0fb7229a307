"""What the modules of a port keep from call to call beside their weights: the states of sequences.

A port keeps them in attributes. Every probe begins where the first one began, but for the steps
of a training, which go on. Nothing is put back for a Keras model whose layers keep no states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

_MISSING = object()


class KeptStates:
    """The tensors in attributes of all modules, as they are now.

    Args:
        root: the port.
        nodes: of the Keras model.
    """

    def __init__(self, root: nn.Module, nodes: Sequence[Mapping[str, Any]]) -> None:
        held = [*root.parameters(), *root.buffers()]
        self._weights = {tensor.untyped_storage().data_ptr() for tensor in held if tensor.numel()}
        modules = root.modules() if any(is_stateful(node) for node in nodes) else ()
        self._attributes = [(module, self._found(module)) for module in modules]

    def _found(self, module: nn.Module) -> dict[str, Any]:
        found = {name: v for name, v in vars(module).items() if name[0] != "_" and _is_state(v)}
        return {name: self._copied(value) for name, value in found.items()}

    def _copied(self, value: Any) -> Any:
        """Copies tensors, which a module may change in place, unless they are weights."""
        if isinstance(value, torch.Tensor):
            is_weight = not value.numel() or value.untyped_storage().data_ptr() in self._weights
            return value if is_weight or value.requires_grad else value.detach().clone()
        if isinstance(value, list | tuple):
            return type(value)(self._copied(part) for part in value)
        return value

    def begin(self, mode: str) -> None:
        """Puts the attributes back before a pass, but in the second step of a training and later.

        Args:
            mode: of the pass in Keras's trace: "train", "step1", ...
        """
        if not mode.startswith("step") or mode == "step1":
            self.restore()

    @torch.no_grad()
    def restore(self) -> None:
        """Puts the attributes back; those that came later are removed."""
        for module, before in self._attributes:
            now = [n for n, value in vars(module).items() if n[0] != "_" and _is_state(value)]
            for name in {*now, *before}:
                value = before.get(name, _MISSING)
                if value is _MISSING:
                    delattr(module, name)
                else:
                    setattr(module, name, self._copied(value))


def is_stateful(node: Mapping[str, Any]) -> bool:
    """Whether a Keras layer goes on in each batch where it ended in the one before."""
    config = node["config"]
    inner = config.get("layer")
    return bool(config.get("stateful")) or (
        isinstance(inner, Mapping) and bool(inner.get("config", {}).get("stateful"))
    )


def _is_state(value: Any) -> bool:
    """Whether a value is None, a tensor, or a list or tuple of tensors, in any nesting."""
    if isinstance(value, list | tuple):
        return bool(value) and all(_is_state(part) for part in value) and _has_tensor(value)
    return value is None or (
        isinstance(value, torch.Tensor) and not isinstance(value, nn.Parameter)
    )


def _has_tensor(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(_has_tensor(part) for part in value)
    return isinstance(value, torch.Tensor)
