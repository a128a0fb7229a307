"""Constraints by Keras's rules: each gives the value that replaces a weight after a step.

Source: keras 3.15 `constraints/constraints.py`.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from torch_impl.clip import clip
from torch_impl.layouts import Variable
from torch_impl.torch_names import named
from torch_impl.weights import put, variable_of

_EPSILON = 1e-7  # keras.backend.epsilon()


class Constraint(abc.ABC):
    """Replaces a weight after each step of the optimizer.

    Torch has no constraints: `torch.nn.utils.parametrizations` computes a weight from another one
    that is trained, which is another training.
    """

    @abc.abstractmethod
    def __call__(self, w: torch.Tensor) -> torch.Tensor:
        """Returns the value that replaces a weight, which is in Keras's layout."""

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value}" for name, value in vars(self).items())
        return f"{type(self).__name__}({settings})"


class NonNeg(Constraint):
    """max(w, 0)."""

    def __call__(self, w: torch.Tensor) -> torch.Tensor:
        """Returns the weight with 0 for negative entries."""
        return clip(w, 0.0)


class MinMaxNorm(Constraint):
    """w / (1e-7 + norm) * (rate * clip(norm, min_value, max_value) + (1 - rate) * norm).

    Args:
        min_value: least norm.
        max_value: greatest norm.
        rate: 1 brings a norm into the range at once.
        axis: over which a norm is taken, in Keras's layout: 0 for the inputs of a Dense kernel (in,
            out), [0, 1, 2] for those of a Conv2D kernel (height, width, in, out).
    """

    def __init__(
        self,
        min_value: float = 0.0,
        max_value: float = 1.0,
        rate: float = 1.0,
        axis: int | Sequence[int] = 0,
    ) -> None:
        self.min_value, self.max_value = min_value, max_value
        self.rate, self.axis = rate, axis

    def __call__(self, w: torch.Tensor) -> torch.Tensor:
        """Returns the scaled weight."""
        norms = _norms(w, self.axis)
        desired = self.rate * clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms
        return w * (desired / (_EPSILON + norms))


class MaxNorm(MinMaxNorm):
    """w / (1e-7 + norm) * min(norm, max_value).

    Args:
        max_value: greatest norm.
        axis: see `MinMaxNorm`.
    """

    def __init__(self, max_value: float = 2.0, axis: int | Sequence[int] = 0) -> None:
        super().__init__(0.0, max_value, 1.0, axis)


class UnitNorm(Constraint):
    """w / (1e-7 + norm).

    Args:
        axis: see `MinMaxNorm`.
    """

    def __init__(self, axis: int | Sequence[int] = 0) -> None:
        self.axis = axis

    def __call__(self, w: torch.Tensor) -> torch.Tensor:
        """Returns the scaled weight."""
        return w / (_EPSILON + _norms(w, self.axis))


def constrain(
    model: nn.Module, optimizer: torch.optim.Optimizer, constraints: Mapping[str, Constraint]
) -> None:
    """Lets weights be replaced after each step of an optimizer, as Keras does it.

        constrain(model, optimizer, {"dense.kernel": MaxNorm(2.0)})

    Args:
        model: has the weights; frozen ones are left alone.
        optimizer: of the model.
        constraints: from module and Keras's name of the weight, "lstm.lstm_cell/kernel", to the
            constraint, which gets and gives Keras's layout.

    Raises:
        AttributeError: the model has no module of that name.
        ValueError: the module has no weight of that name.
    """
    found = [(variable_of(model, name), rule) for name, rule in constraints.items()]

    def replace(*_: Any) -> None:
        for variable, constraint in found:
            apply(variable, constraint)

    optimizer.register_step_post_hook(replace)


@torch.no_grad()
def apply(variable: Variable, constraint: Constraint) -> None:
    """Replaces a weight if it is trained."""
    if any(tensor.requires_grad for tensor in variable.tensors):
        value = constraint(variable.to_keras(variable.tensors))
        for tensor, part in zip(variable.tensors, variable.to_torch(value), strict=True):
            put(variable, tensor, part)


def _norms(w: torch.Tensor, axis: int | Sequence[int]) -> torch.Tensor:
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    return w.square().sum(axes, keepdim=True).sqrt()


# By Keras's names: that of the class, and in snake case.
CONSTRAINTS: dict[str, type[Constraint]] = {
    name: kind
    for kind, names in (
        (MaxNorm, "MaxNorm max_norm"),
        (MinMaxNorm, "MinMaxNorm min_max_norm"),
        (NonNeg, "NonNeg non_neg"),
        (UnitNorm, "UnitNorm unit_norm"),
    )
    for name in names.split()
}


def from_config(config: str | Mapping[str, Any] | Constraint | None) -> Constraint | None:
    """Returns the constraint that Keras's configuration describes.

    Args:
        config: a name such as "non_neg", or a dictionary of `keras.constraints.serialize`, with
            "class_name" and "config"; None, for a weight without a constraint, gives None, and a
            constraint gives itself.

    Raises:
        ValueError: there is no constraint of that name here.
    """
    if config is None or isinstance(config, Constraint):
        return config
    kind, settings = named(config, CONSTRAINTS, "constraint")
    return kind(**settings)
