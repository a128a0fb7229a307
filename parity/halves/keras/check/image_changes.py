"""What the random layers of images of a Keras model do, measured on a pattern.

A model goes in. `input/pattern0/…`, the pattern, comes out, and `image_changes/…`: what several
hundred draws made of it, in front of the layers behind. A port, which draws other numbers, is
compared by the distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from keras_impl.reference import Reference
from parity.data.image_changes import joined, measured, num_patterns, pattern
from parity.halves.keras.call import Call
from parity.halves.keras.call_list import Calls, Reached
from parity.halves.keras.calls import recorded_calls
from parity.halves.keras.check.augmented import receivers
from parity.halves.keras.check.structure import as_fed
from parity.halves.keras.random_images import RANDOM_IMAGE
from parity.traces.trace import TraceWriter

NUM_IMAGES, MOST_VALUES = 512, 4_000_000  # in all; of a batch
_BATCH = 32
# These draw once for a batch, at least in part. So each batch is one draw.
_BY_BATCH = ("RandomCrop", "RandAugment", "AugMix")
NUM_BATCHES = 192
_BYTE = 255.0  # the greatest pixel, unless a layer says that it is less


def write_image_changes(reference: Reference, batch_size: int | None, writer: TraceWriter) -> None:
    """Writes how the images in front of each layer behind random layers are distributed.

    Args:
        reference: the model, which no other probe uses afterwards.
        batch_size: of a model that takes batches of one size.
        writer: has the nodes and the inputs of a probe, whose shapes are used; receives
            `input/pattern0/…`, one sample, and `image_changes/…`.
    """
    kinds = [str(node["kind"]) for node in writer.facts["nodes"]]
    if not any(kind.startswith(RANDOM_IMAGE) for kind in kinds):
        return
    batch: list[np.ndarray] = []
    while (key := f"input/probe/{len(batch)}") in writer.arrays:
        batch.append(writer.arrays[key][:1])
    if not any(x.ndim == 4 for x in batch):
        return
    by_batch = any(kind.removeprefix(RANDOM_IMAGE) in _BY_BATCH for kind in kinds)
    most = 1 if by_batch else min(_BATCH, MOST_VALUES // max(x.size for x in batch))
    size = batch_size or max(1, most)
    parts: dict[tuple[str, int], list[np.ndarray]] = {}
    for number in range(max(num_patterns(x.shape[-1]) for x in batch if x.ndim == 4)):
        given, calls = _within_range(reference, batch, size, number)
        before = {(name, place): np.asarray(x) for name, place, x in receivers(calls)}
        before = {key: x[0] for key, x in before.items() if x.ndim == 4 and x.dtype.kind == "f"}
        if not before:
            return
        for place, value in enumerate(given):
            writer.put(f"input/pattern{number}/{place}", value[:1])
        writer.facts["augmented_from"] = {
            call.name: [float(np.min(call.inputs[0])), float(np.max(call.inputs[0]))]
            for call in calls
            if call.kind.startswith(RANDOM_IMAGE)
        }
        found: dict[tuple[str, int], list[np.ndarray]] = {key: [] for key in before}
        passes = max(NUM_IMAGES // _BATCH, min(NUM_IMAGES, 64) // size)
        for _ in range(NUM_BATCHES if by_batch else passes):
            for name, place, x in receivers(_passed(reference, given, calls, training=True)):
                if (name, place) in found:
                    images = np.asarray(x)[:1] if by_batch else np.asarray(x)
                    found[name, place].append(measured(images, before[name, place]))
        for where, each in found.items():
            parts.setdefault(where, []).append(np.concatenate(each))
    for (name, place), several in parts.items():
        writer.put(f"image_changes/{name}/{place}", joined(several))


def _within_range(
    reference: Reference, batch: Sequence[np.ndarray], size: int, number: int
) -> tuple[list[np.ndarray], Calls]:
    """Returns a batch of a pattern, and the calls of a pass in eval mode.

    The pattern is in the range of pixels that the random layers expect.
    """
    for greatest in (_BYTE, 1.0):
        given = [np.repeat(_with_pattern(x, greatest, number), size, axis=0) for x in batch]
        calls = _passed(reference, given)
        if all(map(_fits, calls)):
            break
    return given, calls


def _fits(call: Call) -> bool:
    limits = call.config.get("value_range")
    if not call.kind.startswith(RANDOM_IMAGE) or not isinstance(limits, list | tuple):
        return True
    return bool(np.max(call.inputs[0]) <= max(limits))


def _with_pattern(x: np.ndarray, greatest: float, number: int) -> np.ndarray:
    if x.ndim != 4:
        return x
    image = pattern(x.shape[1], x.shape[2], x.shape[3], number) * greatest
    return (np.round(image) if x.dtype.kind in "iu" else image)[None].astype(x.dtype)


def _passed(
    reference: Reference,
    batch: Sequence[np.ndarray],
    known: Calls | None = None,
    *,
    training: bool = False,
) -> Calls:
    """Returns the calls of a pass, up to the last one that gets augmented images if it is known."""
    fed = as_fed(reference, list(batch))
    with recorded_calls(fed) as calls:
        if known is not None:
            calls.last = [name for name, _, _ in receivers(known)][-1]
        with suppress(Reached):
            reference.model(fed, training=training)
    return calls
