"""One Keras variable of a torch module: its name, its tensors, and the way to them and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

Tensors = tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class Variable:
    """One Keras variable of a torch module.

    Attributes:
        name: Keras's path below the layer, "kernel" or "lstm_cell/kernel".
        module: has the tensors.
        attributes: names of its parameters or buffers; two if torch splits a Keras variable, such
            as the bias of an LSTM. With a path in front, "gates.weight", of a module inside.
        to_keras: turns these tensors into Keras's array.
        to_torch: turns Keras's array into these tensors.
        gradient_of: if the variable is the sum of two tensors, the one whose gradient is taken;
            both have the same gradient.
        trainable: False for moving statistics.
        part: for a variable that is only a part of its one tensor, the flat positions (int64) of
            that part; `to_torch` then fills the other positions with zeros.
    """

    name: str
    module: nn.Module
    attributes: tuple[str, ...]
    to_keras: Callable[[Tensors], torch.Tensor]
    to_torch: Callable[[torch.Tensor], Tensors]
    gradient_of: str | None = None
    trainable: bool = True
    part: torch.Tensor | None = None

    @property
    def tensors(self) -> Tensors:
        """The parameters or buffers, as the module holds them."""
        return tuple(getattr(*_owner(self.module, path)) for path in self.attributes)

    @property
    def is_computed(self) -> bool:
        """Whether the module computes a tensor from others, as weight normalisation does."""
        return any(not _is_stored(*_owner(self.module, path)) for path in self.attributes)


def _owner(module: nn.Module, path: str) -> tuple[nn.Module, str]:
    inside, _, name = path.rpartition(".")
    return (module.get_submodule(inside) if inside else module), name


def _is_stored(module: nn.Module, name: str) -> bool:
    stored = {*module._parameters.keys(), *module._buffers.keys()}  # of a script, lists
    return name in stored


Row = Callable[[nn.Module], Sequence[Variable]]


def renamed(variable: Variable, name: str) -> Variable:
    """Returns the same variable under another name."""
    return Variable(**{**vars(variable), "name": name})


def permuted(
    module: nn.Module, name: str, attribute: str, axes: Sequence[int], trainable: bool = True
) -> Variable:
    """Returns a variable with another order of axes; `axes` is the permutation from torch."""
    back = tuple(sorted(range(len(axes)), key=lambda axis: axes[axis]))
    return Variable(
        name,
        module,
        (attribute,),
        lambda tensors: tensors[0].permute(tuple(axes)),
        lambda array: (array.permute(back),),
        trainable=trainable,
    )


def same(module: nn.Module, name: str, attribute: str, trainable: bool = True) -> Variable:
    """Returns a variable that both store in the same way."""
    axes = tuple(range(getattr(module, attribute).ndim))
    return permuted(module, name, attribute, axes, trainable)


def present(module: nn.Module, *names: tuple[str, str]) -> list[Variable]:
    """Returns the variables of (Keras name, torch name) that the module has; a bias may be off."""
    return [
        same(module, keras_name, attribute, isinstance(getattr(module, attribute), nn.Parameter))
        for keras_name, attribute in names
        if getattr(module, attribute, None) is not None
    ]
