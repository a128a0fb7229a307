"""An optimizer that somebody has written without torch's class, as torch knows optimizers."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from torch_impl.errors import PortError

_RATES = ("lr", "learning_rate", "rate")


def adopted(own: Any, module: nn.Module) -> torch.optim.Optimizer:
    """Returns an optimizer of torch for an object that makes steps by itself.

    Its groups have the parameters of the module, and the object's learning rate. Whoever calls
    `step` of the object, hooks are called as with any optimizer of torch.

    Args:
        own: has `step()`, and its learning rate as `lr`, `learning_rate` or `rate`.
        module: that it trains.

    Raises:
        PortError: it has none of these.
    """
    names = [n for n in _RATES if isinstance(getattr(own, n, None), int | float | torch.Tensor)]
    if not callable(getattr(own, "step", None)) or not names:
        raise PortError(
            f"optimizer {type(own).__name__}: expected one of torch, or an object that has step() "
            f"and a learning rate as {', '.join(_RATES[:-1])} or {_RATES[-1]}"
        )
    kind = type(type(own).__name__, (_Adopted,), {"__module__": type(own).__module__})
    found: torch.optim.Optimizer = kind(own, module, names[0])
    return found


class _Adopted(torch.optim.Optimizer):
    def __init__(self, own: Any, module: nn.Module, name: str) -> None:
        self._own, self._name, self._step = own, name, own.step
        self._rate = float(getattr(own, name))  # as both had it last
        super().__init__(module.parameters(), {"lr": self._rate})
        own.step = self.step

    def step(self, *arguments: Any, **keywords: Any) -> Any:
        """Lets the object make a step, by the rate that either of both was given since the last."""
        (group,) = self.param_groups
        if (rate := float(getattr(self._own, self._name))) != self._rate:
            group["lr"] = rate
        setattr(self._own, self._name, group["lr"])
        result = self._step(*arguments, **keywords)
        group["lr"] = self._rate = float(getattr(self._own, self._name))
        return result
