"""Along which axes the dropouts of a port drop the same, by masks that they draw themselves.

In a check they get Keras's masks, which would hide it. A port goes in; for each dropout that is
paired, the axes come out in Keras's order: torch's `Dropout2d` drops along the second axis of what
it is given, whatever its meaning.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import torch

from parity.data.shared_axes import shared_axes
from parity.halves.torch.call import Call

if TYPE_CHECKING:
    from parity.halves.torch.port.paired_layer import PairedLayer
    from parity.halves.torch.port.port_under_test import PortUnderTest

DROPPING = ("dropout", "alpha_dropout")
_MOST_DRAWS = 32


def dropped_axes(port: PortUnderTest) -> dict[str, list[int]]:
    """Returns the axes along which a dropout drops the same, by the name of Keras's.

    Args:
        port: the port.

    Returns:
        Axes of Keras's mask, rising; without the dropouts for which masks do not tell it.
    """
    found = {}
    for pair in port.all_pairs:
        if pair.call.kind in DROPPING and pair.node["kind"] == pair.call.kind:
            # The code of a user may raise anything, and its masks may fit nowhere.
            with suppress(Exception), torch.random.fork_rng(), torch.no_grad():
                axes = _of_pair(pair)
                if axes is not None:
                    found[str(pair.node["name"])] = axes
    return found


def _of_pair(pair: PairedLayer) -> list[int] | None:
    draw = _drawing(pair.call)
    if draw is None:  # between the layers of a recurrent module, where torch drops single values
        return []
    ones = torch.ones_like(pair.call.inputs[0])
    expected, masks = pair.node["output_shape"], []
    for _ in range(_MOST_DRAWS):
        masks.append(_as_keras(pair, draw(ones), expected))
        axes = shared_axes(masks)
        if axes is not None:
            lengths = zip(masks[0].shape, expected, strict=True)
            broadcast = {n for n, (own, side) in enumerate(lengths) if own == 1 < side}
            return sorted({*axes, *broadcast})
    return None


def _drawing(call: Call) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """Returns what a dropout makes of an input in train mode."""
    if call.module is not None:
        module = copy.deepcopy(call.module).train()  # it may count what it has drawn
        return lambda x: module(x)
    if call.given is None:
        return None
    function, arguments, keywords, _ = call.given
    named = dict(zip(("input", "p", "training"), arguments, strict=False)) | keywords
    return lambda x: function(x, p=named.get("p", 0.5), training=True)


def _as_keras(pair: PairedLayer, mask: torch.Tensor, expected: list[int]) -> np.ndarray:
    """Returns a mask of a port in Keras's order; one of a single step has 1 step, or 1 place."""
    fits = zip(mask.shape, expected, strict=False)
    if mask.ndim < len(expected) or all(own in (1, side) for own, side in fits):
        array = mask.cpu().numpy()
        if list(mask.shape) != expected:
            missing = [1] * (len(expected) - array.ndim)
            return array.reshape(array.shape[0], *missing, *array.shape[1:])
    return pair.portable(pair.node, pair.call, mask, None, is_input=True)
