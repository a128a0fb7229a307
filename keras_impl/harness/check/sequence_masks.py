"""Masks of sequences in a probe: which steps count, and targets by which that shows.

The calls of a pass and its output go in. `counted/MODE/…` comes out beside `forward/MODE/…`: true
where a value counts, (N, T) or the shape of the whole array. A layer's output has one if Keras
gives it a mask, and nothing uses the masked steps. What a port has there is free: packed sequences
have zeros where Keras repeats the last output. `counted/MODE/NAME/given/K` is the mask of the K-th
input of a layer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from keras_impl.harness.calls import Calls
from keras_impl.harness.versions import mask_of
from parity.traces.trace import TraceWriter

# Kinds of targets that are classes.
_CLASSES = ("classes", "one_hot")


def counted_in(output: Any) -> np.ndarray | None:
    """Returns where a tensor counts, (N, T); None if it carries no mask."""
    mask = mask_of(output)
    return None if mask is None else np.asarray(mask, bool)


def joined_counts(parts: Mapping[str, Any]) -> np.ndarray | None:
    """Returns where several outputs count that are joined side by side; None if all do."""
    if all(counted_in(part) is None for part in parts.values()):
        return None
    found = []
    for part in parts.values():
        counts = counted_in(part)
        whole = np.ones(part.shape, bool) if counts is None else _widened(counts, part.shape)
        found.append(whole.reshape(len(whole), -1))
    return np.concatenate(found, axis=-1)


def write_counted(
    mode: str, calls: Calls, output: np.ndarray | None, used: Collection[str], writer: TraceWriter
) -> None:
    """Writes where the outputs and inputs of all calls count, and that of the model.

    Args:
        mode: "eval" or "train".
        calls: of the pass.
        output: where the output of the model counts; None: everywhere.
        used: names of calls whose masked steps something uses.
        writer: receives the arrays.
    """
    found: dict[int, np.ndarray] = {}
    for number, call in enumerate(calls):
        counts = counted_in(call.output)
        if counts is None or counts.all() or call.name in used:
            continue
        if counts.shape == tuple(call.output.shape)[: counts.ndim]:
            found[number] = counts
            writer.put(f"counted/{mode}/{call.name}/output", counts)
    for call in calls:
        for place, mask in enumerate(call.given_masks):
            if mask is not None and not np.asarray(mask).all():
                writer.put(f"counted/{mode}/{call.name}/given/{place}", np.asarray(mask, bool))
        for place, source in enumerate(call.sources):
            if source in found and source is not None:
                writer.put(f"counted/{mode}/{call.name}/input/{place}", found[source])
    if output is not None and not output.all():
        writer.put(f"counted/{mode}/output", output)


def uses_masked(call: Any, slope: Any) -> bool:
    """Whether something uses the masked steps of a call's output, as the gradient by it tells."""
    counts = counted_in(call.output)
    if counts is None or slope is None:
        return False
    array = np.asarray(tf.convert_to_tensor(slope))
    if counts.shape != array.shape[: counts.ndim]:
        return True
    return bool(array[~counts].any())


def targets_of(y: np.ndarray, kind: str, counts: np.ndarray | None, num_classes: int) -> np.ndarray:
    """Returns targets whose class is 0 at masked steps, and nowhere else.

    That is how a program marks its padding; a port may leave steps out by the class of the target.

    Args:
        y: drawn; those of other kinds than classes are returned as they are.
        kind: of the targets.
        counts: where the output counts; None: everywhere.
        num_classes: of the output.
    """
    if counts is None or kind not in _CLASSES or num_classes < 2:
        return y
    labels = y.argmax(-1) if kind == "one_hot" else y
    if labels.shape[: counts.ndim] != counts.shape:
        return y
    others = 1 + np.arange(labels.size).reshape(labels.shape) % (num_classes - 1)
    labels = np.where(_widened(counts, labels.shape), np.where(labels == 0, others, labels), 0)
    return np.eye(num_classes)[labels] if kind == "one_hot" else labels


def confident_of(
    linear: np.ndarray, y: np.ndarray, kind: str, counts: np.ndarray, num_rows: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns confident outputs and their targets for as many samples as a batch has.

    A loss that knows the masked steps from the last batch can then take them. Where class 0 is the
    target of a step that counts, classes 0 and 1 are exchanged.

    Args:
        linear: outputs before the activation, (8, ...).
        y: their targets.
        kind: of the targets.
        counts: where the output for the batch counts.
        num_rows: samples of the batch.
    """
    rows = np.resize(np.roll(np.arange(len(linear)), -3), num_rows)  # the surest one is the fourth
    linear, y = linear[rows].copy(), y[rows]
    if kind not in _CLASSES or linear.shape[-1] < 2:
        return linear, y
    labels = y.argmax(-1) if kind == "one_hot" else y.reshape(linear.shape[:-1])
    turned = (labels == 0) & _widened(counts, labels.shape)
    linear[turned] = linear[turned][..., [1, 0, *range(2, linear.shape[-1])]]
    labels = np.where(turned, 1, np.where(_widened(counts, labels.shape), labels, 0))
    return linear, np.eye(linear.shape[-1])[labels] if kind == "one_hot" else labels.reshape(
        y.shape
    )


def _widened(counts: np.ndarray, shape: Any) -> np.ndarray:
    """Returns where values count, in the shape of all values."""
    shape = tuple(shape)
    left = counts.reshape(*counts.shape, *[1] * (len(shape) - counts.ndim))
    return np.broadcast_to(left, shape)
