"""What an augmentation does with images, and what both halves keep of augmented batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from parity.traces.trace import TraceWriter


# --- What an augmentation does with images, measured on a pattern that shows it -------------------
#
# Both halves augment the same pattern many times. Its channels are planes that rise in different
# directions. So the middle of an image shows how it was turned, mirrored, zoomed and shifted, and
# the rest what is filled in and how bright it is. Numbers of a half go into `measured`; the
# distributions of both are compared, however the augmentation is written.


# What is measured, in the order in which a difference is told.
ORIENTATION = ("left and right", "top and bottom")
QUANTITIES = (
    *ORIENTATION,
    *("angle", "width", "height", "shift right", "shift down"),
    *("brightness", "contrast", "darkest", "brightest", "smoothness"),
)
# What two halves may differ by in each: in degrees, logarithms and shares. Float32 rounds; and at
# the border of an image libraries mix pixels with what is outside of it in different ways.
GRAIN = {
    **dict.fromkeys(ORIENTATION, 0.1),
    **dict.fromkeys(QUANTITIES[2:7], 0.003),
    **dict.fromkeys(QUANTITIES[7:], 0.05),
    **{"angle": 0.3, "contrast": 0.1},
}
_OF_SECOND = ("top and bottom", "height", "shift down")  # what the second pattern shows
_DIRECTIONS = (25.0, 145.0, 265.0)  # degrees in which the channels rise: not along an axis
_RISE, _MIDDLE = 0.25, 0.5
_LOST = 0.05  # of the slope of the pattern
_WINDOW = 0.5  # share of each side in the middle that shows the geometry


def num_patterns(channels: int) -> int:
    """Returns how many patterns show everything: a single plane shows but one direction."""
    return 1 if channels > 1 else 2


def pattern(height: int, width: int, channels: int, number: int = 0) -> np.ndarray:
    """Returns an image (H, W, C) with values in 0.25 to 0.75, other ones in each channel.

    Args:
        height: of the image.
        width: of the image.
        channels: of the image.
        number: of the pattern, below `num_patterns`: the first of one channel rises to the right,
            the second one down.
    """
    x, y = _places(height, width)
    radius = np.hypot(np.abs(x).max(), np.abs(y).max()) or 1.0
    planes = []
    for channel in range(channels):
        angle = np.radians(_DIRECTIONS[channel % 3] + 7.0 * (channel // 3))
        if channels == 1:
            angle = np.radians(90.0 * number)
        planes.append(_MIDDLE + _RISE * (np.cos(angle) * x + np.sin(angle) * y) / radius)
    return np.stack(planes, axis=-1)


def joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Returns what several patterns show together.

    Args:
        parts: what `measured` returned for the draws of each pattern, (N, quantities); the draws of
            each are other ones, since distributions are compared quantity by quantity.
    """
    if len(parts) == 1:
        return parts[0]
    number = min(map(len, parts))
    found = parts[0][:number].copy()
    for name in _OF_SECOND:
        column = QUANTITIES.index(name)
        found[:, column] = parts[1][:number, column]
    return found


