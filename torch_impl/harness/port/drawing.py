"""Functions of torch that draw what Keras draws as well: masks of 0 and 1, and normal numbers.

A mask may be drawn as uniform numbers, which are compared with a rate. Numbers are then made of the
mask: next to 1 where Keras keeps, 0 where it drops, or the other way round.

A call of such a function and what Keras drew go in; what the function returns instead comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

MASKS = ("bernoulli", "bernoulli_")
# The last two with a mean and a standard deviation of their own: `Normal(mean, std).rsample()`
# draws by one of them.
NORMALS = ("randn", "randn_like", "normal", "normal_")
UNIFORMS = ("rand", "rand_like")
DRAWN = (*MASKS, *NORMALS, *UNIFORMS)
# The greatest uniform number that is given. A rate above it would not be met; 1 added to it is
# below 2 in float32 as well, for `floor(keep + uniform)`.
_NEXT_TO_1 = 1 - 2.0**-20


def in_place_of(
    name: str, arguments: Sequence[Any], keywords: Mapping[str, Any], drawn: torch.Tensor
) -> torch.Tensor:
    """Returns what a function returns if it draws other numbers.

    Args:
        name: of the function, one of `DRAWN`.
        arguments: of its call.
        keywords: of its call.
        drawn: a mask, or standard normal numbers.
    """
    if name not in ("normal", "normal_"):
        return drawn
    settings = {"mean": 0.0, "std": 1.0} | dict(keywords)
    own = arguments[1:] if name == "normal_" else arguments  # a method has its tensor first
    settings |= dict(zip(("mean", "std"), own, strict=False))
    with torch._C.DisableTorchFunction():
        moved: torch.Tensor = settings["mean"] + settings["std"] * drawn
    return moved


def uniform_of(mask: torch.Tensor, *, keeps_low: bool) -> torch.Tensor:
    """Returns uniform numbers that make a mask.

    Args:
        mask: 1 where Keras keeps, 0 where it drops.
        keeps_low: whether the port keeps where its number is below the share that it keeps, as in
            `rand < keep`; else where it is above the rate, as in `floor(rand + keep)`.
    """
    kept = 1 - mask if keeps_low else mask
    return kept * _NEXT_TO_1
