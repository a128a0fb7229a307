"""The weights that a pass begins with, in less memory than a model has for them.

Every pass sets them several times, so they are kept beside the model, whatever its size.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, Mapping

import numpy as np

from parity.traces.perturbation import perturbed_one_by_one


class HeldWeights(Mapping[str, np.ndarray]):
    """Weights in half the memory: as float32 where that holds every value exactly.

    Those of a probe are drawn so. Each is returned as it was given, bit by bit, in a new array.

    Args:
        items: names and arrays.
    """

    def __init__(self, items: Iterable[tuple[str, np.ndarray]]) -> None:
        self._arrays: dict[str, np.ndarray] = {}
        self._dtypes: dict[str, np.dtype] = {}
        for name, array in items:
            self._arrays[name], self._dtypes[name] = _halved(array), array.dtype

    def __getitem__(self, name: str) -> np.ndarray:
        return self._arrays[name].astype(self._dtypes[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)


class MovedWeights(Mapping[str, np.ndarray]):
    """The weights of a perturbed pass, which are made anew whenever they are asked for.

    Args:
        weights: that are moved.
        perturbation: seed of the directions.
        dtype: by a unit of which they are moved.
    """

    def __init__(self, weights: Mapping[str, np.ndarray], perturbation: int, dtype: str) -> None:
        self._weights, self._how = weights, (perturbation, dtype)

    def __getitem__(self, name: str) -> np.ndarray:
        # The directions of one depend on how many numbers come before it.
        for other, array in self.items():
            if other == name:
                return array
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._weights)

    def __len__(self) -> int:
        return len(self._weights)

    def items(self) -> ItemsView[str, np.ndarray]:
        """Returns names and arrays, of which one at a time is in memory."""
        return _Moved(self)

    def moved(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yields names and arrays."""
        return perturbed_one_by_one(self._weights, *self._how)


class _Moved(ItemsView[str, np.ndarray]):
    _mapping: MovedWeights

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        return self._mapping.moved()


def _halved(array: np.ndarray) -> np.ndarray:
    if array.dtype != np.float64:
        return array
    with np.errstate(over="ignore", invalid="ignore"):
        halved = array.astype(np.float32)
    return (
        halved
        if (halved.astype(np.float64).view(np.int64) == array.view(np.int64)).all()
        else array
    )
