"""What the Keras models of the cases are made of."""

from __future__ import annotations

from typing import Any

from benchmarks.held_out.late import Late

keras, layers, losses = Late("keras"), Late("keras.layers"), Late("keras.losses")
optimizers, regularizers = Late("keras.optimizers"), Late("keras.regularizers")
Reference = Late("keras_impl", "Reference")


def keras_sequential(*parts: Any, name: str | None = None) -> Any:
    """Returns the `keras.Sequential` of the layers."""
    return keras.Sequential(list(parts), name=name)
