"""What a port draws by itself, as stochastic depth does: `x.new_empty(shape).bernoulli_(p)`.

The layers of Keras that draw and have no partner in the port are taken in their order, dropouts one
for each mask that the port draws, layers of noise one for each tensor of standard normal numbers.
What the user's own code drew in Keras is taken in its order, too, by its distribution. What Keras
drew comes out, in the shape of the port's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from torch_impl.harness.draws import MASK, NORMAL
from torch_impl.harness.port.inner_masks import inner_dropouts
from torch_impl.harness.port.traced_axes import Axes, channels_first

if TYPE_CHECKING:
    from torch_impl.harness.port.port_under_test import PortUnderTest

# Kinds of Keras's layers that draw masks, and standard normal numbers.
_OF_MASKS = ("dropout", "alpha_dropout")
_OF_NORMALS = ("gaussian_dropout", "gaussian_noise")


def drawn_masks(
    port: PortUnderTest, mode: str
) -> Callable[[torch.Tensor, str], torch.Tensor | None]:
    """Returns the function that replaces a mask, or normal numbers, that the port draws.

    Args:
        port: the port.
        mode: of the pass in Keras's trace: "train", "step1", ...

    Returns:
        A function of the drawn tensor and of its kind: what Keras drew, like it, or None if there
        is nothing that fits.
    """
    given = port.given_axes()
    drawn_by_keras = _drawn_by_keras(port, mode)

    def drawn(tensor: torch.Tensor, kind: str) -> torch.Tensor | None:
        left = drawn_by_keras.get(kind)
        return mask_like(left.pop(0), tensor, given) if left else None

    return drawn


def nothing_drawn(tensor: torch.Tensor, kind: str) -> torch.Tensor:
    """Returns what drops nothing, or adds no noise; other numbers stay."""
    if kind == MASK:
        return torch.ones_like(tensor)
    return torch.zeros_like(tensor) if kind == NORMAL else tensor


def replayed(port: PortUnderTest) -> list[str]:
    """Returns the layers of Keras that draw, if all that they draw was given to the port."""
    names = [*_unpaired(port), *dict.fromkeys(_layers_of_draws(port))]
    expected = len(_unpaired(port)) + len(_layers_of_draws(port))
    return names if names and not port.draws and len(port.replaced) == expected else []


def _unpaired(port: PortUnderTest) -> list[str]:
    paired = {pair.node["name"] for pair in port.all_pairs} | inner_dropouts(port).keys()
    facts = port.keras.facts
    known = facts.get("replayable") or {}  # other layers that drop whole samples
    kinds = _OF_MASKS + _OF_NORMALS
    return [
        node["name"]
        for node in facts["nodes"]
        if (node["kind"] in kinds or node["name"] in known) and node["name"] not in paired
    ]


def _drawn_by_keras(port: PortUnderTest, mode: str) -> dict[str, list[np.ndarray]]:
    """Returns what layers without a partner, and code of the user's, drew in a pass, by kind."""
    by_name = {node["name"]: node["kind"] for node in port.keras.facts["nodes"]}
    found: dict[str, list[np.ndarray]] = {}
    for name in _unpaired(port):
        kind = NORMAL if by_name[name] in _OF_NORMALS else MASK
        if (key := f"mask/{mode}/{name}") in port.keras:
            found.setdefault(kind, []).append(port.keras[key])
    for kind, _, key in _draws_of(port, mode):
        found.setdefault(kind, []).append(port.keras[key])
    return found


def _layers_of_draws(port: PortUnderTest) -> list[str]:
    """Returns the name of the layer of each draw of the user's own code in a pass in train mode."""
    mode = "train" if any(port.keras.below("draw/train")) else "eval"
    return [layer for _, layer, _ in _draws_of(port, mode)]


def _draws_of(port: PortUnderTest, mode: str) -> list[tuple[str, str, str]]:
    """Returns (kind, layer, key) of what the user's own code drew, in order."""
    paired = {pair.node["name"] for pair in port.all_pairs}
    masks = port.keras.facts.get("replayable") or {}  # they are told by what they keep
    found = []
    for key in sorted(port.keras.below(f"draw/{mode}"), key=lambda k: int(k.partition("/")[0])):
        _, kind, layer = [*key.split("/", 2), ""][:3]
        if layer not in paired and layer not in masks:
            found.append((kind, layer, f"draw/{mode}/{key}"))
    return found


def mask_like(
    mask: np.ndarray, tensor: torch.Tensor, given: Sequence[Axes | None] = ()
) -> torch.Tensor | None:
    """Returns what was drawn for whole samples or channels, or in the same shape, like a tensor.

    Of a cube, the channels are first if they are in an input of the port.
    """
    kept = _kept_like(mask, tuple(tensor.shape), given)
    return None if kept is None else torch.from_numpy(kept.copy()).to(tensor).reshape(tensor.shape)


def _kept_like(
    mask: np.ndarray, shape: tuple[int, ...], given: Sequence[Axes | None]
) -> np.ndarray | None:
    """Returns what a mask of Keras keeps in the form in which a port draws it; None if it has none.

    Args:
        mask: bool, in Keras's layout.
        shape: of the port's mask: that of Keras's, or one without the axes along which Keras's mask
            is the same, such as the steps of a sequence; as it is, or with channels first.
        given: order of the axes of each input of the port.
    """
    flat = mask.reshape(len(mask), -1)
    if math.prod(shape) == len(mask) and shape[:1] == mask.shape[:1]:
        return flat[:, 0] if (flat == flat[:, :1]).all() else None
    is_first = mask.ndim > 2 and channels_first(mask.ndim) in given
    forms = [mask, np.moveaxis(mask, -1, 1)] if mask.ndim > 2 else [mask]
    fits = [form for form in forms if form.shape == shape]
    return fits[-1 if is_first else 0] if fits else _of_one_step(mask, shape)


def _of_one_step(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """Returns a mask that is the same in all steps, (N, T, ...), in the shape of a single step."""
    if mask.ndim > 2 and (mask == mask[:, :1]).all():
        mask = mask[:, 0]
    sides = [side for side in shape if side != 1]
    return mask.reshape(shape) if sides == [side for side in mask.shape if side != 1] else None
