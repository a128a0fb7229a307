"""The augmentation of a port, applied with the random parameters that Keras drew.

`Port(augment=...)` goes in: an ImageDataGenerator or a KerasTransform of `torch_impl.augment`, a
`v2.Compose` with one, or a function of (images, parameters). Images come out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torchvision.transforms import v2

from parity.errors import InputError
from torch_impl.augment import ImageDataGenerator, KerasTransform, Parameters

# Arguments that decide what is drawn: with Keras's parameters, no pixel shows them.
RANGES = (
    *("rotation_range", "width_shift_range", "height_shift_range", "shear_range", "zoom_range"),
    *("channel_shift_range", "brightness_range", "horizontal_flip", "vertical_flip"),
)


def augmented(augment: Any, images: torch.Tensor, params: Parameters) -> torch.Tensor:
    """Returns images as the port augments them.

    Args:
        augment: of the port.
        images: (N, C, H, W), as the flow got them.
        params: (N,) each, by the names of `get_random_transform`.

    Raises:
        InputError: the augmentation cannot be given parameters, or does not return such images.
    """
    own = _called(augment, images, params) if _is_function(augment) else images
    for part in () if _is_function(augment) else _parts(augment):
        own = _applied(part, own, params)
    if not isinstance(own, torch.Tensor) or own.shape != images.shape:
        told = tuple(own.shape) if isinstance(own, torch.Tensor) else type(own).__name__
        raise InputError(
            f"Port(augment=...) returned {told} for images of shape {tuple(images.shape)}; "
            "expected a tensor of this shape"
        )
    return own


def ranges(augment: Any) -> dict[str, Any]:
    """Returns the arguments RANGES of a port's augmentation, ready for JSON, if it has them."""
    for part in () if _is_function(augment) else _parts(augment):
        transform = part.transform if isinstance(part, ImageDataGenerator) else part
        if isinstance(transform, KerasTransform):
            found = {name: getattr(transform.sampler, name) for name in RANGES}
            return {n: list(v) if isinstance(v, tuple) else v for n, v in found.items()}
    return {}


def _is_function(augment: Any) -> bool:
    return not isinstance(augment, ImageDataGenerator | nn.Module)


def _called(augment: Any, images: torch.Tensor, params: Parameters) -> Any:
    if not callable(augment):
        raise InputError(
            f"Port(augment={type(augment).__name__}): expected torch_impl.augment's KerasTransform "
            "or ImageDataGenerator, a v2.Compose with one, or a function of (images, parameters)"
        )
    return augment(images, params)


def _parts(augment: Any) -> Iterator[Any]:
    """Yields the transforms of a chain, one after another."""
    if isinstance(augment, v2.Compose):
        chain: Any = augment.transforms
    elif isinstance(augment, nn.Sequential):
        chain = augment
    else:
        yield augment
        return
    for part in chain:
        yield from _parts(part)


def _applied(part: Any, images: torch.Tensor, params: Mapping[str, Any]) -> Any:
    if isinstance(part, ImageDataGenerator):
        return part.standardization.apply(_applied(part.transform, images, params))
    if isinstance(part, KerasTransform):
        return part.transform(images, params)
    if isinstance(part, v2.Transform) and _draws(part):
        raise InputError(
            f"Port(augment=...) has {type(part).__name__}, which draws by itself and cannot get "
            "what Keras drew; expected torch_impl.augment.KerasTransform, or a function of "
            "(images, parameters)"
        )
    return part(images)


def _draws(transform: v2.Transform) -> bool:
    """Whether a transform of torchvision draws random numbers."""
    is_random = type(transform).__name__.startswith("Random")
    return is_random or type(transform).make_params is not v2.Transform.make_params
