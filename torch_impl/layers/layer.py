"""The bases of Keras's layers here: what they print, and what of a stream of numbers they keep."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

import torch
from torch import nn


class Layer(nn.Module):
    """A module that is printed with the arguments of its constructor that it keeps."""

    def extra_repr(self) -> str:
        """Returns `name=value` of each argument that is an attribute, but for tensors."""
        names = inspect.signature(type(self)).parameters
        kept = {name: getattr(self, name, None) for name in names}
        return ", ".join(
            f"{name}={value!r}"
            for name, value in kept.items()
            if value is not None and not isinstance(value, torch.Tensor | nn.Module)
        )


class Drawing(Layer):
    """A layer that draws; how far its stream of numbers was read is part of the state_dict.

    Attributes:
        stream: names of the attributes that say it.
    """

    stream: ClassVar[tuple[str, ...]] = ("seed", "num_calls")

    def get_extra_state(self) -> dict[str, Any]:
        """Part of the state_dict."""
        return {name: getattr(self, name) for name in self.stream}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Part of load_state_dict."""
        for name in self.stream:
            setattr(self, name, state[name])
