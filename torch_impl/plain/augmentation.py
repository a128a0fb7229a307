"""The random transform of Keras's ImageDataGenerator, which torchvision has not.

It has a zoom for each axis, shifts between pixels, a shear by its sine, and continues
the edge, all in one interpolation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F


@dataclass
class Augmentation:
    """Changes each image of a batch (N, C, H, W) at random, as ImageDataGenerator does.

    Attributes:
        rotation: degrees.
        row_shift: along the columns, as Keras's height_shift_range: a fraction of the
            height if below 1, else pixels; a list or a whole number gives choices.
        column_shift: along the rows, by a fraction of the width.
        shear: degrees.
        zoom: bounds of a factor, drawn for each axis.
        channel_shift: greatest number that is added.
        horizontal_flip, vertical_flip: whether one of two images is flipped.
        fill: "border", "reflection", or "zeros" for the value outside.
        outside: the value, for "zeros".
        mode: "bilinear" or "nearest".
        function: applied to each image behind it.
        rescale: factor.
        mean, std: of each channel, which are subtracted, and by which is divided.
        own_mean, own_std: whether those of each image are.
    """

    rotation: float = 0.0
    row_shift: Any = 0.0
    column_shift: Any = 0.0
    shear: float = 0.0
    zoom: tuple[float, float] = (1.0, 1.0)
    channel_shift: float = 0.0
    horizontal_flip: bool = False
    vertical_flip: bool = False
    fill: str = "border"
    outside: float = 0.0
    mode: str = "bilinear"
    function: Any = None
    rescale: float | None = None
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    own_mean: bool = False
    own_std: bool = False

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Returns changed images."""
        if self.moves():
            x = self.moved(x)
        for axis, is_used in ((-1, self.horizontal_flip), (-2, self.vertical_flip)):
            if is_used:
                which = torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5
                x = torch.where(which, x.flip(axis), x)
        if self.channel_shift:
            low, high = x.amin((1, 2, 3), True), x.amax((1, 2, 3), True)
            added = uniform(len(x), -self.channel_shift, self.channel_shift)
            x = (x + added.to(x)[:, None, None, None]).clamp(low, high)
        return self.standardized(x)

    def moves(self) -> bool:
        """Whether pixels are interpolated."""
        shifts = self.rotation, self.shear, self.row_shift, self.column_shift
        return any(shifts) or tuple(self.zoom) != (1.0, 1.0)

    def moved(self, x: torch.Tensor) -> torch.Tensor:
        """Returns images, rotated, shifted, sheared and zoomed in one step."""
        number, _, height, width = x.shape
        theta, shear = (
            torch.deg2rad(uniform(number, -limit, limit))
            for limit in (self.rotation, self.shear)
        )
        shift_x, shift_y = (
            shifts(number, limit, size)
            for limit, size in ((self.row_shift, height), (self.column_shift, width))
        )
        zoom_x, zoom_y = (uniform(number, *self.zoom) for _ in range(2))
        drawn = (theta, shear, shift_x, shift_y, zoom_x, zoom_y)
        return sampled(x, drawn, self.fill, self.outside, self.mode)

    def standardized(self, x: torch.Tensor) -> torch.Tensor:
        """Returns images after the steps that draw nothing."""
        if self.function is not None:
            x = torch.stack([self.function(image) for image in x])
        if self.rescale is not None:
            x = x * self.rescale
        if self.own_mean:
            x = x - x.mean((1, 2, 3), keepdim=True)
        if self.own_std:
            x = x / (x.std((1, 2, 3), correction=0, keepdim=True) + 1e-6)
        if self.mean is not None:
            x = x - x.new_tensor(self.mean)[:, None, None]
        if self.std is not None:
            x = x / (x.new_tensor(self.std)[:, None, None] + 1e-6)
        return x


def uniform(number: int, low: float, high: float) -> torch.Tensor:
    """Returns numbers between two bounds."""
    return low + (high - low) * torch.rand(number, dtype=torch.float64)


def shifts(number: int, limit: Any, size: int) -> torch.Tensor:
    """Returns shifts in pixels, one for each image."""
    if isinstance(limit, int) and limit > 0:
        limit = list(range(limit))
    if isinstance(limit, list | tuple):
        choices = torch.tensor(limit, dtype=torch.float64)
        sign = torch.randint(2, (number,)) * 2 - 1
        found: torch.Tensor = choices[torch.randint(len(limit), (number,))] * sign
        return found * size if max(limit) < 1 else found
    return uniform(number, -limit, limit) * (size if limit < 1 else 1)


def sampled(
    x: torch.Tensor,
    drawn: tuple[torch.Tensor, ...],
    fill: str = "border",
    outside: float = 0.0,
    mode: str = "bilinear",
) -> torch.Tensor:
    """Returns images (N, C, H, W), moved by angles, shifts and zooms, (N,) each.

    Keras takes the middle of an image at half its height along the columns, and at half
    its width along the rows.
    """
    theta, shear, shift_x, shift_y, zoom_x, zoom_y = (
        each.to(x.device, torch.float64)[:, None, None] for each in drawn
    )
    height, width = x.shape[-2:]
    middle_x, middle_y = height / 2 - 0.5, width / 2 - 0.5
    across = (torch.arange(width, device=x.device) - middle_x) * zoom_x
    down = (torch.arange(height, device=x.device)[:, None] - middle_y) * zoom_y
    along = across - shear.sin() * down + shift_x
    below = shear.cos() * down + shift_y
    column = theta.cos() * along - theta.sin() * below + middle_x
    row = theta.sin() * along + theta.cos() * below + middle_y
    places = torch.stack([(2 * column + 1) / width - 1, (2 * row + 1) / height - 1], -1)
    padding = "border" if fill == "zeros" else fill
    made = F.grid_sample(x, places.to(x), mode, padding, align_corners=False)
    if fill != "zeros":
        return made
    inside = (column >= 0) & (column <= width - 1) & (row >= 0) & (row <= height - 1)
    return torch.where(inside[:, None], made, outside)
