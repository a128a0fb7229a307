"""Masks of sequences in a probe: which steps count, and targets by which that shows."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from parity.halves.keras.call import Call, Calls
from parity.halves.keras.versions import mask_of
from parity.programs.check_spec import CheckSpec
from parity.traces.trace import KerasWriter, keyed

# --- Masks of sequences in a probe: which steps count, and targets by which that shows ------------
#
# The calls of a pass and its output go in. `counted/MODE/…` comes out beside `forward/MODE/…`: true
# where a value counts, (N, T) or the shape of the whole array. A layer's output has one if Keras
# gives it a mask, and nothing uses the masked steps. What a port has there is free: packed
# sequences have zeros where Keras repeats the last output. `counted/MODE/NAME/given/K` is the mask
# of the K-th input of a layer.


# Kinds of targets that are classes.
_CLASSES = ("classes", "one_hot")


def counted_in(output: Any) -> np.ndarray | None:
    """Returns where a tensor counts, (N, T); None if it carries no mask."""
    mask = mask_of(output)
    return None if mask is None else np.asarray(mask, bool)


def counts_of_outputs(parts: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Returns where those outputs of a model count that carry a mask, by their names."""
    found = {name: counted_in(part) for name, part in parts.items()}
    return {name: counts for name, counts in found.items() if counts is not None}


def put_counts(mode: str, parts: Mapping[str, Any], writer: KerasWriter) -> None:
    """Writes `counted/MODE/output`, if a mask leaves something out.

    Several outputs have their names behind it, (N, T) each, and all of them are there joined side
    by side, too, as the outputs are: (N, values of all).

    Args:
        mode: "eval", "train" or "stepK".
        parts: outputs of the model by name; the only one has the name "".
        writer: receives the arrays.
    """
    found = counts_of_outputs(parts)
    if all(counts.all() for counts in found.values()):
        return
    for name, counts in found.items():
        key = f"counted/{mode}/output"
        writer.put(keyed(key, name), counts)
    if "" not in parts:
        whole = [_whole(found.get(name), part.shape) for name, part in parts.items()]
        writer.put(f"counted/{mode}/output", np.concatenate(whole, axis=-1))


def _whole(counts: np.ndarray | None, shape: Any) -> np.ndarray:
    """Returns where the values of an output count, (N, values)."""
    found = np.ones(tuple(shape), bool) if counts is None else _widened(counts, shape)
    return found.reshape(len(found), -1)


def write_counted(
    mode: str, calls: Calls, outputs: Mapping[str, Any], used: Collection[str], writer: KerasWriter
) -> None:
    """Writes where the outputs and inputs of all calls count, and that of the model.

    Args:
        mode: "eval" or "train".
        calls: of the pass.
        outputs: of the model, by name.
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
    put_counts(mode, outputs, writer)


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
    linear: np.ndarray, y: np.ndarray, kind: str, counts: np.ndarray | None, num_rows: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns confident outputs and their targets for as many samples as a batch has.

    A loss that knows the masked steps from the last batch can then take them. Where class 0 is the
    target of a step that counts, classes 0 and 1 are exchanged.

    Args:
        linear: outputs before the activation, (8, ...).
        y: their targets.
        kind: of the targets.
        counts: where the output for the batch counts; None: everywhere, and targets stay.
        num_rows: samples of the batch.
    """
    rows = np.resize(np.roll(np.arange(len(linear)), -3), num_rows)  # the surest one is the fourth
    linear, y = linear[rows].copy(), y[rows]
    if counts is None or kind not in _CLASSES or linear.shape[-1] < 2:
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


# --- What a brief probe leaves out: large arrays of single layers ---------------------------------
#
# They decide nothing: outputs, losses, gradients of weights and steps do. They say where a
# difference comes from. So a check of a large model first goes without them, and records them if
# there is one.


# Numbers in the outputs of all calls of one pass; 16 MiB. Below, a check costs little as it is.
LEAST = 2**21
SMALL = 1_024  # numbers of an array that is kept in any case


def leaves_out_large(spec: CheckSpec, calls: Sequence[Call]) -> bool:
    """Whether a probe leaves the layers out, as the spec allows and the size of a pass demands."""
    return spec.brief and sum(math.prod(call.output.shape) for call in calls) > LEAST


def kept(call: Call, source: int | None, value: Any, ends: Collection[int]) -> bool:
    """Whether a brief probe keeps an input or the output of a call.

    What reaches the model is compared by the level `data`, and an output may be returned without
    its activation. A layer that is not known may draw random numbers.

    Args:
        call: the call.
        source: of an input: number of the call that made it, -1 for an input of the model; None for
            an output.
        value: tensor.
        ends: ids of what the model returns.
    """
    is_end = id(call.output) in ends or call.kind.startswith("unknown:")
    return source == -1 or is_end or math.prod(value.shape) <= SMALL


def ends_of(output: Any) -> set[int]:
    """Returns the ids of the tensors that a model returns."""
    return {id(tensor) for tensor in tf.nest.flatten(output)}


def asked(calls: Sequence[Call]) -> list[Call]:
    """Returns the calls whose gradient tells what a probe leaves without effect."""
    return [call for call in calls if call.again is not None or counted_in(call.output) is not None]
