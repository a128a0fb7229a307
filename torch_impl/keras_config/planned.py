"""Planned: a module that is not built yet, so that it can be built, or written as source."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn


@dataclass(frozen=True, init=False)
class Planned:
    """A class of modules with the arguments of one of them.

        Planned(nn.Linear, 3, 4, bias=False).build()

    Args:
        kind: the class, or a function that returns a module.
        *arguments: by position; a Planned among them is built first.
        **settings: by name, likewise.
    """

    kind: Callable[..., nn.Module]
    arguments: tuple[Any, ...]
    settings: Mapping[str, Any]

    def __init__(self, kind: Callable[..., nn.Module], *arguments: Any, **settings: Any) -> None:
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "arguments", arguments)
        object.__setattr__(self, "settings", settings)

    def build(self) -> nn.Module:
        """Returns the module.

        Raises:
            ValueError: an argument has a form that the class does not take.
        """
        settings = {name: _built(value) for name, value in self.settings.items()}
        return self.kind(*map(_built, self.arguments), **settings)

    @property
    def named(self) -> dict[str, Any]:
        """All arguments by name, defaults included; those of `**options` are left out."""
        bound = inspect.signature(self.kind).bind(*self.arguments, **self.settings)
        bound.apply_defaults()
        return {name: value for name, value in bound.arguments.items() if name != "options"}


def _built(value: Any) -> Any:
    return value.build() if isinstance(value, Planned) else value
