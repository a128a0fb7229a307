"""What a flow of ImageDataGenerator feeds: the draws and the images of a port, beside Keras's.

Each function takes the traces of the two trainings.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.ladder.compare import compare_close, compare_exact
from parity.ladder.items import Outcome, judged, skipped
from parity.ladder.rounding import EXACT, FLOAT64, IMAGES_FLOAT32

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.traces.trace import KerasTrace, PortTrace

IMAGES, SUMS = "augmented images", "sum of the augmented images of a step"
SAMPLES = "samples of the batches"


def of_training(keras: KerasTrace, torch: PortTrace) -> Outcome:
    """Compares the images of a port that augments itself with those of Keras's flow.

    A port with Keras's seeds draws samples and parameters itself, and these are compared, too. Any
    other gets the parameters that Keras drew. What it would draw then follows from the ranges,
    which no pixel shows.
    """
    if "training/image_sums" not in keras or "training/image_sums" not in torch:
        return skipped("the port does not augment by itself", applies=False)
    theirs, ours = keras.facts["augment"], torch.facts["augment"]
    items = [
        compare_exact(name, _text(name, theirs[name]), _text(name, ours[name]), epoch=0, step=0)
        for name in ours
    ]
    draws = list(_draws(keras, torch))
    items += draws
    in_float32 = keras.spec.get("dtype") == "float32"
    most = IMAGES_FLOAT32 if in_float32 else FLOAT64
    if all(item.agrees for item in draws):  # else they are images of others
        items += _images(keras, torch, most)
        if not in_float32:  # whose roundings add up
            items.append(_sums(keras, torch))
    whose = "that the port drew itself" if draws else "that Keras drew"
    return judged(f"images by the parameters {whose}, within {most:g}; draws: {EXACT}", items)


def _draws(keras: KerasTrace, torch: PortTrace) -> Iterator[Item]:
    """Compares samples and parameters, image by image: the first difference of each, else all."""
    if "training/flow/index" not in torch:
        return
    names = {SAMPLES: "index"}
    drawn = {*keras.below("training/flow/drawn"), *torch.below("training/flow/drawn")}
    names |= {name: f"drawn/{name}" for name in sorted(drawn)}
    ends = np.cumsum(keras["training/flow/sizes"])
    for name, key in names.items():
        both = [half for half in (keras, torch) if f"training/flow/{key}" in half]
        if len(both) < 2:
            drew = ["drawn" if half in both else "not drawn" for half in (keras, torch)]
            yield compare_exact(name, *drew, epoch=0, step=0)
            continue
        a, b = (half[f"training/flow/{key}"] for half in (keras, torch))
        shorter = min(len(a), len(b))
        differs = np.flatnonzero(a[:shorter] != b[:shorter])
        if not differs.size:
            yield compare_exact(name, a[:shorter], b[:shorter])
            continue
        row = int(differs[0])
        step = int(np.searchsorted(ends, row, side="right")) + 1
        yield compare_exact(name, a[row], b[row], epoch=_epoch_of(keras, step), step=step)


def _images(keras: KerasTrace, torch: PortTrace, most: float) -> Iterator[Item]:
    for step in keras.numbers("training/images"):
        key = f"training/images/{step}"
        if key in torch:
            place: dict[str, Any] = {"epoch": _epoch_of(keras, step), "step": step}
            a, b = keras[key], torch[key]
            yield compare_close(IMAGES, a, b, allowed=most, scaled=True, **place)


def _text(name: str, value: Any) -> str:
    """Returns an argument of ImageDataGenerator as text; of a shift, 1 is not 1.0."""
    if name.endswith("_flip"):
        return str(bool(value))
    is_number = isinstance(value, int) and name not in ("width_shift_range", "height_shift_range")
    return str(float(value) if is_number else value)


def _sums(keras: KerasTrace, torch: PortTrace) -> Item:
    """Compares the sums over the images of all batches: the first one that differs, else all."""
    a, b = (trace["training/image_sums"] for trace in (keras, torch))
    shorter = min(len(a), len(b))
    most = FLOAT64 * np.maximum(1.0, np.abs(a[:shorter]))
    above = np.flatnonzero(~(np.abs(a[:shorter] - b[:shorter]) <= most))
    where: dict[str, Any] = {}
    if above.size:
        step = int(above[0]) + 1
        a, b = a[step - 1], b[step - 1]
        where = {"epoch": _epoch_of(keras, step), "step": step}
    else:
        a, b = a[:shorter], b[:shorter]
    return compare_close(SUMS, a, b, allowed=FLOAT64, scaled=True, **where)


def _epoch_of(keras: KerasTrace, step: int) -> int:
    return int(np.searchsorted(keras.facts["epoch_ends"], step, side="left"))
