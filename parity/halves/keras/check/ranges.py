"""The range of numbers that a Keras model takes: those of which it makes no NaN.

Inputs are drawn from both sides of zero, and the logarithm or the root of a negative number is NaN,
of which nothing can be compared. The inputs go in. Those come out, with a range where one is
needed: that of the program's own samples, or the numbers between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from keras_impl.reference import Reference
from parity.data.model_inputs import ModelInput, packed
from parity.halves.keras.casts import in_float64
from parity.halves.keras.check.structure import in_order
from parity.halves.keras.check.uses import state_kept

_POSITIVE = (0.0, 1.0)


def in_range(
    reference: Reference, structure: Any, inputs: Sequence[ModelInput], num: int
) -> tuple[tuple[ModelInput, ...], list[dict[str, Any]]]:
    """Returns the inputs of a model, each with a range if the model makes NaN without one.

    Args:
        reference: of the model, which has its weights.
        structure: in which the model takes its inputs.
        inputs: what each is.
        num: size of the batch that is tried.

    Returns:
        The inputs, as they are if no range helps; and entries of the fact `not_compared`.
    """
    found = tuple(inputs)
    open_sides = [n for n, each in enumerate(found) if _is_open(each)]
    if not open_sides or not _makes_nan(reference, structure, found, num):
        return found, []
    known = _ranges_of_samples(reference, found)
    for ranges in (known, {}) if known else ({},):
        tried = _limited(found, ranges, open_sides)
        if _makes_nan(reference, structure, tried, num):
            continue
        for number in open_sides:  # most inputs need none
            freed = (*tried[:number], found[number], *tried[number + 1 :])
            if not _makes_nan(reference, structure, freed, num):
                tried = freed
        return tried, [_told(each) for n, each in enumerate(tried) if each is not found[n]]
    return found, []


def _is_open(each: ModelInput) -> bool:
    """Whether real numbers of both signs are drawn."""
    return each.kind == "numbers" and each.limits is None and not (each.is_whole or each.tokens)


def _limited(
    inputs: Sequence[ModelInput], ranges: dict[int, tuple[float, float]], places: Sequence[int]
) -> tuple[ModelInput, ...]:
    limited = list(inputs)
    for number in places:
        limited[number] = replace(limited[number], limits=ranges.get(number, _POSITIVE))
    return tuple(limited)


def _ranges_of_samples(
    reference: Reference, inputs: Sequence[ModelInput]
) -> dict[int, tuple[float, float]]:
    """Returns the least and the greatest number of each input in what `fit` gets, by place."""
    x = in_order(reference, reference.x)
    arrays = x if isinstance(x, list | tuple) else [x]
    found = {}
    for number, array in enumerate(arrays[: len(inputs)]):
        if isinstance(array, np.ndarray) and array.dtype.kind in "fiu" and array.size:
            low, high = float(array.min()), float(array.max())
            if np.isfinite([low, high]).all() and low < high:
                found[number] = low, high
    return found


def _makes_nan(
    reference: Reference, structure: Any, inputs: Sequence[ModelInput], num: int
) -> bool:
    """Whether an output has a NaN; a model that does not take the inputs is judged elsewhere."""
    x = [tf.constant(each.drawn(0, "range", num)) for each in inputs]
    try:
        with state_kept(reference.model), in_float64():
            made = reference.model(packed(structure, x), training=False)
    except Exception:  # of the user's code
        return False
    flat = [value for value in tf.nest.flatten(made) if tf.is_tensor(value)]
    return any(np.isnan(v.numpy()).any() for v in flat if v.dtype.is_floating)


def _told(each: ModelInput) -> dict[str, Any]:
    assert each.limits is not None
    low, high = (f"{side:.4g}" for side in each.limits)
    why = (
        "the Keras model makes NaN of numbers of both signs; say range=(low, high) in "
        "keras_impl.Input if others are to be drawn"
    )
    what = f"numbers of the input {each.name} outside of {low} to {high}"
    return {"what": what, "why": why, "arrays": []}
