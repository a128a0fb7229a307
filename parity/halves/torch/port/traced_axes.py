"""In which order the tensors of a port have Keras's axes, by how they came about.

The calls of a port go in. For the inputs and the output of each comes out the order of axes that
makes Keras's tensor of it: (0, 2, 3, 1) for (N, C, H, W). It matters where the shape does not tell:
for a cube, for a sequence with as many steps as channels or as samples.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.halves.torch.call import Call
from parity.halves.torch.kinds import RECURRENT

# `tensor.permute(axes)` is in Keras's order.
Axes = tuple[int, ...]

# What torch computes with the channels in the second axis.
_FIRST = frozenset(
    (
        *("conv", "depthwise_conv", "conv_transpose", "max_pool", "average_pool"),
        *("batch_norm", "group_norm", "upsampling", "prelu"),
    )
)
_GLOBAL_POOLS = frozenset(("global_average_pool", "global_max_pool"))
# What it computes along the last axis.
_LAST = frozenset((*RECURRENT, "bidirectional", "dense", "layer_norm", "embedding"))
# Operations of Keras that move axes, and have no partner. A port that moves some too may mean that.
_TURNING = frozenset(f"unknown:{name}" for name in ("Transpose", "Swapaxes", "Moveaxis"))
_SIDES = (2, 3, 5, 7, 11, 13)  # of a tensor that shows where its axes go
_MOST_ROUNDS = 10
# Values decide if one order is nearer by so much, and near enough for float32.
_NEARER, _NEAR = 100.0, 1e-2


@dataclass(frozen=True)
class Traced:
    """The orders of axes by the number of a call; None where they are not known.

    Attributes:
        taken: of its inputs.
        made: of its output.
    """

    taken: tuple[Axes | None, ...]
    made: tuple[Axes | None, ...]


def unknown(calls: Sequence[Call]) -> Traced:
    """Returns the orders of calls if nothing tells them."""
    return Traced((None,) * len(calls), (None,) * len(calls))


def as_keras(ndim: int) -> Axes:
    """Returns the order of a tensor in Keras's layout."""
    return tuple(range(ndim))


def channels_first(ndim: int) -> Axes:
    """Returns the order of a tensor (N, C, ...)."""
    return (0, *range(2, ndim), 1)


def steps_first(ndim: int) -> Axes:
    """Returns the order of a tensor (T, N, ...)."""
    return (1, 0, *range(2, ndim))


def nearest(tensor: torch.Tensor, theirs: np.ndarray) -> Axes | None:
    """Returns the order in which a tensor has Keras's values; None if they do not tell.

    Args:
        tensor: of the port.
        theirs: Keras's in its place.
    """
    ours = tensor.detach().cpu().double().numpy()
    if ours.ndim != theirs.ndim or ours.ndim < 3 or not theirs.size:
        return None
    largest = float(np.abs(theirs).max())
    errors = {}
    for axes in {order(ours.ndim) for order in (as_keras, channels_first, steps_first)}:
        turned = ours.transpose(axes)
        if turned.shape == theirs.shape:
            far = float(np.abs(turned - theirs).max()) / (largest or 1.0)
            errors[axes] = far if math.isfinite(far) else math.inf
    best = min(errors, key=lambda axes: errors[axes], default=None)
    if best is None or not errors[best] <= _NEAR:
        return None
    others = [far for axes, far in errors.items() if axes != best]
    return best if all(far > _NEARER * errors[best] for far in others) else None


