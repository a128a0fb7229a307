"""Keras's augmented images for a port, which cannot draw what Keras's random layers drew.

The pairs of a port go in. In train mode, the first paired layers behind Keras's random layers of
images get Keras's input in the place of their own, whatever the port does in front of them. A layer
of `torch_impl.layers` is given the state of Keras's generator, and is compared by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from parity.halves.torch.call import Call, Given
from parity.halves.torch.calls import Passed
from parity.halves.torch.kinds import RANDOM_IMAGE
from torch_impl.layers.image.colors import RandomContrast
from torch_impl.layers.image.random_layer import RandomImageLayer

if TYPE_CHECKING:
    from parity.halves.torch.port.paired_layer import PairedLayer
    from parity.halves.torch.port.port_under_test import PortUnderTest


_SAME = 1e-5  # relative: images in the same units


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


def receivers(
    port: PortUnderTest, known: Collection[str] = ()
) -> Iterator[tuple[PairedLayer, int, int]]:
    """Yields the pairs that get augmented images, the place of the input, and Keras's node.

    On the way there may be layers of Keras without weights that have no partner, such as a
    Rescaling in the place of which the port divides.

    Args:
        port: the port.
        known: random layers of Keras from which Keras's images go on in the port.
    """
    nodes = port.keras.facts["nodes"]
    first_pairs: dict[int, PairedLayer] = {}
    for pair in (*port.all_pairs, *port.pairs):  # those that agree in eval mode come first
        if not is_random_image(pair.node):
            first_pairs[pair.ends.keras_first] = pair
    augmented: set[int] = set()
    for number, node in enumerate(nodes):
        if is_random_image(node):
            if node["name"] not in known:
                augmented.add(number)
            continue
        found = [place for place, source in enumerate(node["sources"]) if source in augmented]
        if number in first_pairs:
            yield from ((first_pairs[number], place, number) for place in found)
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
    for pair, place, number in receivers(port, _same_layers(port)):
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


def passed_images(port: PortUnderTest, mode: str, passed: Passed | None) -> Passed | None:
    """Lets Keras's images go on from layers of torch_impl, which are compared by themselves.

    Args:
        port: the port.
        mode: of the pass in Keras's trace: "train", "step1", ...
        passed: computes what else goes on from a call.
    """
    start = "forward/train" if mode == "train" else f"augmented/{mode}"
    same_names = _same_layers(port) if mode != "eval" else set()
    pairs = {
        pair.call.name: (pair, key)
        for pair in port.all_pairs
        if pair.node["name"] in same_names
        and (key := f"{start}/{pair.node['name']}/output") in port.keras
    }
    if not pairs:
        return passed

    def goes_on(call: Call, output: Any) -> Any:
        output = output if passed is None else passed(call, output)
        if call.name not in pairs:
            return output
        pair, key = pairs[call.name]
        value = pair.native_output(port.keras[key], call)
        return output if value is None or value.shape != output.shape else _leading(value, output)

    return goes_on


def _leading(images: torch.Tensor, port_images: torch.Tensor) -> torch.Tensor:
    """Returns Keras's images, whose gradient goes on into what made the port's own."""
    return images + (port_images - port_images.detach()) if port_images.requires_grad else images


def _same_layers(port: PortUnderTest) -> set[str]:
    """Returns the random layers of Keras whose partners draw the same, and get the same images.

    A port may augment in other units, such as behind a Rescaling. Then there are none.
    """
    pairs = [pair for pair in port.all_pairs if draws_as_keras(pair)]
    # With Keras's weights: there may be trained layers in front.
    calls = {call.name: call for call in port.eval_calls}
    for pair in pairs[:1]:  # what the others get is augmented
        if pair.call.name not in calls:
            return set()
        key = f"forward/eval/{pair.node['name']}/input/0"
        given = calls[pair.call.name].inputs[0]
        value = pair.native(port.keras[key], given) if key in port.keras else None
        if value is None or value.shape != given.shape:
            return set()
        if float((value - given).abs().max()) > _SAME * float(value.abs().max()):
            return set()
    return {pair.node["name"] for pair in pairs}


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
            set_state(module, port.keras[key], in_graph=False)


def set_state(
    module: RandomImageLayer, state: Sequence[int] | np.ndarray, *, in_graph: bool
) -> None:
    """Lets a layer go on where Keras's is.

    Args:
        module: of the port.
        state: seed and number of draws so far.
        in_graph: whether Keras's model is compiled, as in `fit`.
    """
    module.seed, module.num_draws = (int(value) for value in state)
    # Keras's half draws in float32, and changes images in float32, in a check of any dtype.
    module.random_dtype = module.pixel_dtype = torch.float32
    module.in_graph = in_graph
    if isinstance(module, RandomContrast):
        module.draw_dtype = torch.float32
