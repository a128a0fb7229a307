"""Names of the frameworks for the cases, imported at their first use.

Each half runs without the other, but a file has both. So a name here is a placeholder for a module,
or for an object in one, until it is used.
"""

from __future__ import annotations

import importlib
from typing import Any


class _Late:
    def __init__(self, module: str, name: str = "") -> None:
        self._module, self._name = module, name

    def _loaded(self) -> Any:
        module = importlib.import_module(self._module)
        return getattr(module, self._name) if self._name else module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loaded(), name)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._loaded()(*arguments, **options)


keras, torch = _Late("keras"), _Late("torch")
layers, regularizers = _Late("keras.layers"), _Late("keras.regularizers")
nn, F = _Late("torch.nn"), _Late("torch.nn.functional")
optim, schedule = _Late("torch_impl.optim"), _Late("torch_impl.schedule")
Port, Reference = _Late("torch_impl", "Port"), _Late("keras_impl", "Reference")
keras_init = _Late("benchmarks.held_out.initial", "keras_init")
