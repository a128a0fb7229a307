"""Random numbers that a torch program draws by a function: of which kind they are, and how scaled.

A call of a function of torch goes in. Out comes what is drawn, in the words of Keras's half, and
how the output follows from it: `torch.normal(mean, std)` is standard normal numbers, times `std`.

A mask may be drawn as uniform numbers, which are compared with a rate. Numbers are then made of the
mask: next to 1 where Keras keeps, 0 where it drops, or the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

MASK, NORMAL, UNIFORM, INTEGERS = "mask", "normal", "uniform", "integers"

# The greatest uniform number that is given. A rate above it would not be met; 1 added to it is
# below 2 in float32 as well, for `floor(keep + uniform)`.
_NEXT_TO_1 = 1 - 2.0**-20
UNIFORMS = ("rand", "rand_like")  # functions that people write masks with

_PLAIN = {
    "bernoulli": MASK,
    "bernoulli_": MASK,
    "randn": NORMAL,
    "randn_like": NORMAL,
    "rand": UNIFORM,
    "rand_like": UNIFORM,
    "randint": INTEGERS,
    "randint_like": INTEGERS,
}
# Function -> what it draws, and its two numbers: mean and deviation, or the ends.
_SCALED = {
    "normal": (NORMAL, ("mean", "std"), 0),
    "normal_": (NORMAL, ("mean", "std"), 1),
    "uniform_": (UNIFORM, ("from", "to"), 1),
}


@dataclass(frozen=True)
class Drawing:
    """What a function draws.

    Attributes:
        kind: MASK, NORMAL (standard), UNIFORM (from 0 to 1) or INTEGERS.
        scaled: makes the output of the function from it.
    """

    kind: str
    scaled: Callable[[torch.Tensor], torch.Tensor] = lambda drawn: drawn


def drawing_of(
    function: Any, arguments: Sequence[Any], keywords: Mapping[str, Any]
) -> Drawing | None:
    """Returns what a call draws; None if it draws nothing that is known here.

    Args:
        function: of torch, or a method of a tensor.
        arguments: of the call.
        keywords: of the call.
    """
    name = getattr(function, "__name__", "")
    if name in _PLAIN:
        return Drawing(_PLAIN[name])
    if name not in _SCALED:
        return None
    kind, names, first = _SCALED[name]
    given = dict(zip(names, arguments[first:], strict=False)) | dict(keywords)
    low, high = given.get(names[0], 0.0), given.get(names[1], 1.0)
    if kind == NORMAL:
        return Drawing(kind, lambda drawn: low + high * drawn)
    return Drawing(kind, lambda drawn: low + (high - low) * drawn)


def uniform_of(mask: torch.Tensor, *, keeps_low: bool) -> torch.Tensor:
    """Returns uniform numbers that make a mask.

    Args:
        mask: 1 where Keras keeps, 0 where it drops.
        keeps_low: whether the port keeps where its number is below the share that it keeps, as in
            `rand < keep`; else where it is above the rate, as in `floor(rand + keep)`.
    """
    kept = 1 - mask if keeps_low else mask
    return kept * _NEXT_TO_1
