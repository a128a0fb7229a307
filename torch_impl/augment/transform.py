"""Keras's random transform as a torchvision v2 transform, drawn anew for every image of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import v2

from torch_impl.augment.affine import FILL_MODES, matrices, move
from torch_impl.augment.layout import as_pil, check_image, check_mask, check_sample, is_mask
from torch_impl.augment.parameters import AT_REST, Parameters, ParameterSampler, ShiftRange
from torch_impl.augment.standardize import change_brightness, shift_channels

Moved = TypeVar("Moved", torch.Tensor, Image.Image)

_ORDERS = (0, 1, 3)
_KERAS_FILL_MODES = FILL_MODES[:4]


class KerasTransform(v2.Transform):
    """Random rotation, shift, shear, zoom, channel shift, flips and brightness, as Keras does them.

    Works on one image (C, H, W) or a batch (N, C, H, W), float32 or float64, on any device, and
    composes in `v2.Compose`. `make_params` draws separate parameters for every image, and
    `transform` applies them as a pure function of images and parameters. A plain v2 transform draws
    once for a whole batch.

    As in torchvision's own transforms, each part of a sample keeps its type. A tv_tensors.Image
    stays one. A PIL image (L, RGB, RGBA) becomes a PIL image: it is moved in float32, and rounded
    and clipped to 0 ... 255. A tv_tensors.Mask of any dtype is moved with the parameters of its
    image, by the nearest pixel, with the same fill mode and 0 as its `cval`; of a batch, it has
    the images first. Boxes, keypoints and videos are an error. Labels and other values pass
    through, and so do plain tensors behind an image.

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
        fill_mode: "nearest", "constant", "reflect" or "wrap": see `affine.py`.
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

    _transformed_types = (torch.Tensor, Image.Image)

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
        """Draws parameters for the images of a sample, which have one size.

        Raises:
            TypeError: a part is neither an image nor a mask.
            ValueError: see `transform`; or sizes or numbers of images and masks differ.
        """
        return self.draw(*check_sample(flat_inputs))

    def draw(self, num_images: int, height: int, width: int) -> Parameters:
        """Draws the parameters of images of one size; see `ParameterSampler.draw`."""
        return self.sampler.draw(num_images, height, width)

    def transform(self, inpt: Moved, params: Mapping[str, Any]) -> Moved:
        """Applies given parameters to one image or a batch, or to masks; draws nothing.

        Args:
            inpt: (C, H, W) or (N, C, H, W), float32 or float64; a PIL image; or a tv_tensors.Mask
                (..., H, W), of a batch (N, ..., H, W), of any dtype.
            params: as `draw` returns them, for as many images; a number holds for all images, and
                a missing parameter changes nothing.

        Returns:
            The same type, shape, dtype, device and memory layout.

        Raises:
            TypeError: it is neither an image nor a mask.
            ValueError: it has another rank, dtype or mode; a name is unknown, the number of
                values is wrong, or values are not finite.
        """
        if isinstance(inpt, torch.Tensor) and is_mask(inpt):
            return self._moved_mask(inpt, params)
        images = check_image(inpt)
        batch = images.unsqueeze(0) if images.ndim == 3 else images
        moved = self.apply(batch, _one_each(params, len(batch))).reshape(images.shape)
        if not isinstance(inpt, torch.Tensor):
            return as_pil(moved)
        return _like(inpt, moved)

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
        moved = self._moved(images, params, index, self.interpolation_order, self.cval)
        for name, change in (
            ("channel_shift_intensity", shift_channels),
            ("brightness", change_brightness),
        ):
            if name in params:
                moved = change(moved, torch.from_numpy(params[name]), self.keras_quirks)
        return moved

    def _moved_mask(self, mask: torch.Tensor, params: Mapping[str, Any]) -> torch.Tensor:
        num_images = max([1, *(_size(value) for value in params.values() if value is not None)])
        check_mask(mask, num_images)
        values = mask.as_subclass(torch.Tensor)
        # Whole numbers up to 2**53 are themselves in float64.
        numbers = values if values.dtype in (torch.float32, torch.float64) else values.double()
        batch = numbers.reshape(num_images, -1, *mask.shape[-2:])
        moved = self._moved(batch, _one_each(params, num_images), None, 0, 0.0)
        return _like(mask, moved.reshape(mask.shape).to(mask.dtype))

    def _moved(
        self,
        images: torch.Tensor,
        params: Parameters,
        index: torch.Tensor | None,
        order: int,
        cval: float,
    ) -> torch.Tensor:
        height, width = images.shape[-2:]
        maps = matrices(params, height, width, self.keras_quirks)
        flips = np.empty((len(maps), 2), dtype=bool)
        flips[:, 0], flips[:, 1] = params["flip_horizontal"], params["flip_vertical"]
        fill_mode = self.fill_mode
        if fill_mode == "wrap" and not self.keras_quirks:
            fill_mode = "grid-wrap"
        return move(images, maps, flips, fill_mode=fill_mode, cval=cval, order=order, index=index)


def _like(given: torch.Tensor, moved: torch.Tensor) -> torch.Tensor:
    """Returns moved pixels as the tv_tensor that was given, if it was one."""
    if not isinstance(given, tv_tensors.TVTensor):
        return moved
    wrapped: torch.Tensor = tv_tensors.wrap(moved.as_subclass(torch.Tensor), like=given)
    return wrapped


def _size(value: Any) -> int:
    return value.numel() if isinstance(value, torch.Tensor) else int(np.size(value))


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