def _places(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the distances of the pixels from the middle, to the right and down, (H, W) each."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    return x - (width - 1) / 2, y - (height - 1) / 2


def measured(images: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Measures what happened to images.

    Args:
        images: (N, H, W, C), of the pattern, augmented.
        before: (H', W', C), the same without augmentation.

    Returns:
        (N, len(QUANTITIES)): 0 or 1 for what is exchanged, degrees counter-clockwise, logarithms of
        the zooms (above 0 the image is smaller) and of the contrast, shifts as shares of the sides,
        the others as shares of the span of `before`; all 0 for an image that is unchanged. The
        first seven are 0, too, where the pattern is lost.
    """
    images, before = images.astype(np.float64), before.astype(np.float64)
    span = float(before.max() - before.min()) or 1.0
    level, slope = _planes(before[None])
    levels, slopes = _planes(images)
    with np.errstate(all="ignore"):
        if before.shape[-1] < 2:
            found = _of_one_channel(levels, slopes, level[0], slope[0], before.shape)
        else:
            found = _of_channels(levels, slopes, level[0], slope[0], before.shape)
        is_lost = np.abs(slopes).max((1, 2)) < _LOST * np.abs(slope).max()
        with np.errstate(all="ignore"):
            found = {name: np.where(is_lost, 0.0, values) for name, values in found.items()}
        axes = (1, 2, 3)
        inside, inside_before = _inside(images), _inside(before[None])
        found["brightness"] = (inside.mean(axes) - inside_before.mean()) / span
        found["contrast"] = np.log(inside.std(axes) / (inside_before.std() or 1.0))
        found["darkest"] = (images.min(axes) - before.min()) / span
        found["brightest"] = (images.max(axes) - before.max()) / span
        found["smoothness"] = (_steps(images) - _steps(before[None])) / span * 4
    columns = [np.broadcast_to(found[name], len(images)) for name in QUANTITIES]
    return np.stack(columns, axis=1).astype(np.float64)


def _steps(images: np.ndarray) -> np.ndarray:
    """Returns the mean second difference along rows and columns of the middle, (N,)."""
    middle = _inside(images)
    parts = [np.abs(np.diff(middle, 2, axis=axis)).reshape(len(images), -1) for axis in (1, 2)]
    both = np.concatenate(parts, axis=1)
    return both.mean(1) if both.shape[1] else np.zeros(len(images))


def _inside(images: np.ndarray) -> np.ndarray:
    """Returns the middle of images, which what is filled in seldom reaches."""
    return images[:, _middle(images.shape[1]), _middle(images.shape[2])]


def _middle(length: int) -> slice:
    cut = int(length * (1 - _WINDOW) / 2)
    return slice(cut, length - cut)


def _planes(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the level of each channel in the middle, (N, C), and its slopes, (N, C, 2)."""
    rows, columns = _middle(images.shape[1]), _middle(images.shape[2])
    x, y = (each[rows, columns].ravel() for each in _places(*images.shape[1:3]))
    basis = np.linalg.pinv(np.stack([np.ones_like(x), x, y], axis=1))  # (3, pixels)
    values = images[:, rows, columns].reshape(len(images), x.size, -1)
    found = np.einsum("kp,npc->nck", basis, np.nan_to_num(values))
    return found[..., 0], found[..., 1:]


def _of_channels(
    levels: np.ndarray,
    slopes: np.ndarray,
    level: np.ndarray,
    slope: np.ndarray,
    shape: tuple[int, ...],
) -> dict[str, np.ndarray]:
    """Returns the geometry by the map from positions in an image to positions before."""
    maps = np.einsum("ac,ncb->nab", np.linalg.pinv(slope), slopes)  # (N, 2, 2)
    is_mirrored = np.linalg.det(maps) < 0
    mirror = np.where(is_mirrored, -1.0, 1.0)
    turned = maps * np.stack([mirror, np.ones_like(mirror)], axis=1)[:, :, None]
    angle = np.degrees(
        np.arctan2(turned[:, 1, 0] - turned[:, 0, 1], turned[:, 0, 0] + turned[:, 1, 1])
    )
    is_half = np.abs(angle) > 90
    angle = np.where(is_half, angle - 180 * np.sign(angle), angle)
    more = [np.ones((len(slope), 1))] if len(slope) > 2 else []  # what is added to all channels
    offsets = (levels - level) @ np.linalg.pinv(np.concatenate([slope, *more], axis=1)).T
    return {
        "left and right": (is_mirrored ^ is_half).astype(float),
        "top and bottom": is_half.astype(float),
        "angle": angle,
        "width": np.log(np.hypot(maps[:, 0, 0], maps[:, 1, 0])),
        "height": np.log(np.hypot(maps[:, 0, 1], maps[:, 1, 1])),
        # The image moves against the positions at which it is read.
        "shift right": -offsets[:, 0] / shape[1],
        "shift down": -offsets[:, 1] / shape[0],
    }


def _of_one_channel(
    levels: np.ndarray,
    slopes: np.ndarray,
    level: np.ndarray,
    slope: np.ndarray,
    shape: tuple[int, ...],
) -> dict[str, np.ndarray]:
    """Returns what one plane shows of the axis along which it rises, and its angle."""
    gradient = complex(slope[0, 0], slope[0, 1])
    ratio = (slopes[:, 0, 0] + 1j * slopes[:, 0, 1]) / (gradient or 1.0)
    angle = np.degrees(np.angle(ratio))
    is_back = np.abs(angle) > 90
    axis = 0 if abs(gradient.real) >= abs(gradient.imag) else 1  # of the width, or of the height
    along = (levels[:, 0] - level[0]) / (gradient.real + gradient.imag or 1.0) / shape[1 - axis]
    none = np.zeros(len(levels))
    found = dict.fromkeys(QUANTITIES[:7], none)
    found["angle"] = np.where(is_back, angle - 180 * np.sign(angle), angle)
    for names, values in (
        (ORIENTATION, is_back.astype(float)),
        (("width", "height"), np.log(np.abs(ratio))),
        (("shift right", "shift down"), -along),
    ):
        found[names[axis]] = values
    return found


def by_name(values: np.ndarray) -> Mapping[str, np.ndarray]:
    """Returns what `measured` returned, quantity by quantity."""
    return {name: values[:, number] for number, name in enumerate(QUANTITIES)}


# --- What both halves keep of augmented batches, so that they can be compared ---------------------
#
# In: batches (N, H, W, C). Out: a sum over each batch, and the first images of some. Of what was
# drawn for a flow, the samples and the parameters of the first images.


# The parameters of an image, by the names of Keras's `get_random_transform`.
DRAWN = (
    *("theta", "tx", "ty", "shear", "zx", "zy", "flip_horizontal", "flip_vertical"),
    *("channel_shift_intensity", "brightness"),
)
_MOST_PIXELS = 2**14  # values that are kept of a batch, at least one image
MOST_DRAWN = 2**16  # images whose parameters are kept


def first_images(batch: np.ndarray) -> np.ndarray:
    """Returns the first images of a batch (N, H, W, C), a copy: at least one."""
    number = max(1, _MOST_PIXELS // max(1, batch[0].size))
    return np.array(batch[:number])


def summed(batch: np.ndarray) -> float:
    """Returns the sum of a batch, in float64 and in the order of its axes."""
    return float(np.ascontiguousarray(batch).sum(dtype=np.float64))


def put_draws(
    writer: TraceWriter[Any], sizes: np.ndarray, index: np.ndarray, drawn: Mapping[str, np.ndarray]
) -> None:
    """Writes what was drawn for the first batches, as many as have MOST_DRAWN images.

    Args:
        writer: receives `training/flow/sizes`, `training/flow/index` and `training/flow/drawn/NAME`
            of these batches.
        sizes: (batches,) numbers of images.
        index: (images,) numbers of the samples.
        drawn: parameters of the images, (images,) each, or (1,) if it is the same for all.
    """
    number = max(1, int(np.searchsorted(np.cumsum(sizes), MOST_DRAWN, side="right")))
    kept = sizes[:number].astype(np.int64)
    rows = slice(int(kept.sum()))
    writer.put("training/flow/sizes", kept)
    if not len(kept):
        return
    writer.put("training/flow/index", index[rows].astype(np.int64))
    for name, values in drawn.items():
        column = np.broadcast_to(np.asarray(values, np.float64), index.shape)
        writer.put(f"training/flow/drawn/{name}", np.array(column[rows]))
