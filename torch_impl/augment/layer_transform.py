"""Keras 3's layers of images as torchvision v2 transforms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from PIL import Image
from torch import nn
from torchvision import tv_tensors
from torchvision.transforms import v2

from torch_impl.augment.layout import as_pil, check_image, check_mask, check_sample, is_mask
from torch_impl.layers import CenterCrop, RandomImageLayer, Resizing

Moved = TypeVar("Moved", torch.Tensor, Image.Image)


class LayerTransform(v2.Transform):
    """A layer of images of `torch_impl.layers`, for `v2.Compose`.

    It changes images whether or not it is in train mode, as torchvision's own transforms do; in
    Keras this is `layer(images, training=True)`. Each call draws once, so the n-th call has the
    numbers of the n-th call in Keras; each image of a batch (N, C, H, W) has its own. They are
    those of `tf.data`, also in the last bit: `layer.in_graph` becomes False.

    Each part of a sample keeps its type, as with `KerasTransform`: a tensor, a tv_tensors.Image, a
    PIL image (L, RGB, RGBA; rounded and clipped to 0 ... 255 afterwards). A tv_tensors.Mask is
    changed as Keras changes segmentation masks: moved by the nearest pixel with the numbers of its
    image, and not changed in contrast or brightness. Boxes, keypoints and videos are an error.

    Every worker of a DataLoader has a copy of the layer, and so the same numbers: give each its own
    seed (`worker_init_fn`), or transform batches in the main process.

    Args:
        layer: RandomFlip, RandomRotation, RandomZoom, RandomTranslation, RandomContrast,
            RandomBrightness, RandomCrop, CenterCrop or Resizing. A checkpoint of the
            stream is `transform.layer.state_dict()`.

    Raises:
        TypeError: the layer is of another class.
    """

    _transformed_types = (torch.Tensor, Image.Image)

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        if not isinstance(layer, RandomImageLayer | Resizing | CenterCrop):
            raise TypeError(
                f"layer of class {type(layer).__name__}: expected a layer of images of "
                "torch_impl.layers, such as RandomFlip"
            )
        self.layer = layer
        if isinstance(layer, RandomImageLayer):
            layer.in_graph = False

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draws numbers for the images of a sample, which have one size.

        Returns:
            "num_images", and "drawn": what the layer drew for them, or None.

        Raises:
            TypeError: a part is neither an image nor a mask.
            ValueError: ranks, dtypes or sizes differ from what is expected.
        """
        num_images, height, width = check_sample(flat_inputs)
        drawn = None
        if isinstance(self.layer, RandomImageLayer):
            images = [check_image(part) for part in flat_inputs if not is_mask(part)]
            like = images[0] if images else torch.empty(0)
            channels = like.shape[-3] if images else 1
            drawn = self.layer.drawn_for(
                torch.empty((num_images, channels, height, width), dtype=like.dtype, device="meta")
            )
        return {"num_images": num_images, "drawn": drawn}

    def transform(self, inpt: Moved, params: Mapping[str, Any]) -> Moved:
        """Changes one image or a batch, or masks, by given numbers; draws nothing.

        Args:
            inpt: (C, H, W) or (N, C, H, W), float32 or float64; a PIL image; or a tv_tensors.Mask
                (..., H, W), of a batch (N, ..., H, W), of any dtype.
            params: as `make_params` returns them.

        Returns:
            The same type and dtype.
        """
        num_images, drawn = params["num_images"], params["drawn"]
        if isinstance(inpt, torch.Tensor) and is_mask(inpt):
            check_mask(inpt, num_images)
            values = inpt.as_subclass(torch.Tensor)
            # Whole numbers up to 2**53 are themselves in float64.
            numbers = values if values.dtype in (torch.float32, torch.float64) else values.double()
            batch = numbers.reshape(num_images, -1, *inpt.shape[-2:])
            changed = self._changed(batch, drawn, is_mask=True)
            return _like(
                inpt, changed.reshape(*inpt.shape[:-2], *changed.shape[-2:]).to(inpt.dtype)
            )
        images = check_image(inpt)
        batch = images.as_subclass(torch.Tensor).reshape(num_images, *images.shape[-3:])
        changed = self._changed(batch, drawn, is_mask=False)
        changed = changed.reshape(*images.shape[:-2], *changed.shape[-2:])
        return _like(inpt, changed) if isinstance(inpt, torch.Tensor) else as_pil(changed)

    def _changed(self, images: torch.Tensor, drawn: Any, *, is_mask: bool) -> torch.Tensor:
        if isinstance(self.layer, RandomImageLayer):
            return self.layer.apply_drawn(images, drawn, is_mask=is_mask)
        changed: torch.Tensor = (
            self.layer.of_mask(images)
            if is_mask and isinstance(self.layer, Resizing)
            else self.layer(images)
        )
        return changed


def _like(given: torch.Tensor, changed: torch.Tensor) -> torch.Tensor:
    """Returns pixels as the tv_tensor that was given, if it was one."""
    if not isinstance(given, tv_tensors.TVTensor):
        return changed
    wrapped: torch.Tensor = tv_tensors.wrap(changed.as_subclass(torch.Tensor), like=given)
    return wrapped
