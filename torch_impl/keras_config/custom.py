"""Layers and functions of the user's own in a twin: `from_keras_config(config, custom={...})`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import nn

from torch_impl.keras_config.graph import Config, name_of
from torch_impl.layouts import Variable, all_variables

Custom = Mapping[str, Callable[..., Any]]


class CustomLayer(nn.Module):
    """A module of the user's own, as a layer of a twin.

    Args:
        layer: the module.
    """

    # Weights have Keras's path, which does not name this wrapper.
    unnamed_children = ("layer",)

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def keras_variables(self) -> Iterator[Variable]:
        """Yields the variables of the module by its own names, in Keras's order."""
        return all_variables(self.layer)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """Returns what the module returns."""
        return self.layer(*inputs, **options)


class Calling(nn.Module):
    """A function as a layer: a Lambda, or an activation.

    Args:
        function: of a tensor, or of several, as the Keras layer takes them.
        arguments: of the function by name, from Keras's config.
    """

    def __init__(
        self, function: Callable[..., Any], arguments: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        self.function, self.arguments = function, dict(arguments or {})

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """Returns what the function returns."""
        return self.function(*inputs, **self.arguments, **options)

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return getattr(self.function, "__name__", repr(self.function))


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
