"""Compares two arrays, or two plain values, without any conversion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.ladder.items import Item

if TYPE_CHECKING:
    from parity.traces.trace import KerasTrace


# --- Compares two arrays, or two plain values, without any conversion -----------------------------
#
# Nothing is reshaped, transposed, masked or skipped to make it fit: a difference in shape or dtype,
# or a NaN on one side only, is reported.


def compare_exact(name: str, keras: Any, torch: Any, **place: Any) -> Item:
    """Compares two arrays or plain values for equality, and counts the unequal values.

    Args:
        name: name of the item.
        keras: array of the Keras half.
        torch: array of the torch half.
        **place: epoch and step of the item.
    """
    keras, torch = np.asarray(keras), np.asarray(torch)
    if (mismatch := _mismatch(name, keras, torch, 0.0, "count", place)) is not None:
        return mismatch
    # NaN equals NaN here: if both halves diverge in the same way, they do not differ.
    equal = (keras == torch) | ((keras != keras) & (torch != torch))
    differs = np.flatnonzero(~equal)
    index = _index(int(differs[0]), keras) if differs.size else None
    return Item(
        name=name,
        worst=float(differs.size),
        allowed=0.0,
        unit="count",
        num_compared=keras.size,
        index=index,
        keras=_value(keras, index),
        torch=_value(torch, index),
        note=f"{differs.size} of {keras.size} differ" if differs.size else _nothing(keras),
        **place,
    )


def compare_close(
    name: str,
    keras: Any,
    torch: Any,
    *,
    allowed: float,
    unit: str = "abs",
    scaled: bool = False,
    **place: Any,
) -> Item:
    """Compares two arrays by their greatest difference.

    Args:
        name: name of the item.
        keras: array of the Keras half.
        torch: array of the torch half.
        allowed: greatest difference that passes.
        unit: "abs", or "rel": in units of the largest absolute value of the Keras array.
        scaled: "abs", but "rel" if that value is above 1, since rounding grows with the numbers.
        **place: epoch and step of the item.
    """
    keras, torch = np.asarray(keras), np.asarray(torch)
    if (mismatch := _mismatch(name, keras, torch, allowed, unit, place)) is not None:
        return mismatch
    if keras.size == 0:
        return Item(name, 0.0, allowed, unit, 0, note=_nothing(keras), **place)
    difference = absolute_difference(keras, torch)
    scale = 1.0
    finite = np.abs(keras[np.isfinite(keras)])
    if unit == "rel":
        scale = float(finite.max(initial=0.0)) or 1.0
    elif scaled:
        scale = float(finite.max(initial=1.0))
        unit = "rel" if scale > 1 else "abs"
    position = int(np.argmax(difference))
    index = _index(position, keras)
    num_above = int((difference > allowed * scale).sum())
    return Item(
        name=name,
        worst=float(difference.reshape(-1)[position]) / scale,
        allowed=allowed,
        unit=unit,
        num_compared=keras.size,
        index=index,
        keras=_value(keras, index),
        torch=_value(torch, index),
        note=f"{num_above} of {keras.size} above" if num_above else "",
        **place,
    )


def absolute_difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns |a - b| in float64, elementwise.

    Equal infinities, and NaN on both sides, differ by 0: both halves diverged in the same way. NaN
    on one side only differs by infinity.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.abs(a - b)
    difference = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, difference)
    return np.where(np.isnan(difference), np.inf, difference)


def greatest_difference(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the maximum of `absolute_difference`, three times as fast if all values are finite.

    Args:
        a: float64, not empty.
        b: float64, of the same shape.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        greatest = float(np.abs(a - b).max())
    return greatest if np.isfinite(greatest) else float(absolute_difference(a, b).max())


def relative_differences(
    arrays: Mapping[str, np.ndarray], others: Mapping[str, np.ndarray]
) -> Iterator[tuple[str, float]]:
    """Yields (key, greatest difference) for the keys of the first, relative to its largest value.

    An array that is missing or of another shape is infinitely far.
    """
    for key, array in arrays.items():
        other = others.get(key)
        if other is None or other.shape != array.shape:
            yield key, float("inf")
        elif array.size:
            finite = np.abs(array[np.isfinite(array)])
            yield key, greatest_difference(array, other) / (float(finite.max(initial=0.0)) or 1.0)
        else:
            yield key, 0.0


def _mismatch(
    name: str,
    keras: np.ndarray,
    torch: np.ndarray,
    allowed: float,
    unit: str,
    place: dict[str, Any],
) -> Item | None:
    is_text = keras.dtype.kind == torch.dtype.kind == "U"  # the dtype of text holds its length
    if keras.shape == torch.shape and (keras.dtype == torch.dtype or is_text):
        return None
    return Item(
        name=name,
        worst=float("inf"),
        allowed=allowed,
        unit=unit,
        num_compared=0,
        keras=f"{keras.dtype} {keras.shape}",
        torch=f"{torch.dtype} {torch.shape}",
        note="shape or dtype differs",
        **place,
    )


def _nothing(array: np.ndarray) -> str:
    return "" if array.size else "nothing to compare"


def _index(position: int, array: np.ndarray) -> tuple[int, ...] | None:
    if array.ndim == 0:
        return None
    return tuple(int(i) for i in np.unravel_index(position, array.shape))


def _value(array: np.ndarray, index: tuple[int, ...] | None) -> Any:
    if index is None and array.ndim:
        return None
    return array[index].item() if index is not None else array.item()


# --- Where the values of an array count, by Keras's masks of sequences: the others are free -------
#
# What a port has at masked steps that nothing uses is no difference: packed sequences have zeros
# there, where Keras repeats the last output.


def counted_key(key: str) -> str:
    """Returns the key of where an array counts: "counted/eval/lstm/output"."""
    part, _, rest = key.partition("/")
    return f"counted/{rest}" if part == "forward" else ""


def counts_of(keras: KerasTrace, key: str, shape: tuple[int, ...]) -> np.ndarray | None:
    """Returns where an array of Keras counts, in its shape; None if all of it does.

    Args:
        keras: what Keras computed.
        key: of an array, "forward/eval/lstm/output".
        shape: of the array in Keras's layout.
    """
    where = counted_key(key)
    if not where or where not in keras:
        return None
    counts = keras[where]
    if counts.shape != tuple(shape)[: counts.ndim]:
        return None
    widened = counts.reshape(*counts.shape, *[1] * (len(shape) - counts.ndim))
    return np.broadcast_to(widened, shape)


def only_counted(
    keras: KerasTrace, key: str, theirs: np.ndarray, ours: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns two arrays with zeros where Keras's does not count.

    Args:
        keras: what Keras computed.
        key: of Keras's array.
        theirs: Keras's array, or what was computed from it in its shape.
        ours: the port's; another shape stays as it is, as a difference.
    """
    counts = None if ours.shape != theirs.shape else counts_of(keras, key, theirs.shape)
    if counts is None or theirs.dtype.kind != "f":
        return theirs, ours
    return np.where(counts, theirs, 0.0), np.where(counts, ours, 0.0)
