"""Sets weights in a module whose places are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from parity.errors import InputError
from parity.halves.torch.port.carried import Carried
from parity.halves.torch.port.loaded import WeightsByName, load_by
from parity.halves.torch.port.port_under_test import PortUnderTest


def place(port: PortUnderTest, items: Sequence[Carried], arrays: Mapping[str, np.ndarray]) -> None:
    """Sets all weights of a port, which begins as it was built; by its `load` if it has one.

    Args:
        port: the port.
        items: the weights with a place.
        arrays: all weights in Keras's layout, by name.

    Raises:
        InputError: one does not fit, or `load` raises.
    """
    port.begin_as_built()
    if port.built.load is not None:
        given = {name: port.cast(array) for name, array in arrays.items()}
        load_by(port.built.load, port.built.module, WeightsByName(given))
        return
    for item in items:
        try:
            item.set(_as_held(item, arrays[item.name]))
        except ValueError as error:
            raise InputError(f"{item.name}: {error}") from None


def _as_held(item: Carried, array: np.ndarray) -> np.ndarray:
    is_real = item.variable.tensors[0].is_floating_point() and array.dtype.kind == "f"
    return array.astype(np.float64) if is_real else array