def traced(
    calls: Sequence[Call],
    given: Sequence[Axes | None],
    keras: Sequence[Mapping[str, Any]] = (),
    paired: Collection[int] = (),
) -> Traced:
    """Follows the axes from the inputs, and from the layers that have an order of their own.

    Args:
        calls: of the port.
        given: of each input of the port.
        keras: nodes of Keras.
        paired: numbers of the calls with a partner in Keras: their permutations are Keras's too.
    """
    is_turned = bool({node["kind"] for node in keras} & _TURNING)
    turns = [
        None if is_turned or number in paired else _turn(call) for number, call in enumerate(calls)
    ]
    own = [_own_axes(call) for call in calls]
    taken = [pair[0] for pair in own]
    made = [pair[1] for pair in own]
    for _ in range(_MOST_ROUNDS):
        before = (*taken, *made)
        for number, call in enumerate(calls):
            taken[number] = taken[number] or _of_sources(call, made, given)
            made[number] = made[number] or _forward(call, taken[number], turns[number])
        for number, call in reversed(list(enumerate(calls))):
            taken[number] = taken[number] or _back(call, made[number], turns[number])
            for x, source in zip(call.inputs, call.nearest, strict=False):
                if source is None or source < 0 or made[source] is not None:
                    continue
                if x.ndim > 2 and x.shape == calls[source].output.shape:
                    made[source] = taken[number]
        if (*taken, *made) == before:
            meant = [
                _meant(turn) if axes is None else axes
                for axes, turn in zip(taken, turns, strict=True)
            ]
            if meant == taken:
                break
            taken = meant
    return Traced(tuple(taken), tuple(made))


def _meant(turn: Axes | None) -> Axes | None:
    """Returns what a permutation of images takes: it puts the channels first, or back to the end.

    Of a sequence both are the same.
    """
    if turn is None or len(turn) < 4:
        return None
    orders = {channels_first(len(turn)): channels_first, _back_to_first(len(turn)): as_keras}
    return orders[turn](len(turn)) if turn in orders else None


def _back_to_first(ndim: int) -> Axes:
    return (0, ndim - 1, *range(1, ndim - 1))


def _own_axes(call: Call) -> tuple[Axes | None, Axes | None]:
    """Returns the orders that a call takes and makes, whatever is around it."""
    order = _own(call)
    if order is None:
        return None, None
    rank = max((x.ndim for x in call.inputs), default=0)
    taken = order(rank) if rank > 2 else None
    return taken, order(call.output.ndim) if call.output.ndim > 2 else None


def _own(call: Call) -> Any:
    module = call.module
    if module is not None:
        where = type(module).forward.__module__
        if not where.startswith(("torch.", "torch_impl.", "parity.")):
            return None  # a user's subclass may move axes inside
    is_adaptive = module is not None or "adaptive" in call.name
    if call.kind in _FIRST or (call.kind in _GLOBAL_POOLS and is_adaptive):
        return channels_first
    if call.kind not in _LAST:
        return None
    if module is None:
        return as_keras if call.name.startswith(("linear", "embedding")) else None
    if isinstance(module, nn.RNNBase) and not module.batch_first:
        return None
    if isinstance(module, nn.LayerNorm) and len(module.normalized_shape) > 1:
        return None
    return as_keras


def _of_sources(
    call: Call, made: Sequence[Axes | None], given: Sequence[Axes | None]
) -> Axes | None:
    for x, source in zip(call.inputs, call.nearest, strict=False):
        if x.ndim < 3 or source is None:
            continue
        # Of which input it comes is not noted.
        found = [made[source]] if source >= 0 else list(given)
        fitting = {axes for axes in found if axes is not None and len(axes) == x.ndim}
        if len(fitting) == 1:
            return fitting.pop()
    return None


def _forward(call: Call, taken: Axes | None, turn: Axes | None) -> Axes | None:
    if taken is None or not _keeps_axes(call):
        return None
    if call.kind != "permute":
        return taken
    return None if turn is None else tuple(turn.index(axis) for axis in taken)


def _back(call: Call, made: Axes | None, turn: Axes | None) -> Axes | None:
    if made is None or not _keeps_axes(call):
        return None
    if call.kind != "permute":
        return made
    return None if turn is None else tuple(turn[axis] for axis in made)


def _keeps_axes(call: Call) -> bool:
    ranks = {x.ndim for x in call.inputs if x.ndim > 2}
    return call.kind != "reshape" and ranks == {call.output.ndim}


def _turn(call: Call) -> Axes | None:
    """Returns what a permutation does: `y = x.permute(turn)`; None if it is not known."""
    if call.kind != "permute" or len(call.inputs) != 1:
        return None
    sides = _SIDES[: call.inputs[0].ndim]
    try:
        moved = tuple(call.run(torch.empty(sides)).shape)
    except Exception:  # the code of the port may raise anything
        return None
    return tuple(sides.index(side) for side in moved) if sorted(moved) == list(sides) else None
