"""Keras's ImageDataGenerator as a torchvision v2 transform: the same pixels from the same draws.

Parameters are drawn for every image of its own (`make_params`), then applied by a pure function of
images and parameters (`transform`): a plain v2 transform draws once for a whole batch. Keras maps
an output pixel to an input position, in centred coordinates (x along the columns, y along the
rows),

    M = R(theta) . T(tx, ty) . Shear(s) . Zoom(zx, zy)
    R = [[cos, -sin], [sin, cos]]   Shear = [[1, -sin s], [0, cos s]]   Zoom = diag(zx, zy)

and interpolates linearly there, the border pixel repeated outside ("nearest"); then it flips.
torchvision's RandomAffine cannot express this: it has one zoom for both axes, whole-pixel shifts,
a tangent for the shear, another sign and another order.

Three quirks are Keras's own and kept, since the reference is what Keras does: `height_shift_range`
drives tx, which moves columns, and `width_shift_range` drives ty, which moves rows; the centre of a
non-square image has height and width exchanged; a flip is drawn also where it is switched off.

Source: keras 3.15 `legacy/preprocessing/image.py`; scipy 1.17 `ndimage/src/ni_interpolation.c`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torchvision.transforms import v2

Parameters = dict[str, torch.Tensor]


class KerasAffine(v2.Transform):
    """Random rotation, shift, shear, zoom and flip, drawn for every image as Keras draws them.

    Works on one image (C, H, W) or a batch (N, C, H, W), float32 or float64, on any device, and
    composes in `v2.Compose`.

    Args:
        rotation_range: degrees, at least 0.
        width_shift_range: fraction of the width, in [0, 1).
        height_shift_range: fraction of the height, in [0, 1).
        shear_range: degrees, at least 0.
        zoom_range: z in [0, 1), factors are drawn from [1 - z, 1 + z]; or a pair of bounds.
        horizontal_flip: whether to mirror left and right with probability 1/2.
        random_state: where parameters are drawn from, consumed exactly as Keras consumes NumPy's
            global state; None takes a generator of its own, seeded from torch's.
    """

    def __init__(
        self,
        rotation_range: float = 0.0,
        width_shift_range: float = 0.0,
        height_shift_range: float = 0.0,
        shear_range: float = 0.0,
        zoom_range: float | Sequence[float] = 0.0,
        horizontal_flip: bool = False,
        random_state: np.random.RandomState | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("rotation_range", rotation_range), ("shear_range", shear_range)):
            if not 0 <= value < math.inf:
                raise ValueError(f"{name}={value!r}: expected degrees of at least 0")
        for name, value in (
            ("width_shift_range", width_shift_range),
            ("height_shift_range", height_shift_range),
        ):
            if not 0 <= value < 1:
                raise ValueError(f"{name}={value!r}: expected a fraction in [0, 1)")
        self.rotation_range = rotation_range
        self.width_shift_range = width_shift_range
        self.height_shift_range = height_shift_range
        self.shear_range = shear_range
        self.zoom_range = _zoom_bounds(zoom_range)
        self.horizontal_flip = horizontal_flip
        if random_state is None:
            random_state = np.random.RandomState(int(torch.randint(2**32, (1,))))
        self._random_state = random_state

    def make_params(self, flat_inputs: list[Any]) -> Parameters:
        """Draws parameters for the images of the first input."""
        shape = flat_inputs[0].shape
        return self.draw(shape[0] if len(shape) == 4 else 1, shape[-2], shape[-1])

    def draw(self, num_images: int, height: int, width: int) -> Parameters:
        """Draws the parameters of `num_images` images, image by image.

        Returns:
            theta, shear (degrees), tx, ty (pixels), zx, zy (factors): (N,) float64, and
            flip_horizontal: (N,) bool; names and meaning as in Keras's `get_random_transform`.
        """
        low, high = self.zoom_range
        ranges = {  # in the order in which Keras draws; a range of 0 draws nothing
            "theta": (-self.rotation_range, self.rotation_range),
            "tx": (-self.height_shift_range, self.height_shift_range),
            "ty": (-self.width_shift_range, self.width_shift_range),
            "shear": (-self.shear_range, self.shear_range),
            "zx": (low, high) if (low, high) != (1, 1) else (0, 0),
            "zy": (low, high) if (low, high) != (1, 1) else (0, 0),
        }
        drawn = [name for name, (start, stop) in ranges.items() if (start, stop) != (0, 0)]
        # Two more for the flips: Keras draws both, wanted or not.
        uniform = self._random_state.random_sample((num_images, len(drawn) + 2))
        values = {name: np.zeros(num_images) for name in ranges}
        values["zx"], values["zy"] = np.ones(num_images), np.ones(num_images)
        for column, name in enumerate(drawn):
            start, stop = ranges[name]
            values[name] = start + (stop - start) * uniform[:, column]
        values["tx"] = values["tx"] * height
        values["ty"] = values["ty"] * width
        flip = (uniform[:, len(drawn)] < 0.5) & self.horizontal_flip
        return {
            **{name: torch.from_numpy(value) for name, value in values.items()},
            "flip_horizontal": torch.from_numpy(flip),
        }

    def transform(self, inpt: torch.Tensor, params: Parameters) -> torch.Tensor:
        """Applies given parameters to one image or a batch.

        Args:
            inpt: (C, H, W) or (N, C, H, W), float32 or float64.
            params: as `draw` returns them, for as many images.
        """
        if not inpt.is_floating_point():
            raise ValueError(
                f"images of dtype {inpt.dtype}: expected float32 or float64; convert them first, "
                "since whole numbers would cut off what interpolation gives"
            )
        images = inpt if inpt.ndim == 4 else inpt.unsqueeze(0)
        params = {name: value.to(images.device) for name, value in params.items()}
        rows, columns = _source_positions(_matrices(params, *images.shape[-2:]), *images.shape[-2:])
        flip = params["flip_horizontal"][:, None, None]
        rows = torch.where(flip, rows.flip(2), rows)
        columns = torch.where(flip, columns.flip(2), columns)
        return _interpolate(images, rows, columns).reshape(inpt.shape)


def _zoom_bounds(zoom_range: float | Sequence[float]) -> tuple[float, float]:
    if isinstance(zoom_range, int | float):
        if not 0 <= zoom_range < 1:
            raise ValueError(f"zoom_range={zoom_range!r}: expected z in [0, 1) or a pair of bounds")
        return 1 - zoom_range, 1 + zoom_range
    if len(zoom_range) != 2 or not all(0 < bound < math.inf for bound in zoom_range):
        raise ValueError(
            f"zoom_range={zoom_range!r}: expected z in [0, 1) or a pair of bounds above 0"
        )
    return float(zoom_range[0]), float(zoom_range[1])


def _matrices(params: Parameters, height: int, width: int) -> torch.Tensor:
    """(N, 2, 3) float64: (row, column, 1) of the output to (row, column) of the input."""
    theta, shear = torch.deg2rad(params["theta"]), torch.deg2rad(params["shear"])
    zero, one = torch.zeros_like(theta), torch.ones_like(theta)

    def matrix(*entries: torch.Tensor) -> torch.Tensor:
        return torch.stack(entries, dim=-1).reshape(-1, 3, 3)

    cos, sin = torch.cos(theta), torch.sin(theta)
    rotation = matrix(cos, -sin, zero, sin, cos, zero, zero, zero, one)
    shift = matrix(one, zero, params["tx"], zero, one, params["ty"], zero, zero, one)
    shearing = matrix(one, -torch.sin(shear), zero, zero, torch.cos(shear), zero, zero, zero, one)
    zoom = matrix(params["zx"], zero, zero, zero, params["zy"], zero, zero, zero, one)
    # Keras's quirk: the centre is (height, width) although the axes are (x, y) here.
    centre_x, centre_y = height / 2 - 0.5, width / 2 - 0.5
    to_centre = torch.tensor([[1, 0, centre_x], [0, 1, centre_y], [0, 0, 1]]).to(theta)
    from_centre = torch.tensor([[1, 0, -centre_x], [0, 1, -centre_y], [0, 0, 1]]).to(theta)
    xy = to_centre @ (rotation @ shift @ shearing @ zoom) @ from_centre
    return xy[:, [1, 0, 2]][:, :, [1, 0, 2]][:, :2]  # (x, y) -> (row, column)


def _source_positions(
    matrices: torch.Tensor, height: int, width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows and columns, each (N, H, W) float64, from which the output pixels are taken.

    Positions outside are moved to the border, which repeats the border pixel.
    """
    i = torch.arange(height, dtype=torch.float64, device=matrices.device)[:, None]
    j = torch.arange(width, dtype=torch.float64, device=matrices.device)
    m = matrices[..., None, None]
    rows = m[:, 0, 0] * i + m[:, 0, 1] * j + m[:, 0, 2]
    columns = m[:, 1, 0] * i + m[:, 1, 1] * j + m[:, 1, 2]
    return rows.clamp(0, height - 1), columns.clamp(0, width - 1)


