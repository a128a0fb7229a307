"""Whether the arrays of a program suit its model and its loss, before anything is trained.

Without this, the error would be that of an operation deep in a framework.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_impl.reference import Reference
from parity.errors import InputError
from parity.halves.keras import versions
from parity.halves.keras.check.loss import kind_of_targets
from parity.halves.keras.check.structure import in_order
from parity.halves.keras.program.feed import arrays_of


def check_arrays(reference: Reference) -> None:
    """Rejects arrays that `fit` could not train or validate with; what else it gets is left alone.

    Raises:
        InputError: numbers of samples differ; samples have not the shape of the model's input; or
            labels are no classes of its output.
    """
    for names, given in _given(reference):
        if given[0] is None or not versions.are_arrays(given):
            continue
        nests = dict(zip(names, arrays_of(given), strict=False))
        _check_numbers(nests)
        x, y = list(nests.values())[:2]
        inputs = getattr(reference.model, "inputs", None) or []
        leaves = keras.tree.flatten(x)
        if len(leaves) == len(inputs):
            for tensor, array in zip(inputs, leaves, strict=True):
                _check_shape(names[0], array, tuple(tensor.shape[1:]))
        outputs = getattr(reference.model, "outputs", None) or []
        if len(outputs) == 1 and isinstance(y, np.ndarray):
            is_any_ignored = getattr(reference.model.loss, "ignore_class", None) is not None
            if kind_of_targets(reference.model) == "classes" and not is_any_ignored:
                _check_classes(names[1], y, outputs[0].shape[-1])


def _given(reference: Reference) -> Iterator[tuple[tuple[str, ...], tuple[Any, ...]]]:
    """Yields (names, values) of what trains, and of what validates."""
    given = reference.x, reference.y, reference.sample_weight
    yield ("x", "y", "sample_weight"), (in_order(reference, given[0]), *given[1:])
    validation = reference.validation_data
    if isinstance(validation, tuple | list) and len(validation) in (2, 3):
        first, *others = validation
        names = ("x of validation", "y of validation", "sample_weight of validation")
        yield names, (in_order(reference, first), *others)


def _check_numbers(nests: dict[str, Any]) -> None:
    numbers = [
        (name, len(leaf))
        for name, nest in nests.items()
        for leaf in keras.tree.flatten(nest)
        if leaf is not None and np.ndim(leaf)
    ]
    if len({number for _, number in numbers}) > 1:
        told = ", ".join(f"{number} in {name}" for name, number in dict.fromkeys(numbers))
        raise InputError(f"the numbers of samples are {told}; expected the same number in each")


def _check_shape(name: str, array: np.ndarray, expected: tuple[int | None, ...]) -> None:
    """Rejects samples of another shape; Keras itself adds or drops a last axis of 1."""
    shape = array.shape[1:]
    if len(shape) != len(expected):
        fits = shape in ((*expected, 1), expected[:-1]) or (*shape, 1) == expected
    else:
        fits = all(a is None or a == b for a, b in zip(expected, shape, strict=True))
    if not fits:
        raise InputError(
            f"the data has samples of shape {shape} in {name}; expected {expected}, the input of "
            "the Keras model"
        )


def _check_classes(name: str, y: np.ndarray, number: int | None) -> None:
    """Rejects labels that are no classes of an output."""
    if number is None or not y.size or y.dtype.kind not in "biuf":
        return
    if not (np.isfinite(y).all() and y.min() >= 0 and y.max() < number):
        raise InputError(
            f"the data has labels from {y.min()} to {y.max()} in {name}; expected classes in "
            f"[0, {number}), one for each output of the Keras model"
        )
