"""Passes of a port that end where images reach the layers behind Keras's random layers."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import torch

from parity.halves.torch.calls import recorded_calls
from parity.halves.torch.kinds import RANDOM_IMAGE
from parity.halves.torch.port.given_images import receivers
from parity.halves.torch.port.paired_layer import PairedLayer
from parity.halves.torch.port.port_under_test import PortUnderTest
from torch_impl.layers.image.random_layer import RandomImageLayer

Images = dict[str, np.ndarray]  # place, "conv2d/0" -> (N, H, W, C)


class _Reached(BaseException):
    """Ends a pass, whatever the code of the port catches."""


class SeenImages:
    """The images in front of the layers behind Keras's random layers.

    Args:
        port: the port.

    Attributes:
        given: the least and the greatest pixel that the first random transform of the port got in
            the last pass; None if none is known.
    """

    def __init__(self, port: PortUnderTest) -> None:
        self._port = port
        self.given: list[float] | None = None
        self._places: dict[str, list[tuple[PairedLayer, int, str]]] = {}
        for pair, place, number in receivers(port):
            name = port.keras.facts["nodes"][number]["name"]
            if f"image_changes/{name}/{place}" in port.keras:
                call = pair.chain(port.calls)[0].name
                self._places.setdefault(call, []).append((pair, place, f"{name}/{place}"))

    @property
    def has_places(self) -> bool:
        """Whether there are such layers."""
        return bool(self._places)

    def draw_apart(self) -> None:
        """Gives layers of torch_impl with the same seed other ones, as Keras's layers have."""
        taken: set[int] = set()
        for module in self._port.module.modules():
            if isinstance(module, RandomImageLayer):
                while module.seed in taken:
                    module.seed += 1
                taken.add(module.seed)

    def images(self, arrays: list[np.ndarray], *, training: bool, augments: bool = False) -> Images:
        """Returns what reaches each layer, in Keras's layout.

        Args:
            arrays: inputs of a batch, in Keras's layout.
            training: whether the module is in train mode.
            augments: whether the transform that the port gives is applied first.
        """
        found: Images = {}
        left = set(self._places)

        def given(name: str, tensors: list[torch.Tensor]) -> Mapping[int, torch.Tensor]:
            for pair, place, key in self._places.get(name, ()):
                if place < len(tensors) and tensors[place].ndim == 4:
                    found[key] = _as_keras(pair, tensors[place])
            left.discard(name)
            if not left:
                raise _Reached
            return {}

        module, built = self._port.module, self._port.built
        module.train(training)
        arguments: Any = self._port.arguments_of(arrays)
        if augments:
            arguments = tuple(_augmented(built.augment, x) for x in arguments)
        identity: Any = lambda number, x, rate: x  # noqa: E731
        watch = recorded_calls(module, identity, self._port.layers.values(), given=given)
        with suppress(_Reached), watch as calls:
            module(*arguments)
        first = next((call for call in calls if call.kind.startswith(RANDOM_IMAGE)), None)
        if training and first is not None and first.inputs:
            self.given = [float(first.inputs[0].min()), float(first.inputs[0].max())]
        return found


def _augmented(augment: Any, images: Any) -> Any:
    """Returns a batch, image by image, as the transform of a DataLoader changes it.

    A function of (images, parameters), which is for the flows of a training, changes nothing.
    """
    if not isinstance(images, torch.Tensor) or images.ndim != 4 or not _takes_one(augment):
        return images
    return torch.stack([augment(image) for image in images])


def _takes_one(augment: Any) -> bool:
    if isinstance(augment, torch.nn.Module):
        return True
    try:
        parameters = inspect.signature(augment).parameters.values()
    except (TypeError, ValueError):
        return callable(augment)
    return sum(p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters) == 1


def _as_keras(pair: PairedLayer, images: torch.Tensor) -> np.ndarray:
    """Returns images with their channels last."""
    shape = tuple(pair.node["input_shapes"][0][1:])
    turned = images.movedim(1, -1)
    is_last, is_first = tuple(images.shape[1:]) == shape, tuple(turned.shape[1:]) == shape
    if is_last and (not is_first or pair.taken == tuple(range(4))):
        turned = images
    return turned.detach().cpu().double().numpy()
