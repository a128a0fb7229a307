"""Keras's random transform as a torchvision v2 transform, drawn anew for every image of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from torch_impl.augment.affine import matrices, move
from torch_impl.augment.intensity import change_brightness, shift_channels
from torch_impl.augment.interpolate import FILL_MODES
from torch_impl.augment.parameters import AT_REST, Parameters, ParameterSampler, ShiftRange

_ORDERS = (0, 1, 3)
_KERAS_FILL_MODES = FILL_MODES[:4]


class KerasTransform(v2.Transform):
    """Random rotation, shift, shear, zoom, channel shift, flips and brightness, as Keras does them.

    Works on one image (C, H, W) or a batch (N, C, H, W), float32 or float64, on any device, and
    composes in `v2.Compose`. `make_params` draws separate parameters for every image, and
    `transform` applies them as a pure function of images and parameters. A plain v2 transform draws
    once for a whole batch.

    Args:
        rotation_range: degrees; angles are drawn from [-r, r].
        width_shift_range: below 1 a fraction of the width, from 1 on pixels, drawn from [-s, s];
            an integer or a list: one of range(s), or of its elements, with a random sign.
        height_shift_range: the same, of the height.
        brightness_range: bounds of a factor, or None.
        shear_range: degrees; angles are drawn from [-s, s].
        zoom_range: z stands for the bounds (1 - z, 1 + z); or the bounds, of both factors. A factor
            below 1 enlarges.
        channel_shift_range: shifts are drawn from [-c, c], in units of pixel values.
        fill_mode: "nearest", "constant", "reflect" or "wrap": see `interpolate.py`.
        cval: the value outside, for `fill_mode="constant"`.
        horizontal_flip: whether left and right are exchanged with probability 1/2.
        vertical_flip: whether top and bottom are exchanged with probability 1/2.
        interpolation_order: of the splines: 0, 1 or 3.
        keras_quirks: whether to do what Keras does, or what its documentation promises: the axes of
            the shifts, the centre of a non-square image, the period of "wrap", channel shift and
            brightness (each is described where it is implemented). The numbers drawn are the same.
        random_state: the generator of the parameters, consumed exactly as Keras consumes NumPy's
            global state; None takes a new generator, seeded from torch's.

    Raises:
        ValueError: an argument has another form; the message shows it.
    """

    _transformed_types = (torch.Tensor,)

    def __init__(
        self,
        rotation_range: float = 0,
        width_shift_range: ShiftRange = 0.0,
        height_shift_range: ShiftRange = 0.0,
        brightness_range: Sequence[float] | None = None,
        shear_range: float = 0.0,
        zoom_range: float | Sequence[float] = 0.0,
        channel_shift_range: float = 0.0,
        fill_mode: str = "nearest",
        cval: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        interpolation_order: int = 1,
        *,
        keras_quirks: bool = True,
        random_state: np.random.RandomState | None = None,
    ) -> None:
        super().__init__()
        if fill_mode not in _KERAS_FILL_MODES:
            raise ValueError(
                f"fill_mode={fill_mode!r}: expected one of {', '.join(_KERAS_FILL_MODES)}"
            )
        if interpolation_order not in _ORDERS or isinstance(interpolation_order, bool):
            raise ValueError(
                f"interpolation_order={interpolation_order!r}: expected 0 (nearest pixel), 1 "
                "(linear) or 3 (cubic); splines of order 2, 4 and 5 are not ported"
            )
        self.sampler = ParameterSampler(
            rotation_range=rotation_range,
            width_shift_range=width_shift_range,
            height_shift_range=height_shift_range,
            brightness_range=brightness_range,
            shear_range=shear_range,
            zoom_range=zoom_range,
            channel_shift_range=channel_shift_range,
            horizontal_flip=horizontal_flip,
            vertical_flip=vertical_flip,
            keras_quirks=keras_quirks,
            random_state=random_state,
        )
        self.fill_mode, self.cval = fill_mode, float(cval)
        self.interpolation_order = interpolation_order
        self.keras_quirks = keras_quirks

    def extra_repr(self) -> str:
        """Returns the text between the parentheses of `repr`."""
        shown = {**vars(self.sampler), "fill_mode": self.fill_mode, "cval": self.cval}
        shown["interpolation_order"] = self.interpolation_order
        return ", ".join(
            f"{name}={value!r}"
            for name, value in shown.items()
            if not name.startswith("_") and name != "random_state"
        )

    def make_params(self, flat_inputs: list[Any]) -> Parameters:
        """Draws parameters for the images of the first input."""
        shape = _checked(flat_inputs[0]).shape
        return self.draw(shape[0] if len(shape) == 4 else 1, shape[-2], shape[-1])

    def draw(self, num_images: int, height: int, width: int) -> Parameters:
        """Draws the parameters of images of one size; see `ParameterSampler.draw`."""
        return self.sampler.draw(num_images, height, width)

    def transform(self, inpt: torch.Tensor, params: Mapping[str, Any]) -> torch.Tensor:
        """Applies given parameters to one image or a batch; draws nothing.

        Args:
            inpt: (C, H, W) or (N, C, H, W), float32 or float64.
            params: as `draw` returns them, for as many images; a number holds for all images, and
                a missing parameter changes nothing.

        Returns:
            Images of the same shape, dtype, device and memory layout.

        Raises:
            ValueError: the images have another rank or dtype; a name is unknown, the number of
                values is wrong, or values are not finite.
        """
        images = _checked(inpt)
        images = images.unsqueeze(0) if images.ndim == 3 else images
        return self.apply(images, _one_each(params, len(images))).reshape(inpt.shape)

    def apply(
        self, images: torch.Tensor, params: Parameters, index: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Applies parameters of `draw` to a batch, without checking either.

        Args:
            images: (M, C, H, W), float32 or float64.
            params: (N,) each.
            index: (N,) int64, which images are taken; None takes all of them in their order.

        Returns:
            (N, C, H, W).
        """
        height, width = images.shape[-2:]
        maps = matrices(params, height, width, self.keras_quirks)
        flips = np.empty((len(maps), 2), dtype=bool)
        flips[:, 0], flips[:, 1] = params["flip_horizontal"], params["flip_vertical"]
        fill_mode = self.fill_mode
        if fill_mode == "wrap" and not self.keras_quirks:
            fill_mode = "grid-wrap"
        moved = move(
            images,
            maps,
            flips,
            fill_mode=fill_mode,
            cval=self.cval,
            order=self.interpolation_order,
            index=index,
        )
        for name, change in (
            ("channel_shift_intensity", shift_channels),
            ("brightness", change_brightness),
        ):
            if name in params:
                moved = change(moved, torch.from_numpy(params[name]), self.keras_quirks)
        return moved


