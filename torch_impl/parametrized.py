"""Weights that a module computes from others, as weight normalisation does.

A weight goes in. The tensors from which the module computes it are set such that it has that value,
and the gradient of the weight itself, which torch does not keep, can be read.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize


@torch.no_grad()
def set_computed(module: nn.Module, attribute: str, value: torch.Tensor) -> None:
    """Sets the tensors from which a module computes a weight.

    Args:
        module: with a parametrization of `torch.nn.utils.parametrize`, or with the older
            `torch.nn.utils.weight_norm`.
        attribute: name of the weight.
        value: of the weight.

    Raises:
        ValueError: the parametrization cannot be inverted, or gives another value.
    """
    try:
        _set(module, attribute, value)
    except (NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{attribute!r} is computed and cannot be set ({error})") from error
    made = getattr(module, attribute)
    if made.shape != value.shape or not torch.allclose(made, value.to(made), rtol=1e-6, atol=1e-9):
        raise ValueError(f"{attribute!r} is computed from other weights, which cannot give it")


def _set(module: nn.Module, attribute: str, value: torch.Tensor) -> None:
    if parametrize.is_parametrized(module, attribute):
        setattr(module, attribute, value.to(getattr(module, attribute)))
        return
    hook: Any = next(
        (
            hook
            for hook in module._forward_pre_hooks.values()
            if type(hook).__name__ == "WeightNorm" and getattr(hook, "name", "") == attribute
        ),
        None,
    )
    if hook is None:
        raise NotImplementedError("it is no parametrization of torch")
    size, direction = (getattr(module, f"{attribute}_{part}") for part in "gv")
    direction.copy_(value)
    size.copy_(torch.norm_except_dim(direction, 2, hook.dim))
    setattr(module, attribute, hook.compute_weight(module))


class _Kept(nn.Module):
    """A parametrization that changes nothing, and keeps the gradient of the weight."""

    def __init__(self) -> None:
        super().__init__()
        self.gradient: torch.Tensor | None = None

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        if weight.requires_grad:
            weight = weight.view_as(weight)
            weight.register_hook(self._add)
        return weight

    def right_inverse(self, weight: torch.Tensor) -> torch.Tensor:
        return weight

    def _add(self, gradient: torch.Tensor) -> None:
        gradient = gradient.detach().clone()
        self.gradient = gradient if self.gradient is None else self.gradient + gradient


def _kept(module: nn.Module) -> Any:
    """Yields (name, what keeps its gradient or None) of the computed weights of one module."""
    for name, computed in getattr(module, "parametrizations", {}).items():
        if isinstance(computed, parametrize.ParametrizationList):
            yield name, next((step for step in computed if isinstance(step, _Kept)), None)


def keep_gradients(root: nn.Module) -> None:
    """Makes a module keep the gradients of the weights that it computes by a parametrization."""
    for module in list(root.modules()):
        for name, kept in list(_kept(module)):
            if kept is None:
                parametrize.register_parametrization(module, name, _Kept(), unsafe=True)


def forget_gradients(root: nn.Module) -> None:
    """Forgets the gradients that were kept."""
    for module in root.modules():
        for _, kept in _kept(module):
            if kept is not None:
                kept.gradient = None


def kept_gradient(module: nn.Module, attribute: str) -> torch.Tensor | None:
    """Returns the gradient that was kept of a computed weight; None if there is none."""
    kept = dict(_kept(module)).get(attribute)
    return None if kept is None else kept.gradient
