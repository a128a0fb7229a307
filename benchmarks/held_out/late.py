"""Names of the frameworks for the cases, imported at their first use.

Each half runs without the other, but a file has both. So a name here is a placeholder for a module,
or for an object in one, until it is used.
"""

from __future__ import annotations

import importlib
from typing import Any


class Late:
    """A module, or `name` of it, that is imported at its first use."""

    def __init__(self, module: str, name: str = "") -> None:
        self._module, self._name = module, name

    def _loaded(self) -> Any:
        module = importlib.import_module(self._module)
        return getattr(module, self._name) if self._name else module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loaded(), name)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Calls it."""
        return self._loaded()(*arguments, **options)