def _checked(images: Any) -> torch.Tensor:
    if not isinstance(images, torch.Tensor) or (
        isinstance(images, tv_tensors.TVTensor) and not isinstance(images, tv_tensors.Image)
    ):
        raise TypeError(
            f"{type(images).__name__}: expected a tensor of images; this transform does not move "
            "boxes, masks or videos"
        )
    if images.ndim not in (3, 4):
        raise ValueError(
            f"images of shape {tuple(images.shape)}: expected (channels, height, width) or "
            "(images, channels, height, width)"
        )
    if images.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"images of dtype {images.dtype}: expected float32 or float64; convert them first, "
            "since whole numbers would cut off the fractions of interpolated values"
        )
    return images


def _one_each(params: Mapping[str, Any], num_images: int) -> Parameters:
    """Completes parameters, and turns numbers and tensors into arrays with a value per image."""
    unknown = sorted(set(params) - set(AT_REST))
    if unknown:
        raise ValueError(
            f"transform parameters {', '.join(map(repr, unknown))}: expected names among "
            f"{', '.join(AT_REST)}"
        )
    complete: Parameters = {}
    for name, rest in AT_REST.items():
        value = params.get(name)
        if value is None:
            value = rest
        if value is None:
            continue
        if isinstance(value, torch.Tensor):
            value = value.detach().cpu().numpy()
        dtype = bool if isinstance(rest, bool) else np.float64
        values = np.asarray(value, dtype=dtype)
        if values.ndim == 0:
            values = np.full(num_images, values)
        if not np.isfinite(values).all():
            raise ValueError(f"{name}={values}: expected finite numbers")
        if values.shape != (num_images,):
            raise ValueError(
                f"{name} of shape {values.shape}: expected one number, or one for each of "
                f"{num_images} images"
            )
        complete[name] = values
    return complete
