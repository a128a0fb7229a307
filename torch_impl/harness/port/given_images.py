"""Keras's augmented images for a port, which cannot draw what Keras's random layers drew.

The pairs of a port go in. In train mode, the first paired layers behind Keras's random layers of
images get Keras's input in the place of their own, whatever the port does in front of them. A layer
of `torch_impl.layers` is given the state of Keras's generator, and is compared by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from torch_impl.harness.given import Given
from torch_impl.harness.kinds import RANDOM_IMAGE
from torch_impl.layers.image.intensity import RandomContrast
from torch_impl.layers.image.random_layer import RandomImageLayer

if TYPE_CHECKING:
    from torch_impl.harness.port.paired_layer import PairedLayer
    from torch_impl.harness.port.port_under_test import PortUnderTest


def is_random_image(node: Mapping[str, Any]) -> bool:
    """Whether a node, of either half, changes images at random."""
    return str(node["kind"]).startswith(RANDOM_IMAGE)


def draws_as_keras(pair: PairedLayer) -> bool:
    """Whether the port's partner of a random layer of images draws Keras's numbers."""
    module = pair.call.module
    return isinstance(module, RandomImageLayer) and pair.node["kind"] == pair.call.kind


def is_compared(pair: PairedLayer, mode: str) -> bool:
    """Whether what a pair makes can be compared: not if it draws other numbers than Keras."""
    return mode == "eval" or not is_random_image(pair.node) or draws_as_keras(pair)


def receivers(port: PortUnderTest) -> Iterator[tuple[PairedLayer, int, int]]:
    """Yields the pairs that get augmented images, the place of the input, and Keras's node.

    On the way there may be layers of Keras without weights that have no partner, such as a
    Rescaling in the place of which the port divides.
    """
    nodes = port.keras.facts["nodes"]
    begins: dict[int, PairedLayer] = {}
    for pair in (*port.all_pairs, *port.pairs):  # those that agree in eval mode come first
        if not is_random_image(pair.node):
            begins[pair.ends.keras_first] = pair
    augmented: set[int] = set()
    for number, node in enumerate(nodes):
        if is_random_image(node):
            augmented.add(number)
            continue
        found = [place for place, source in enumerate(node["sources"]) if source in augmented]
        if number in begins:
            yield from ((begins[number], place, number) for place in found)
        elif found and not node["weights"]:
            augmented.add(number)


def given_images(port: PortUnderTest, mode: str) -> Given | None:
    """Returns what the calls of a pass in train mode are given; None without such layers.

    Args:
        port: the port.
        mode: of the pass in Keras's trace: "train", "step1", ...
    """
    if mode == "eval" or not any(map(is_random_image, port.keras.facts["nodes"])):
        return None
    give_states(port, mode)
    places: dict[str, list[tuple[PairedLayer, int, str]]] = {}
    start = "forward/train" if mode == "train" else f"augmented/{mode}"
    for pair, place, number in receivers(port):
        name = port.keras.facts["nodes"][number]["name"]
        key = f"{start}/{name}/input/{place}" if mode == "train" else f"{start}/{name}/{place}"
        if key in port.keras:
            call = pair.chain(port.calls)[0]
            places.setdefault(call.name, []).append((pair, place, key))
    sizes = {call.name: len(call.inputs) for call in port.calls}

    def given(name: str, tensors: list[torch.Tensor]) -> Mapping[int, torch.Tensor]:
        found = {}
        for pair, place, key in places.get(name, ()) if sizes.get(name) == len(tensors) else ():
            value = pair.native(port.keras[key], tensors[place])
            if value is not None and value.shape == tensors[place].shape:
                found[place] = value
        return found

    return given


def give_states(port: PortUnderTest, mode: str) -> None:
    """Lets the layers of torch_impl draw what Keras's drew in a pass.

    Args:
        port: the port.
        mode: of the pass in Keras's trace: "train", "step1", ...
    """
    for pair in port.all_pairs:
        key = f"image_state/{mode}/{pair.node['name']}"
        module: nn.Module | None = pair.call.module
        if isinstance(module, RandomImageLayer) and key in port.keras:
            module.seed, module.num_draws = (int(value) for value in port.keras[key])
            module.random_dtype = torch.float32  # in which Keras's half draws
            if isinstance(module, RandomContrast):
                module.draw_dtype = torch.float32
