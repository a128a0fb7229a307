"""Planned: an object that is not built yet, so that it can be built, or written as source."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, init=False)
class Planned:
    """A class with the arguments of one of its objects: of a module, a loss, an optimizer.

        Planned(nn.Linear, 3, 4, bias=False).build()

    Args:
        kind: the class, or a function that returns an object.
        *arguments: by position; a Planned among them, or in a list, is built first.
        **settings: by name, likewise.
    """

    kind: Callable[..., Any]
    arguments: tuple[Any, ...]
    settings: Mapping[str, Any]

    def __init__(self, kind: Callable[..., Any], *arguments: Any, **settings: Any) -> None:
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "arguments", arguments)
        object.__setattr__(self, "settings", settings)

    def on(self, *first: Any) -> Planned:
        """Returns the same with arguments before all others, such as those of an optimizer."""
        return Planned(self.kind, *first, *self.arguments, **self.settings)

    def build(self) -> Any:
        """Returns the object.

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
    if isinstance(value, list):
        return [_built(each) for each in value]
    return value.build() if isinstance(value, Planned) else value


def parameters_of(kind: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Returns the arguments of a class or function by name: its own, then those of its bases."""
    found: dict[str, inspect.Parameter] = {}
    for each in inspect.getmro(kind) if inspect.isclass(kind) else (kind,):
        made = vars(each).get("__init__") if inspect.isclass(each) else each
        if inspect.isfunction(made):
            for name, parameter in inspect.signature(made).parameters.items():
                named = parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
                if name != "self" and named:
                    found.setdefault(name, parameter)
    return found
