"""Functions of torch that draw what Keras draws as well: masks of 0 and 1, and normal numbers.

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
DRAWN = (*MASKS, *NORMALS)


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
