"""The first input images of both halves, and their difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from parity.errors import RunError
from parity.ladder.compare import absolute_difference
from parity.report.html.images import MAX_SIDE, data_url, on_one_scale
from parity.report.html.page import Block, Strip, Strips, Text
from parity.report.html.texts import number

if TYPE_CHECKING:
    from parity.report.read import FoundRun

MAX_IMAGES = 12
FEW_IMAGES = 8  # number of images of the largest size on the page


def sample_blocks(found: FoundRun) -> list[Block]:
    """Returns rows of images: Keras's, PyTorch's, and their difference."""
    if found.keras is None or found.torch is None:
        return []
    try:
        keras, torch = found.keras["feed/0/images"], found.torch["feed/0/images"]
        labels = found.keras["feed/0/labels"]
    except RunError:  # the ladder tells of it
        return []
    if keras.shape != torch.shape or keras.ndim != 4 or not keras.size:
        return [Text(f"Keras got images {keras.shape}, PyTorch {torch.shape}: no picture of them.")]
    count = FEW_IMAGES if max(keras.shape[1:3]) >= MAX_SIDE else MAX_IMAGES
    apart = absolute_difference(keras, torch)
    worst = float(apart.max())
    # The text counts all recorded images.
    shown = on_one_scale([keras[:count], torch[:count]])
    is_augmented = found.result.spec.get("augmentation") is not None
    differing = int((apart.reshape(len(apart), -1).max(axis=1) > 0).sum())
    told = (
        f"all {len(keras)} recorded images are equal bit for bit"
        if not worst
        else f"{differing} of the {len(keras)} recorded images differ, by at most {number(worst)}"
    )
    difference = apart[:count] / (float(apart[:count].max()) or 1.0)
    rows = [
        Strip("Keras", tuple(map(data_url, shown[0])), "First input images of Keras"),
        Strip("PyTorch", tuple(map(data_url, shown[1])), "First input images of PyTorch"),
        Strip(
            f"difference × {number(1 / float(apart[:count].max()))}"
            if apart[:count].any()
            else "difference",
            tuple(map(data_url, difference)),
            f"Their difference: {told}",
        ),
    ]
    kind = "augmented images" if is_augmented else "images, in the order of the first epoch"
    return [
        Strips(
            caption=f"The first {kind} of both halves, and their difference: {told}.",
            rows=tuple(rows),
            labels=tuple(f"label {int(label)}" for label in np.asarray(labels)[:count]),
        )
    ]
