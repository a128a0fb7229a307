"""Decibels in float64, for which Keras's MelSpectrogram has a constant of another dtype.

Its reference power is a float32 tensor, which TensorFlow does not subtract from float64.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

import keras
import numpy as np


def install() -> None:
    """Lets MelSpectrogram compute in float64 from now on; all else is as before."""
    kind: Any = getattr(keras.layers, "MelSpectrogram", None)  # Keras 2 has none
    if kind is None or hasattr(kind._dbscale, "_has_float64"):
        return
    scaled = kind._dbscale

    @wraps(scaled)
    def in_its_dtype(self: Any, inputs: Any) -> Any:
        given = self.ref_power
        self.ref_power = np.asarray(given, keras.backend.standardize_dtype(inputs.dtype))
        try:
            return scaled(self, inputs)
        finally:
            self.ref_power = given

    in_its_dtype._has_float64 = True  # type: ignore[attr-defined]
    kind._dbscale = in_its_dtype
