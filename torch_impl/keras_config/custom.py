"""Layers and functions of the user's own in a twin: `from_keras_config(config, custom={...})`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

from torch_impl.keras_config.graph import Config, name_of
from torch_impl.layouts import Variable, all_variables
from torch_impl.masks import mask_arguments, positional_names

Custom = Mapping[str, Callable[..., Any]]


class CustomLayer(nn.Module):
    """A module of the user's own, as a layer of a twin.

    Args:
        layer: the module.
        passes_masks: whether the Keras layer of that class passes on the mask of its input.
    """

    # Weights have Keras's path, which does not name this wrapper.
    unnamed_children = ("layer",)

    def __init__(self, layer: nn.Module, passes_masks: bool = False) -> None:
        super().__init__()
        self.layer, self.passes_masks = layer, passes_masks

    @property
    def mask_arguments(self) -> frozenset[str]:
        """Those of the module: see `torch_impl.masks`."""
        return mask_arguments(self.layer)

    @property
    def positional_names(self) -> tuple[str, ...]:
        """The names of the arguments that the module takes by position."""
        return positional_names(self.layer)

    def compute_mask(self, inputs: Any, mask: Any) -> Any:
        """Returns the mask of the output.

        It is what the module's own `compute_mask` says, or the mask of the input if the module has
        `supports_masking = True`, as a Keras layer has it; else none.
        """
        compute: Any = getattr(self.layer, "compute_mask", None)
        if compute is not None:
            return compute(inputs, mask)
        return mask if getattr(self.layer, "supports_masking", self.passes_masks) else None

    def keras_variables(self) -> Iterator[Variable]:
        """Yields the variables of the module by its own names, in Keras's order."""
        return all_variables(self.layer)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """Returns what the module returns."""
        return self.layer(*inputs, **options)


class Calling(nn.Module):
    """A function as a layer: an activation.

    Args:
        function: of a tensor.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """Returns what the function returns."""
        return self.function(*inputs, **options)

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return getattr(self.function, "__name__", repr(self.function))


class Lambda(Calling):
    """The function of a Lambda layer.

    Args:
        function: of a tensor, or of several, as the Keras layer takes them. It is told the mask of
            its input by an argument `mask`, and whether the module is in train mode by `training`,
            if it has these arguments.
        arguments: of the function by name, from Keras's config.
        mask: a function that returns the mask of the output, of the input and its mask; None: the
            output has none.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        arguments: Mapping[str, Any] | None = None,
        mask: Callable[..., torch.Tensor | None] | None = None,
    ) -> None:
        super().__init__(function)
        self.arguments, self.mask = dict(arguments or {}), mask
        self._takes = _parameters(function)

    @property
    def mask_arguments(self) -> frozenset[str]:
        """`mask`, if the function has such an argument: see `torch_impl.masks`."""
        return frozenset({"mask"} & self._takes)

    @property
    def drops_masks(self) -> bool:
        """Whether a mask for the layer goes nowhere: Keras's takes it, the function does not."""
        return not self.mask_arguments

    def compute_mask(self, inputs: Any, mask: Any) -> Any:
        """Returns the mask of the output."""
        return None if self.mask is None else self.mask(inputs, mask)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """Returns what the function returns."""
        defaults: dict[str, Any] = {"training": self.training} if "training" in self._takes else {}
        defaults |= {"mask": None} if "mask" in self._takes else {}
        return self.function(*inputs, **{**defaults, **self.arguments, **options})


def _parameters(function: Callable[..., Any]) -> frozenset[str]:
    """Returns the names of the arguments of a function; none for one of C, which has no list."""
    try:
        return frozenset(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return frozenset()


def names_of(layer: Config) -> list[str]:
    """Returns the names under which `custom` may have a layer, the most special one first."""
    names = [name_of(layer), layer.get("registered_name"), layer["class_name"]]
    return [name for name in names if name]


def found(custom: Custom, names: list[str]) -> Callable[..., Any] | None:
    """Returns what `custom` has under the first of these names, or None."""
    return next((custom[name] for name in names if name in custom), None)


def function_names(value: Any) -> list[str]:
    """Returns the names under which `custom` may have a function that a config names.

    Args:
        value: a name, or Keras's {"class_name": "function", "config": name}.
    """
    name = value if isinstance(value, str) else value.get("config")
    if not isinstance(name, str) or (
        not isinstance(value, str) and value.get("class_name") != "function"
    ):
        return []
    return [name, name.rpartition(">")[2]]
