"""What a port does with images in train mode, up to the layers behind Keras's random layers."""

from __future__ import annotations

import inspect
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import torch

from parity.data.image_changes import joined, measured
from parity.halves.torch.calls import recorded_calls
from parity.halves.torch.kinds import RANDOM_IMAGE
from parity.halves.torch.port.given_images import is_random_image, receivers
from parity.halves.torch.port.paired_layer import PairedLayer
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.ladder.comparers.forward import layers_before
from parity.traces.port_facts import ImageChange
from parity.traces.trace import PortWriter
from torch_impl.layers.image.random_layer import RandomImageLayer

# --- Passes of a port that end where images reach the layers behind Keras's random layers ---------


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
        used_seeds: set[int] = set()
        for module in self._port.module.modules():
            if isinstance(module, RandomImageLayer):
                while module.seed in used_seeds:
                    module.seed += 1
                used_seeds.add(module.seed)

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


# --- What a port does with images in train mode, measured on Keras's pattern ----------------------
#
# A port goes in. `image_changes/…` comes out, as in Keras's half: what many draws made of the
# pattern, in front of the layers behind Keras's random layers. How the port is written does not
# matter: a pass ends where these layers are called. A port that augments in its DataLoader gives
# the transform, `Port(augment=...)`.


NUM_PASSES, FEWEST_PASSES = 256, 64
MOST_VALUES = 200_000_000  # in all passes
_IN_EVAL = 12  # passes in eval mode: a flip of every second batch is seen
_BATCH = 4  # a port may draw once for a whole batch, so there are many small ones
_SAME = 1e-9  # relative: an image that is not changed
_GIVE = "Port(augment=...) gives parity the transform of a DataLoader"


def write_image_changes(port: PortUnderTest, writer: PortWriter) -> None:
    """Writes how the port's images are distributed, and the fact `augmentation`.

    The fact has for each place "is_on", whether images are changed in train mode, "in_eval",
    whether in eval mode, too, "by_batch", whether all of a batch are changed alike, and "given",
    the least and the greatest pixel that the port's first random transform gets, if it is known.
    What cannot be measured is added to `incomplete`.

    Args:
        port: the port.
        writer: receives it.
    """
    layers = [node for node in port.keras.facts["nodes"] if is_random_image(node)]
    if not layers:
        return
    patterns = list(_patterns(port))
    watched = SeenImages(port)
    if not patterns or not watched.has_places:
        names = [node["name"] for node in layers]
        _leave_out(writer, names, "no layer behind them has a partner in the port", "see `layers`")
        return
    facts = writer.facts["augmentation"] = {}
    parts: dict[str, list[np.ndarray]] = {}
    with port.kept(), torch.no_grad(), _seeded_generators():
        watched.draw_apart()
        for arrays in patterns:
            for place, (fact, found) in _measured(port, watched, arrays).items():
                parts.setdefault(place, []).append(found)
                facts[place] = _both(facts[place], fact) if place in facts else fact
    for place, several in parts.items():
        writer.put(f"image_changes/{place}", joined(several))
        _tell_left_out(port, place, facts[place], writer)


def _both(before: ImageChange, now: ImageChange) -> ImageChange:
    """Returns the facts of two patterns."""
    return {
        "is_on": before["is_on"] or now["is_on"],
        "in_eval": before["in_eval"] or now["in_eval"],
        "by_batch": before["by_batch"] and now["by_batch"],
        "given": now["given"],
    }


def _patterns(port: PortUnderTest) -> Iterator[list[np.ndarray]]:
    """Yields the inputs of a small batch for each pattern of Keras's half."""
    for number in range(2):
        arrays: list[np.ndarray] = []
        while (key := f"input/pattern{number}/{len(arrays)}") in port.keras:
            arrays.append(np.repeat(port.keras[key], _BATCH, axis=0))
        if arrays:
            yield arrays


def _measured(
    port: PortUnderTest, watched: SeenImages, arrays: list[np.ndarray]
) -> dict[str, tuple[ImageChange, np.ndarray]]:
    """Returns for each place its facts, and what is measured."""
    number = min(NUM_PASSES, MOST_VALUES // max(array.size for array in arrays))
    quiet = [watched.images(arrays, training=False) for _ in range(_IN_EVAL)]
    passes = [watched.images(arrays, training=True) for _ in range(max(FEWEST_PASSES, number))]
    before = quiet[0]
    is_same = all(_is_same(images[p], before[p][:1]) for images in passes for p in images)
    if is_same and port.built.augment is not None:
        passes = [watched.images(arrays, training=True, augments=True) for _ in passes]
    found = {}
    for place, baseline in before.items():
        each = [images[place] for images in passes if place in images]
        fact: ImageChange = {
            "is_on": not all(_is_same(images, baseline[:1]) for images in each),
            "in_eval": not all(_is_same(images[place], baseline[:1]) for images in quiet),
            "by_batch": all(_is_same(images, images[:1]) for images in each),
            "given": watched.given,
        }
        kept = [images[:1] if fact["by_batch"] else images for images in each]
        found[place] = fact, measured(np.concatenate(kept), baseline[0])
    return found


def _tell_left_out(port: PortUnderTest, place: str, fact: ImageChange, writer: PortWriter) -> None:
    """Notes what a place leaves open."""
    layers = layers_before(port.keras.facts["nodes"], place.rpartition("/")[0])
    names = [node["name"] for node in layers]
    if not fact["is_on"]:
        why = "the port's module does not change images in train mode; its DataLoader may"
        _leave_out(writer, names, why, _GIVE)
    elif fact["by_batch"] and any("RandomCrop" not in node["kind"] for node in layers):
        why = "the port draws once for a batch, and Keras for each image; one image is compared"
        what = f"what {', '.join(names)} draw within a batch"
        writer.facts.setdefault("not_compared", []).append({"what": what, "why": why})


def _leave_out(writer: PortWriter, names: Sequence[str], why: str, do: str) -> None:
    what = f"how {', '.join(names)} change images"
    writer.facts.setdefault("incomplete", []).append({"what": what, "why": why, "do": do})


def _is_same(images: np.ndarray, others: np.ndarray) -> bool:
    if images.shape[1:] != others.shape[1:]:
        return False
    scale = float(np.abs(others).max()) or 1.0
    return bool(np.abs(images - others).max() <= _SAME * scale)


@contextmanager
def _seeded_generators() -> Iterator[None]:
    """Seeds the generators that a port may draw from in the block, and puts them back behind it."""
    before = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        random.seed(0)
        np.random.seed(0)
        torch.manual_seed(0)
        try:
            yield
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])
