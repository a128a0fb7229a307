"""Masks that a port draws by itself, as stochastic depth does: `x.new_empty(shape).bernoulli_(p)`.

The dropouts of Keras that have no partner in the port are taken in their order, one for each mask
that the port draws. Keras's mask comes out, in the shape of the port's.
"""

from __future__ import annotations

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
        return None if mask is None else _like(mask, tensor, given)

    return drawn


def replayed(port: PortUnderTest) -> list[str]:
    """Returns the dropouts of Keras whose masks are given to masks that the port draws."""
    names = _unpaired(port)
    return names if names and not port.draws and port.num_drawn == len(names) else []


def _unpaired(port: PortUnderTest) -> list[str]:
    paired = {pair.node["name"] for pair in port.all_pairs}
    facts = port.keras.facts
    known = facts.get("replayable") or {}  # other layers that drop whole samples
    return [
        node["name"]
        for node in facts["nodes"]
        if (node["kind"] == "dropout" or node["name"] in known) and node["name"] not in paired
    ]


def _masks(port: PortUnderTest, mode: str) -> Iterator[np.ndarray]:
    for name in _unpaired(port):
        if (key := f"mask/{mode}/{name}") in port.keras:
            yield port.keras[key]


def _like(
    mask: np.ndarray, tensor: torch.Tensor, given: Sequence[Axes | None]
) -> torch.Tensor | None:
    """Returns a mask of whole samples, or one of the same shape, in the form of a tensor.

    Of a cube, the channels are first if they are in an input of the port.
    """
    is_first = mask.ndim > 2 and channels_first(mask.ndim) in given
    flat = mask.reshape(len(mask), -1)
    if tensor.numel() == len(mask) and tensor.shape[:1] == mask.shape[:1]:
        is_whole = bool((flat == flat[:, :1]).all())
        kept = flat[:, 0] if is_whole else None
    else:
        forms = [mask, np.moveaxis(mask, -1, 1)] if mask.ndim > 2 else [mask]
        fits = [form for form in forms if form.shape == tuple(tensor.shape)]
        kept = fits[-1 if is_first else 0] if fits else None
    return None if kept is None else torch.from_numpy(kept.copy()).to(tensor).reshape(tensor.shape)
