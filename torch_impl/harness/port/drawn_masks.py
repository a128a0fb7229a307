"""Masks that a port draws by itself, as stochastic depth does: `x.new_empty(shape).bernoulli_(p)`.

The dropouts of Keras that have no partner in the port are taken in their order, one for each mask
that the port draws. Keras's mask comes out, in the shape of the port's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from torch_impl.harness.port.traced_axes import Axes, channels_first

if TYPE_CHECKING:
    from torch_impl.harness.port.port_under_test import PortUnderTest


def drawn_masks(port: PortUnderTest, mode: str) -> Callable[[torch.Tensor], torch.Tensor | None]:
    """Returns the function that replaces a mask that the port draws.

    Args:
        port: the port.
        mode: of the pass in Keras's trace: "train", "step1", ...

    Returns:
        A function of the drawn tensor: Keras's mask like it, or None if there is none that fits.
    """
    waiting, given = _masks(port, mode), port.given_axes()

    def drawn(tensor: torch.Tensor) -> torch.Tensor | None:
        mask = next(waiting, None)
        return None if mask is None else mask_like(mask, tensor, given)

    return drawn


def replayed(port: PortUnderTest) -> list[str]:
    """Returns the dropouts of Keras whose masks are given to masks that the port draws."""
    names = _unpaired(port)
    return names if names and not port.draws and port.num_drawn == len(names) else []


def _unpaired(port: PortUnderTest) -> list[str]:
    paired = {pair.node["name"] for pair in port.all_pairs}
    nodes = port.keras.facts["nodes"]
    return [n["name"] for n in nodes if n["kind"] == "dropout" and n["name"] not in paired]


def _masks(port: PortUnderTest, mode: str) -> Iterator[np.ndarray]:
    for name in _unpaired(port):
        if (key := f"mask/{mode}/{name}") in port.keras:
            yield port.keras[key]


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
