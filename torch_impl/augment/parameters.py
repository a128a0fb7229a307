"""What ImageDataGenerator draws for every image, from the stream from which Keras draws it.

Two things that one would not expect, and that decide which number comes next: both flips are drawn
also where they are switched off, and an integer or a list as shift range draws one of its elements
and then a sign, which takes another amount of the stream than a fraction does.

Source: keras 3.15 `legacy/preprocessing/image.py`, `ImageDataGenerator.get_random_transform`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch

Parameters = dict[str, np.ndarray]  # each (N,): one number or switch an image
ShiftRange = float | int | Sequence[float]

# What a parameter is where an image stays as it is, in the order in which Keras lists them.
AT_REST: dict[str, float | bool | None] = {
    "theta": 0.0,
    "tx": 0.0,
    "ty": 0.0,
    "shear": 0.0,
    "zx": 1.0,
    "zy": 1.0,
    "flip_horizontal": False,
    "flip_vertical": False,
    "channel_shift_intensity": None,
    "brightness": None,
}


class ParameterSampler:
    """Draws the parameters of images, image by image.

    Args:
        rotation_range: degrees; angles are drawn from [-r, r].
        width_shift_range: below 1 a fraction of the width, from 1 on pixels, drawn from [-s, s];
            an integer or a list: one of range(s), or of its elements, with a random sign.
        height_shift_range: the same, of the height.
        brightness_range: bounds of a factor, or None.
        shear_range: degrees; angles are drawn from [-s, s].
        zoom_range: z stands for the bounds (1 - z, 1 + z); or the bounds, of both factors.
        channel_shift_range: shifts are drawn from [-c, c], in units of pixel values.
        horizontal_flip: whether left and right are exchanged with probability 1/2.
        vertical_flip: whether top and bottom are exchanged with probability 1/2.
        keras_quirks: as Keras does, drives `tx`, which moves columns, by the height, and `ty`,
            which moves rows, by the width; without, each is driven by its own (keras #17398). The
            numbers drawn are the same.
        random_state: consumed exactly as Keras consumes NumPy's global state; None takes a
            generator of its own, seeded from torch's.

    Raises:
        ValueError: a range is of another form, or not finite.
    """

    def __init__(
        self,
        *,
        rotation_range: float = 0,
        width_shift_range: ShiftRange = 0.0,
        height_shift_range: ShiftRange = 0.0,
        brightness_range: Sequence[float] | None = None,
        shear_range: float = 0.0,
        zoom_range: float | Sequence[float] = 0.0,
        channel_shift_range: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        keras_quirks: bool = True,
        random_state: np.random.RandomState | None = None,
    ) -> None:
        self.rotation_range = _number("rotation_range", rotation_range)
        self.width_shift_range = _shift("width_shift_range", width_shift_range)
        self.height_shift_range = _shift("height_shift_range", height_shift_range)
        self.brightness_range = _brightness(brightness_range)
        self.shear_range = _number("shear_range", shear_range)
        self.zoom_range = _zoom(zoom_range)
        self.channel_shift_range = _number("channel_shift_range", channel_shift_range)
        self.horizontal_flip = bool(horizontal_flip)
        self.vertical_flip = bool(vertical_flip)
        self.keras_quirks = keras_quirks
        self._drawn = {name: values for name, values in self._ranges().items() if values}
        self._not_drawn = {
            name: rest
            for name, rest in AT_REST.items()
            if rest is not None and name not in self._drawn
        }
        first_flip = list(self._drawn).index("flip_horizontal")
        self._flip_rows = slice(first_flip, first_flip + 2)
        self._wanted_flips = np.array([[self.horizontal_flip], [self.vertical_flip]])
        self._has_choice = any(map(_is_choice, self._drawn.values()))
        if not self._has_choice:
            low, high = np.array(list(self._drawn.values())).T
            self._low, self._span = low, high - low
        if random_state is None:
            random_state = np.random.RandomState(int(torch.randint(2**32, (1,))))
        self.random_state = random_state

    def draw(self, num_images: int, height: int, width: int) -> Parameters:
        """Draws the parameters of `num_images` images of one size.

        Returns:
            theta, shear (degrees), tx, ty (pixels; x along the columns), zx, zy (factors):
            (N,) float64; flip_horizontal, flip_vertical: (N,) bool; channel_shift_intensity,
            brightness: (N,) float64, only where they are asked for. Names and meaning are those of
            Keras's `get_random_transform`.
        """
        if self._has_choice:
            drawn = self._draw_one_by_one(num_images)
        else:
            uniform = self.random_state.random_sample((num_images, len(self._drawn)))
            # As RandomState.uniform computes it; one row a parameter.
            drawn = np.ascontiguousarray((self._low + self._span * uniform).T)
        params: Parameters = dict(zip(self._drawn, drawn, strict=True))
        flips = (drawn[self._flip_rows] < 0.5) & self._wanted_flips
        params["flip_horizontal"], params["flip_vertical"] = flips
        for name, rest in self._not_drawn.items():
            params[name] = np.full(num_images, rest)
        if _is_fraction(self.height_shift_range):
            params["tx"] = params["tx"] * height
        if _is_fraction(self.width_shift_range):
            params["ty"] = params["ty"] * width
        if not self.keras_quirks:
            params["tx"], params["ty"] = params["ty"], params["tx"]
        return params

    def _ranges(self) -> dict[str, Any]:
        """What each parameter is drawn from, in Keras's order: bounds, a choice, or nothing."""

        def around_zero(limit: float) -> tuple[float, float] | None:
            return (-limit, limit) if limit else None

        def shift(limit: Any) -> Any:
            return limit if _is_choice(limit) else around_zero(limit)

        zoom = None if self.zoom_range == [1, 1] else tuple(self.zoom_range)
        return {
            "theta": around_zero(self.rotation_range),
            "tx": shift(self.height_shift_range),
            "ty": shift(self.width_shift_range),
            "shear": around_zero(self.shear_range),
            "zx": zoom,
            "zy": zoom,
            "flip_horizontal": (0.0, 1.0),
            "flip_vertical": (0.0, 1.0),
            "channel_shift_intensity": around_zero(self.channel_shift_range),
            "brightness": self.brightness_range,
        }

    def _draw_one_by_one(self, num_images: int) -> np.ndarray:
        """For choices, which take as much of the stream as they happen to need."""
        drawn = np.empty((len(self._drawn), num_images))
        for index in range(num_images):
            for row, values in enumerate(self._drawn.values()):
                drawn[row, index] = self._draw(values)
        return drawn

    def _draw(self, values: Any) -> float:
        if _is_choice(values):
            return float(self.random_state.choice(values) * self.random_state.choice([-1, 1]))
        return float(self.random_state.uniform(*values))


def _is_choice(values: Any) -> bool:
    """Whether Keras draws from this by `np.random.choice`: lists, and integers above 0."""
    return isinstance(values, list) or (isinstance(values, int) and values > 0)


def _is_fraction(shift_range: Any) -> bool:
    """Whether a shift is in units of the size: one of pixels may also be below 1, in a list."""
    return bool((max(shift_range) if isinstance(shift_range, list) else shift_range) < 1)


def _number(name: str, value: Any) -> float:
    if not isinstance(value, Real) or not math.isfinite(value):
        raise ValueError(f"{name}={value!r}: expected a finite number")
    return float(value)


def _shift(name: str, value: Any) -> Any:
    if isinstance(value, np.ndarray | torch.Tensor | tuple):
        value = value.tolist() if not isinstance(value, tuple) else list(value)
    numbers = value if isinstance(value, list) else [value]
    if not all(isinstance(number, Real) and math.isfinite(number) for number in numbers):
        raise ValueError(
            f"{name}={value!r}: expected a number (below 1 a fraction, from 1 on pixels), or a "
            "list of numbers to choose from"
        )
    if isinstance(value, list):
        return value or 0.0
    return int(value) if isinstance(value, Integral) else float(value)


def _zoom(zoom_range: Any) -> list[float]:
    if isinstance(zoom_range, Real) and math.isfinite(zoom_range):
        return [1 - float(zoom_range), 1 + float(zoom_range)]
    if _is_pair(zoom_range):
        return [float(zoom_range[0]), float(zoom_range[1])]
    raise ValueError(
        f"zoom_range={zoom_range!r}: expected a number z, for the bounds (1 - z, 1 + z), or a pair "
        "of bounds"
    )


def _brightness(brightness_range: Any) -> tuple[float, float] | None:
    if brightness_range is None:
        return None
    if not _is_pair(brightness_range):
        raise ValueError(
            f"brightness_range={brightness_range!r}: expected a list or tuple of two numbers, the "
            "bounds of a factor"
        )
    return float(brightness_range[0]), float(brightness_range[1])


def _is_pair(values: Any) -> bool:
    return (
        isinstance(values, list | tuple)
        and len(values) == 2
        and all(isinstance(value, Real) and math.isfinite(value) for value in values)
    )
