"""What a port does with images in train mode, measured on Keras's pattern.

A port goes in. `image_changes/…` comes out, as in Keras's half: what many draws made of the
pattern, in front of the layers behind Keras's random layers. How the port is written does not
matter: a pass ends where these layers are called. A port that augments in its DataLoader gives the
transform, `Port(augment=...)`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from parity.data.image_changes import measured
from parity.ladder.comparers.images import layers_before
from parity.traces.trace import TraceWriter
from torch_impl.harness.check.seen_images import SeenImages
from torch_impl.harness.port.given_images import is_random_image
from torch_impl.harness.port.port_under_test import PortUnderTest

NUM_PASSES, FEWEST_PASSES = 256, 64
MOST_VALUES = 200_000_000  # in all passes
_BATCH = 4  # a port may draw once for a whole batch, so there are many small ones
_SAME = 1e-9  # relative: an image that is not changed
_GIVE = "Port(augment=...) gives parity the transform of a DataLoader"


def write_image_changes(port: PortUnderTest, writer: TraceWriter) -> None:
    """Writes how the port's images are distributed, and the fact `augmentation`.

    The fact has for each place "is_on", whether images are changed in train mode, "in_eval",
    whether in eval mode, too, "by_batch", whether all of a batch are changed alike, and "given",
    the least and the greatest pixel that the port's first random transform gets, if it is known.
    What cannot be measured is added to `incomplete`.

    Args:
        port: the port.
        writer: receives it.
    """
    layers = [node for node in port.keras.facts["nodes"] if is_random_image(node)]
    if not layers:
        return
    arrays: list[np.ndarray] = []
    while (key := f"input/pattern/{len(arrays)}") in port.keras:
        arrays.append(np.repeat(port.keras[key], _BATCH, axis=0))
    seen = SeenImages(port)
    if not arrays or not seen.has_places:
        names = [node["name"] for node in layers]
        _leave_out(writer, names, "no layer behind them has a partner in the port", "see `layers`")
        return
    number = min(NUM_PASSES, MOST_VALUES // max(array.size for array in arrays))
    told = writer.facts["augmentation"] = {}
    with port.kept(), torch.no_grad(), _own_random_numbers():
        seen.draw_apart()
        before, again = (seen.images(arrays, training=False) for _ in range(2))
        passes = [seen.images(arrays, training=True) for _ in range(max(FEWEST_PASSES, number))]
        is_same = all(_is_same(images[p], before[p][:1]) for images in passes for p in images)
        if is_same and port.built.augment is not None:
            passes = [seen.images(arrays, training=True, augments=True) for _ in passes]
    for place in before:
        fact = _fact([p[place] for p in passes if place in p], before[place], again.get(place))
        told[place] = {**fact, "given": seen.given}
        each = np.concatenate([p[place][:1] if fact["by_batch"] else p[place] for p in passes])
        writer.put(f"image_changes/{place}", measured(each, before[place][0]))
        names = [node["name"] for node in layers_before(port.keras.facts["nodes"], _layer(place))]
        if not fact["is_on"]:
            why = "the port's module does not change images in train mode; its DataLoader may"
            _leave_out(writer, names, why, _GIVE)
        elif fact["by_batch"]:
            why = "the port draws once for a batch, and Keras for each image; one image is compared"
            _note(writer, f"what {', '.join(names)} draw within a batch", why)


def _fact(passes: Sequence[np.ndarray], before: np.ndarray, again: Any) -> dict[str, bool]:
    return {
        "is_on": not all(_is_same(images, before[:1]) for images in passes),
        "in_eval": again is None or not _is_same(before, before[:1]) or not _is_same(again, before),
        "by_batch": all(_is_same(images, images[:1]) for images in passes),
    }


def _layer(place: str) -> str:
    return place.rpartition("/")[0]


def _leave_out(writer: TraceWriter, names: Sequence[str], why: str, do: str) -> None:
    entry = {"what": f"how {', '.join(names)} change images", "why": why, "do": do}
    writer.facts["incomplete"] = [*writer.facts.get("incomplete", []), entry]


def _note(writer: TraceWriter, what: str, why: str) -> None:
    known = writer.facts.get("not_compared", [])
    writer.facts["not_compared"] = [*known, {"what": what, "why": why}]


def _is_same(images: np.ndarray, others: np.ndarray) -> bool:
    if images.shape[1:] != others.shape[1:]:
        return False
    scale = float(np.abs(others).max()) or 1.0
    return bool(np.abs(images - others).max() <= _SAME * scale)


@contextmanager
def _own_random_numbers() -> Iterator[None]:
    """Seeds the generators that a port may draw from in the block, and puts them back behind it."""
    before = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        random.seed(0)
        np.random.seed(0)
        torch.manual_seed(0)
        try:
            yield
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])
