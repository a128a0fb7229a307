"""The first images that each half has augmented, and their difference.

A trace has them where `fit` is fed by a flow of ImageDataGenerator and the port augments itself. Of
arrays there is nothing to show: the port is fed Keras's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from parity.errors import RunError
from parity.ladder.compare import absolute_difference
from parity.report.page import Block, Strip, Strips, Text
from parity.report.pages.images import MAX_SIDE, data_url, on_one_scale
from parity.report.pages.texts import number

if TYPE_CHECKING:
    from parity.report.read import FoundRun

IMAGES = "training/images/1"  # in a trace: of the first step
MAX_IMAGES = 12
FEW_IMAGES = 8  # number of images of the largest size on the page


def sample_blocks(found: FoundRun) -> list[Block]:
    """Returns rows of images: Keras's, PyTorch's, and their difference."""
    traces = [trace for trace in (found.keras, found.torch) if trace is not None]
    if len(traces) < 2 or not all(IMAGES in trace for trace in traces):
        return []
    try:
        keras, torch = (trace[IMAGES] for trace in traces)
    except RunError:  # a damaged array
        return []
    if keras.shape != torch.shape or keras.ndim != 4 or not keras.size:
        told = f"Keras made images {keras.shape}, PyTorch {torch.shape}: no picture of them."
        return [Text(told)]
    count = FEW_IMAGES if max(keras.shape[1:3]) >= MAX_SIDE else MAX_IMAGES
    apart = absolute_difference(keras, torch)
    worst = float(apart.max())
    # The text counts all recorded images.
    shown = on_one_scale([keras[:count], torch[:count]])
    differing = int((apart.reshape(len(apart), -1).max(axis=1) > 0).sum())
    told = (
        f"all {len(keras)} recorded images are equal bit for bit"
        if not worst
        else f"{differing} of the {len(keras)} recorded images differ, by at most {number(worst)}"
    )
    difference = apart[:count] / (float(apart[:count].max()) or 1.0)
    rows = [
        Strip("Keras", tuple(map(data_url, shown[0])), "First augmented images of Keras"),
        Strip("PyTorch", tuple(map(data_url, shown[1])), "First augmented images of PyTorch"),
        Strip(
            f"difference × {number(1 / float(apart[:count].max()))}"
            if apart[:count].any()
            else "difference",
            tuple(map(data_url, difference)),
            f"Their difference: {told}",
        ),
    ]
    return [
        Strips(
            caption="Images of the first step of the training as each half has augmented them, "
            f"and their difference: {told}.",
            rows=tuple(rows),
        )
    ]
