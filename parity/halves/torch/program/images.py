"""Random layers of images in a whole training: those of the port draw what Keras's draw.

The states of Keras's generators go in, and are set in the layers of `torch_impl.layers`. Other
transforms draw other images, and then nothing of the training can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from parity.errors import InputError
from parity.halves.torch.port.given_images import draws_as_keras, is_random_image, set_state
from parity.halves.torch.port.port_under_test import PortUnderTest
from torch_impl.layers.image.random_layer import RandomImageLayer


def refuse_other_images(port: PortUnderTest) -> None:
    """Refuses a port whose images are not Keras's.

    Args:
        port: paired with Keras's layers.

    Raises:
        InputError: a random layer of images has no partner that draws the same.
    """
    same = {pair.node["name"] for pair in port.all_pairs if draws_as_keras(pair)}
    nodes = [node for node in port.keras.facts["nodes"] if is_random_image(node)]
    if others := [str(node["name"]) for node in nodes if node["name"] not in same]:
        raise InputError(
            f"the port does not draw Keras's images in {', '.join(others)}, so its training is "
            "another one; for this comparison, use the layers of torch_impl.layers, which draw "
            "Keras's numbers; `parity check` compares single batches and how images change, and "
            "`parity sweep` whole trainings over many seeds"
        )


def set_image_states(port: PortUnderTest, states: Mapping[str, Sequence[int] | np.ndarray]) -> None:
    """Lets the port's layers go on where Keras's are.

    Args:
        port: paired with Keras's layers.
        states: of the generators of Keras's layers: name -> seed and number of draws so far.
    """
    for pair in port.all_pairs:
        name, module = str(pair.node["name"]).partition("#")[0], pair.call.module
        if isinstance(module, RandomImageLayer) and draws_as_keras(pair) and name in states:
            set_state(module, states[name], in_graph=True)
