"""The targets that `fit` gets, as a source of targets for losses of which no form is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_impl.reference import Reference
from parity.data import probe_inputs
from parity.halves.keras.check.outputs import is_nest, leaves_by_path


class GivenTargets:
    """The arrays of `Reference(y=...)` by the name of the output.

    Args:
        reference: what `fit` gets.
        names: of the outputs, in the order in which Keras flattens them; [""] for the only one.
    """

    def __init__(self, reference: Reference, names: Sequence[str]) -> None:
        self._by_name = by_output(reference.y, names)

    def of(self, name: str) -> np.ndarray | None:
        """Returns the targets of all samples, float64 or int64; None if `fit` gets no arrays."""
        given = self._by_name.get(name)
        if given is None or not hasattr(given, "shape"):
            return None
        array = np.asarray(given)
        if not array.ndim or not len(array) or array.dtype.kind not in "biuf":
            return None
        is_real = array.dtype.kind in "bf"
        return probe_inputs.single(array.astype(np.float64 if is_real else np.int64))


def by_output(nest: Any, names: Sequence[str]) -> dict[str, Any]:
    """Returns what belongs to each output: of a mapping by name, of a list in order.

    Args:
        nest: what `fit` gets as targets or weights: one array is for all outputs.
        names: of the outputs, in the order in which Keras flattens them.
    """
    if isinstance(nest, Mapping):
        flat = dict(leaves_by_path(nest))
        if list(names) == [""]:
            return {"": next(iter(flat.values()), None)}
        return {name: flat.get(name) for name in names}
    if isinstance(nest, tuple | list) and any(map(_is_array_or_nest, nest)):
        return dict(zip(names, (each for _, each in leaves_by_path(nest)), strict=False))
    return dict.fromkeys(names, nest)


def _is_array_or_nest(value: Any) -> bool:
    return value is None or hasattr(value, "shape") or is_nest(value)
