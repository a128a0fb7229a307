"""Layers that flip, turn, zoom, shift and shear images at random, with Keras's numbers and pixels.

Sources: keras 3.15 `layers/preprocessing/image_preprocessing/random_flip.py`,
`random_rotation.py`, `random_zoom.py`, `random_translation.py`, `random_shear.py`.
"""

from __future__ import annotations

import math

import torch

from torch_impl.layers.image.projective import FILL_MODES, INTERPOLATIONS, transform
from torch_impl.layers.image.random_layer import Factor, RandomImageLayer, bounds_of, one_of
from torch_impl.layers.image.trigonometry import sine_and_cosine

_FLIP_MODES = ("horizontal", "vertical", "horizontal_and_vertical")


class RandomFlip(RandomImageLayer):
    """Flips an image with probability 1/2.

    Differs from torchvision's RandomHorizontalFlip and RandomVerticalFlip in:
    1. each image of a batch has its own number, which is Keras's;
    2. "horizontal_and_vertical" flips both axes or none: one number decides both.

    Args:
        mode: "horizontal" exchanges left and right, "vertical" top and bottom.
        seed: see `RandomImageLayer`.
        random_dtype: see `RandomImageLayer`.
    """

    def __init__(
        self,
        mode: str = "horizontal_and_vertical",
        seed: int | None = None,
        random_dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(seed, random_dtype)
        self.mode = one_of(mode, "mode", _FLIP_MODES)

    def draw(self, shape: torch.Size) -> torch.Tensor:
        """Returns (N, 1, 1, 1) bool: which images are flipped."""
        return self.uniform((shape[0], 1, 1, 1), 0.0, 1.0) <= 0.5

    def apply_drawn(
        self, images: torch.Tensor, drawn: torch.Tensor, *, is_mask: bool = False
    ) -> torch.Tensor:
        """See `RandomImageLayer`."""
        axes = [axis for axis, name in ((-1, "horizontal"), (-2, "vertical")) if name in self.mode]
        return torch.where(drawn.to(images.device), images.flip(axes), images)

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"mode={self.mode!r}, seed={self.seed}"


class _Moved(RandomImageLayer):
    """Layers that interpolate images by an affine map."""

    def __init__(
        self,
        fill_mode: str,
        interpolation: str,
        seed: int | None,
        fill_value: float,
        random_dtype: torch.dtype,
    ) -> None:
        super().__init__(seed, random_dtype)
        self.fill_mode = one_of(fill_mode, "fill_mode", FILL_MODES)
        self.interpolation = one_of(interpolation, "interpolation", INTERPOLATIONS)
        self.fill_value = fill_value

    def apply_drawn(
        self, images: torch.Tensor, drawn: torch.Tensor, *, is_mask: bool = False
    ) -> torch.Tensor:
        """See `RandomImageLayer`."""
        return transform(
            images,
            self.maps(drawn, *images.shape[-2:]).to(torch.float32),
            interpolation="nearest" if is_mask else self.interpolation,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
        )

    def maps(self, drawn: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """Returns (N, 6), as `transform` takes them."""
        raise NotImplementedError

    def _told(self) -> str:
        told = f"fill_mode={self.fill_mode!r}, interpolation={self.interpolation!r}"
        return f"{told}, seed={self.seed}, fill_value={self.fill_value}"


class RandomRotation(_Moved):
    """Turns each image about its centre.

    Differs from torchvision's RandomRotation in:
    1. each image of a batch has its own angle, which is Keras's;
    2. the factor is a fraction of a full turn; a positive angle turns counter-clockwise;
    3. the image continues outside by `fill_mode`, and the default interpolation is bilinear.

    Args:
        factor: f stands for angles of -f to f turns, f in [-1, 1]; or the bounds.
        fill_mode: how an image continues outside: "reflect", "wrap", "constant" or "nearest".
        interpolation: "nearest" or "bilinear".
        seed: see `RandomImageLayer`.
        fill_value: the value outside, with "constant".
        random_dtype: see `RandomImageLayer`.
    """

    def __init__(
        self,
        factor: Factor,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        random_dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, random_dtype)
        self.factor = bounds_of(factor, "factor", -1, 1, pairs_may_reach_out=True)

    def draw(self, shape: torch.Size) -> torch.Tensor:
        """Returns (N,): angles in radians, which Keras draws in degrees."""
        low, high = (bound * 360.0 for bound in self.factor)
        return self.uniform((shape[0],), low, high, times=math.pi / 180.0)

    def maps(self, drawn: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """See `_Moved`; in Keras's order of operations, which decides the last bit."""
        sine, cosine = map(torch.from_numpy, sine_and_cosine(drawn.numpy()))
        x, y = (0.5 * torch.tensor(size - 1, dtype=drawn.dtype) for size in (width, height))
        to_x = x - x * cosine - y * -sine
        to_y = y - x * sine - y * cosine
        return torch.stack([cosine, -sine, to_x, sine, cosine, to_y], dim=1)

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"{self.factor}, {self._told()}"


class RandomZoom(_Moved):
    """Zooms each image about its centre; a positive factor makes it smaller.

    Differs from torchvision's RandomAffine in:
    1. each image of a batch has its own numbers, which are Keras's;
    2. height and width have factors of their own, unless `width_factor` is None;
    3. the factor is added to 1, and what is beyond 1 shrinks the image.

    Args:
        height_factor: f stands for zooms of 1 - f to 1 + f, f in (-1, 1]; or the bounds of f.
        width_factor: the same; None takes the zoom of the height.
        fill_mode: see `RandomRotation`.
        interpolation: see `RandomRotation`.
        seed: see `RandomImageLayer`.
        fill_value: see `RandomRotation`.
        random_dtype: see `RandomImageLayer`.
    """

    def __init__(
        self,
        height_factor: Factor,
        width_factor: Factor | None = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        random_dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, random_dtype)
        self.height_factor = bounds_of(height_factor, "height_factor", -1, 1, above=True)
        self.width_factor = (
            None
            if width_factor is None
            else bounds_of(width_factor, "width_factor", -1, 1, above=True)
        )

    def draw(self, shape: torch.Size) -> torch.Tensor:
        """Returns (N, 2): the zooms of width and height."""
        column = (shape[0], 1)
        low, high = self.height_factor
        height = self.uniform(column, 1.0 + low, 1.0 + high)
        width = height
        if self.width_factor is not None:
            low, high = self.width_factor
            width = self.uniform(column, 1.0 + low, 1.0 + high)
        return torch.cat([width, height], dim=1)

    def maps(self, drawn: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """See `_Moved`."""
        zoom_x, zoom_y = drawn.to(torch.float32).unbind(1)
        none = torch.zeros_like(zoom_x)
        to_x = (width - 1.0) / 2.0 * (1.0 - zoom_x)
        to_y = (height - 1.0) / 2.0 * (1.0 - zoom_y)
        return torch.stack([zoom_x, none, to_x, none, zoom_y, to_y], dim=1)

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"{self.height_factor}, {self.width_factor}, {self._told()}"


class RandomTranslation(_Moved):
    """Shifts each image, by fractions of its height and width.

    Differs from torchvision's RandomAffine in:
    1. each image of a batch has its own numbers, which are Keras's;
    2. shifts are not rounded to whole pixels; a positive one is down and to the right.

    Args:
        height_factor: f stands for shifts of -f to f heights, f in [-1, 1]; or the bounds.
        width_factor: the same of the width.
        fill_mode: see `RandomRotation`.
        interpolation: see `RandomRotation`.
        seed: see `RandomImageLayer`.
        fill_value: see `RandomRotation`.
        random_dtype: see `RandomImageLayer`.
    """

    def __init__(
        self,
        height_factor: Factor,
        width_factor: Factor,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        random_dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, random_dtype)
        self.height_factor = bounds_of(height_factor, "height_factor", -1, 1)
        self.width_factor = bounds_of(width_factor, "width_factor", -1, 1)

    def draw(self, shape: torch.Size) -> torch.Tensor:
        """Returns (N, 2) float32: the shifts in pixels, to the right and down."""
        column = (shape[0], 1)
        down = self.uniform(column, *self.height_factor, times=shape[-2])
        right = self.uniform(column, *self.width_factor, times=shape[-1])
        return torch.cat([right, down], dim=1).to(torch.float32)

    def maps(self, drawn: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """See `_Moved`."""
        right, down = drawn.unbind(1)
        one, none = torch.ones_like(right), torch.zeros_like(right)
        return torch.stack([one, none, -right, none, one, -down], dim=1)

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"{self.height_factor}, {self.width_factor}, {self._told()}"


class RandomShear(_Moved):
    """Shears each image: rows move along by their height, and columns by their width.

    Differs from torchvision's RandomAffine in:
    1. each image of a batch has its own numbers, which are Keras's;
    2. a factor is a share of a row or column, no angle, and its sign is drawn as well;
    3. an image is sheared from its upper left corner, not from its centre.

    Args:
        x_factor: f stands for shears of -f to f pixels a row, f in [0, 1]; or the bounds, which are
            not below 0.
        y_factor: the same of columns.
        interpolation: see `RandomRotation`.
        fill_mode: see `RandomRotation`.
        fill_value: see `RandomRotation`.
        seed: see `RandomImageLayer`.
        random_dtype: see `RandomImageLayer`; in Keras it is that of the layer's policy.
    """

    def __init__(
        self,
        x_factor: Factor = 0.0,
        y_factor: Factor = 0.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        seed: int | None = None,
        random_dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, random_dtype)
        self.x_factor = _shear_of(x_factor, "x_factor")
        self.y_factor = _shear_of(y_factor, "y_factor")

    def draw(self, shape: torch.Size) -> torch.Tensor:
        """Returns (N, 2): pixels along x for each row, and along y for each column."""
        column = (shape[0], 1)
        sign = torch.where(self.uniform(column, 0.0, 1.0) > 0.5, -1.0, 1.0)
        down = self.uniform(column, *self.y_factor)
        right = self.uniform(column, *self.x_factor)
        return torch.cat([right, down], dim=1) * sign.to(right.dtype)

    def maps(self, drawn: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """See `_Moved`."""
        right, down = drawn.unbind(1)
        one, none = torch.ones_like(right), torch.zeros_like(right)
        return torch.stack([one, right, none, down, one, none], dim=1)

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"{self.x_factor}, {self.y_factor}, {self._told()}"


def _shear_of(factor: Factor, name: str) -> tuple[float, float]:
    """Returns the bounds of a shear: -f and f of a number."""
    low, high = bounds_of(factor, name, 0, 1)
    return (low, high) if isinstance(factor, list | tuple) else (-high, high)
