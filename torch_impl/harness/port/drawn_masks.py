"""What a port draws by itself, as stochastic depth does: `x.new_empty(shape).bernoulli_(p)`.

The layers of Keras that draw and have no partner in the port are taken in their order, dropouts one
for each mask that the port draws, layers of noise one for each tensor of standard normal numbers,
layers of the user's own as many as they drew. What Keras drew comes out, in the shape of what the
port draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import torch

from torch_impl.harness.port.agreement import output_error
from torch_impl.harness.port.drawing import NORMALS, UNIFORMS, uniform_of
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
        A function of the drawn tensor and of the name of the function that draws it: what Keras
        drew, like it, or None if there is nothing that fits.
    """
    given = port.given_axes()
    masks, normals = (_of_keras(port, mode, normals=is_normal) for is_normal in (False, True))

    def drawn(tensor: torch.Tensor, name: str) -> torch.Tensor | None:
        mask = next(normals if name in NORMALS else masks, None)
        like = None if mask is None else mask_like(mask, tensor, given)
        if like is None or name not in UNIFORMS:
            return like
        return uniform_of(like, keeps_low=port.keeps_low)

    return drawn


def nothing_drawn(tensor: torch.Tensor, name: str) -> torch.Tensor:
    """Returns what drops nothing, or adds no noise."""
    if name in UNIFORMS:  # above a rate, and below the share that is kept
        return torch.full_like(tensor, 0.5)
    return torch.zeros_like(tensor) if name in NORMALS else torch.ones_like(tensor)


def replayed(port: PortUnderTest) -> list[str]:
    """Returns the dropouts of Keras whose masks are given to masks that the port draws."""
    names = _unpaired(port)
    is_all = len(port.replaced) == _num_draws(port, names)
    if not names or port.draws or not is_all:
        return []
    known = port.keras.facts.get("replayable") or {}
    return [*names, *(name for name, factor in known.items() if factor == 1)]


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
    paired = {pair.node["name"] for pair in port.all_pairs} | inner_dropouts(port).keys()
    facts = port.keras.facts
    known = facts.get("replayable") or {}  # other layers that drop whole samples
    kinds, own = _OF_MASKS + _OF_NORMALS, _drawn_normals(port)
    names = [
        node["name"]
        for node in facts["nodes"]
        if (node["kind"] in kinds or node["name"] in known or node["name"] in own)
        and node["name"] not in paired
    ]
    # A model of the user's own, or a layer with inner ones, may draw as well, and is no node.
    names += [name for name in own if name not in paired and name not in names]
    kept = [name for name in names if known.get(name) != 1]
    # Keras draws for a rate of 0, too; a port may leave that out.
    return kept if len(port.replaced) == _num_draws(port, kept) else names


def _num_draws(port: PortUnderTest, names: Sequence[str]) -> int:
    """Returns how often Keras's layers draw."""
    own = _drawn_normals(port)
    return sum(own.get(name, 1) for name in names)


def _drawn_normals(port: PortUnderTest) -> dict[str, int]:
    """Returns the layers of the user's own that draw standard normal numbers, and how often."""
    return port.keras.facts.get("drawn_normals") or {}


def _of_keras(port: PortUnderTest, mode: str, *, normals: bool) -> Iterator[np.ndarray]:
    by_name = {node["name"]: node["kind"] for node in port.keras.facts["nodes"]}
    own = _drawn_normals(port)
    for name in _unpaired(port):
        key = f"mask/{mode}/{name}"
        keys = [f"{key}/{number}" for number in range(own[name])] if name in own else [key]
        if (name in own or by_name[name] in _OF_NORMALS) == normals:
            yield from (port.keras[key] for key in keys if key in port.keras)


def mask_like(
    mask: np.ndarray, tensor: torch.Tensor, given: Sequence[Axes | None] = ()
) -> torch.Tensor | None:
    """Returns a mask of whole samples, of whole channels, or of the same shape, like a tensor.

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