def _interpolate(images: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Linear interpolation at positions inside the images, in float64 as scipy does.

    Args:
        images: (N, C, H, W).
        rows: (N, H, W) in [0, H - 1].
        columns: (N, H, W) in [0, W - 1].

    Returns:
        (N, C, H, W) in the dtype of the images.
    """
    n, channels, height, width = images.shape
    top, left = rows.floor(), columns.floor()
    down, right = rows - top, columns - left  # weights of the neighbours below and to the right
    row_0, column_0 = top.long(), left.long()
    row_1 = (row_0 + 1).clamp_(max=height - 1)
    column_1 = (column_0 + 1).clamp_(max=width - 1)
    flat = images.reshape(n, channels, height * width)

    def pixels(row: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
        index = (row * width + column).reshape(n, 1, -1).expand(-1, channels, -1)
        return flat.gather(2, index).reshape(images.shape).double()

    down, right = down[:, None], right[:, None]
    upper = pixels(row_0, column_0) * (1 - right) + pixels(row_0, column_1) * right
    lower = pixels(row_1, column_0) * (1 - right) + pixels(row_1, column_1) * right
    return (upper * (1 - down) + lower * down).to(images.dtype)


class ImageDataGenerator:
    """Feeds augmented batches as `keras...ImageDataGenerator(...).flow(x, y)` does.

    Args:
        random_state: stands in for NumPy's global state; see `KerasSeeds.numpy`.
        **ranges: as `KerasAffine` takes them.
    """

    def __init__(self, random_state: np.random.RandomState, **ranges: Any) -> None:
        self.random_state = random_state
        self.affine = KerasAffine(**ranges, random_state=random_state)

    def flow(self, x: torch.Tensor, y: torch.Tensor, batch_size: int = 32) -> NumpyArrayIterator:
        """Returns batches of augmented images, shuffled.

        Args:
            x: (N, C, H, W), float32 or float64.
            y: (N,) labels.
            batch_size: samples a batch; the last one may be smaller.
        """
        return NumpyArrayIterator(self, x, y, batch_size)


class NumpyArrayIterator:
    """Batches by number, as Keras's iterator of the same name.

    Every access draws new parameters. The order of the samples is drawn at the first access and
    again at every `on_epoch_end`.
    """

    def __init__(
        self, generator: ImageDataGenerator, x: torch.Tensor, y: torch.Tensor, batch_size: int
    ) -> None:
        if len(x) != len(y) or len(x) == 0:
            raise ValueError(f"len(x)={len(x)}, len(y)={len(y)}: expected equal lengths above 0")
        self.x, self.y, self.batch_size = x, y, batch_size
        self._generator = generator
        self._order: torch.Tensor | None = None
        self.params: Parameters | None = None  # of the batch that was accessed last

    def __len__(self) -> int:
        return -(-len(self.x) // self.batch_size)

    def indices(self, batch: int) -> torch.Tensor:
        """Returns the numbers of the samples of a batch."""
        if not 0 <= batch < len(self):
            raise IndexError(f"batch {batch}: expected 0 to {len(self) - 1}")
        if self._order is None:
            self.on_epoch_end()
        assert self._order is not None
        return self._order[batch * self.batch_size : (batch + 1) * self.batch_size]

    def __getitem__(self, batch: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns (images, labels) of a batch, augmented with parameters drawn now."""
        index = self.indices(batch).to(self.x.device)
        images = self.x[index]
        self.params = self._generator.affine.draw(len(index), *images.shape[-2:])
        return self._generator.affine.transform(images, self.params), self.y[index]

    def on_epoch_end(self) -> None:
        """Draws a new order of the samples."""
        order = self._generator.random_state.permutation(len(self.x))
        self._order = torch.from_numpy(order)
