"""HeldArray: an array as a tensor of a graph, so that a layer that is called on it is in it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from parity.halves.keras import versions


class HeldArray(versions.Operation):
    """Returns an array, whatever the tensor beside it is.

    Keras computes a layer that is called on numbers alone at once, and a graph then has the result
    in the place of the layer. A graph reaches an operation by its tensors, so this one is given any
    that the graph has. Shapes and numbers of that tensor do not matter.
    """

    def call(self, beside: Any, value: Any) -> Any:
        """Returns the array.

        Args:
            beside: a tensor of the graph.
            value: the array.
        """
        return value

    def compute_output_spec(self, beside: Any, value: Any) -> keras.KerasTensor:
        """Returns the shape and dtype of the array; no axis is that of a batch."""
        dtype = keras.backend.standardize_dtype(value.dtype)
        return keras.KerasTensor(tuple(value.shape), dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns its name: the array is an argument of the call."""
        return {"name": self.name}


def is_array(value: Any) -> bool:
    """Whether a value has numbers that stay: an array, or a tensor that is none of a graph."""
    others = (keras.KerasTensor, keras.Variable)
    is_tensor = keras.ops.is_tensor(value) and not isinstance(value, others)
    return is_tensor or isinstance(value, np.ndarray)
