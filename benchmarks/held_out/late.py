"""What a case uses of a framework, imported when it is first used.

Each half runs without the other, and a file has both: so a name stands for a module, or for
something in one, until something is asked of it.
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
