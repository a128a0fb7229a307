"""What a port draws by itself, as stochastic depth does: `x.new_empty(shape).bernoulli_(p)`.

The layers of Keras that draw and have no partner in the port are taken in their order, dropouts one
for each mask that the port draws, layers of noise one for each tensor of standard normal numbers.
What the user's own code drew in Keras is taken in its order, too, by its distribution. What Keras
drew comes out, in the shape of what the port draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import torch

from parity.halves.torch.draws import MASK, NORMAL, UNIFORM, UNIFORMS, uniform_of
from parity.halves.torch.port.agreement import output_error
from parity.halves.torch.port.inner_masks import inner_dropouts
from parity.halves.torch.port.traced_axes import Axes, channels_first

if TYPE_CHECKING:
    from parity.halves.torch.port.port_under_test import PortUnderTest

# Kinds of Keras's layers that draw masks, and standard normal numbers.
_OF_MASKS = ("dropout", "alpha_dropout")
_OF_NORMALS = ("gaussian_dropout", "gaussian_noise")


def drawn_masks(
    port: PortUnderTest, mode: str
) -> Callable[[torch.Tensor, str], torch.Tensor | None]:
    """Returns the function that replaces a mask, or other numbers, that the port draws.

    Args:
        port: the port.
        mode: of the pass in Keras's trace: "train", "step1", ...

    Returns:
        A function of the drawn tensor and of its kind: what Keras drew, like it, or None if there
        is nothing that fits.
    """
    given = port.given_axes()
    left = _drawn_by_keras(port, mode)

    def drawn(tensor: torch.Tensor, kind: str) -> torch.Tensor | None:
        if left.get(kind):
            return mask_like(left[kind].pop(0), tensor, given)
        if kind != UNIFORM or not left.get(MASK):
            return None
        mask = mask_like(left[MASK].pop(0), tensor, given)
        return None if mask is None else uniform_of(mask, keeps_low=port.keeps_low)

    return drawn


def nothing_drawn(tensor: torch.Tensor, kind: str) -> torch.Tensor:
    """Returns what drops nothing, or adds no noise; whole numbers stay."""
    if kind == UNIFORM:  # above a rate, and below the share that is kept
        return torch.full_like(tensor, 0.5)
    if kind == MASK:
        return torch.ones_like(tensor)
    return torch.zeros_like(tensor) if kind == NORMAL else tensor


def replayed(port: PortUnderTest) -> list[str]:
    """Returns the layers of Keras that draw, if all that they draw was given to the port."""
    names, layers = _unpaired(port), _layers_of_draws(port)
    is_all = len(port.replaced) == len(names) + len(layers)
    if not (names or layers) or port.draws or not is_all:
        return []
    known = port.keras.facts.get("replayable") or {}
    idle = (name for name, factor in known.items() if factor == 1)
    return [*names, *dict.fromkeys(layers), *idle]


def find_side_that_keeps(port: PortUnderTest) -> None:
    """Finds out whether the uniform numbers of a port keep where they are low: see `uniform_of`.

    The port is run in train mode in both ways. The one whose output is nearer to Keras's stays.
    """
    if not any(place.startswith(f"{name}(") for place in port.replaced for name in UNIFORMS):
        return
    errors = {}
    for port.keeps_low in (True, False):
        with torch.no_grad(), port.kept(), suppress(Exception):  # a later stage tells an error
            output = port.forward("train", "probe", training=True)[1]
            errors[port.keeps_low] = output_error(port.keras, output, "train")
    port.keeps_low = errors.get(True, np.inf) < errors.get(False, np.inf)


def _unpaired(port: PortUnderTest) -> list[str]:
    """Returns the layers of Keras without a partner that draw a mask or noise, one each."""
    paired = {pair.node["name"] for pair in port.all_pairs} | inner_dropouts(port).keys()
    facts = port.keras.facts
    known = facts.get("replayable") or {}  # other layers that drop whole samples
    kinds = _OF_MASKS + _OF_NORMALS
    names = [
        node["name"]
        for node in facts["nodes"]
        if (node["kind"] in kinds or node["name"] in known) and node["name"] not in paired
    ]
    # Keras draws for a rate of 0, too; a port may leave that out.
    kept = [name for name in names if known.get(name) != 1]
    return kept if len(port.replaced) == len(kept) + len(_layers_of_draws(port)) else names


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
    """Returns the layer of each draw of the user's own code, in train mode if that is known."""
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
