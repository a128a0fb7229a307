"""Turns activations from torch's layout into the portable one and back."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.halves.torch.call import Call
from parity.halves.torch.kinds import RECURRENT
from torch_impl.layers import EinsumDense
from torch_impl.layouts import Tensors, Variable

# --- In which order the tensors of a port have Keras's axes, by how they came about ---------------
#
# The calls of a port go in. For the inputs and the output of each comes out the order of axes that
# makes Keras's tensor of it: (0, 2, 3, 1) for (N, C, H, W). It matters where the shape does not
# tell: for a cube, for a sequence with as many steps as channels or as samples.


# `tensor.permute(axes)` is in Keras's order.
Axes = tuple[int, ...]

# What torch computes with the channels in the second axis.
_FIRST = frozenset(
    (
        *("conv", "depthwise_conv", "conv_transpose", "max_pool", "average_pool"),
        *("batch_norm", "group_norm", "upsampling", "prelu"),
    )
)
# These compute the same whether or not they keep their axes of length one.
GLOBAL_POOLS = frozenset(("global_average_pool", "global_max_pool"))
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


def traced_channels_first(ndim: int) -> Axes:
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
    for axes in {order(ours.ndim) for order in (as_keras, traced_channels_first, steps_first)}:
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
    fixed = [_fixed_axes(call) for call in calls]
    input_axes = [pair[0] for pair in fixed]
    made = [pair[1] for pair in fixed]
    for _ in range(_MOST_ROUNDS):
        before = (*input_axes, *made)
        for number, call in enumerate(calls):
            input_axes[number] = input_axes[number] or _of_sources(call, made, given)
            made[number] = made[number] or _forward(call, input_axes[number], turns[number])
        for number, call in reversed(list(enumerate(calls))):
            input_axes[number] = input_axes[number] or _back(call, made[number], turns[number])
            for x, source in zip(call.inputs, call.nearest, strict=False):
                if source is None or source < 0 or made[source] is not None:
                    continue
                if x.ndim > 2 and x.shape == calls[source].output.shape:
                    made[source] = input_axes[number]
        if (*input_axes, *made) == before:
            meant = [
                _meant(turn) if axes is None else axes
                for axes, turn in zip(input_axes, turns, strict=True)
            ]
            if meant == input_axes:
                break
            input_axes = meant
    return Traced(tuple(input_axes), tuple(made))


def _meant(turn: Axes | None) -> Axes | None:
    """Returns what a permutation of images takes: it puts the channels first, or back to the end.

    Of a sequence both are the same.
    """
    if turn is None or len(turn) < 4:
        return None
    orders = {
        traced_channels_first(len(turn)): traced_channels_first,
        _back_to_first(len(turn)): as_keras,
    }
    return orders[turn](len(turn)) if turn in orders else None


def _back_to_first(ndim: int) -> Axes:
    return (0, ndim - 1, *range(1, ndim - 1))


def _fixed_axes(call: Call) -> tuple[Axes | None, Axes | None]:
    """Returns the orders that a call takes and makes, whatever is around it."""
    order = _fixed_order(call)
    if order is None:
        return None, None
    rank = max((x.ndim for x in call.inputs), default=0)
    input_axes = order(rank) if rank > 2 else None
    return input_axes, order(call.output.ndim) if call.output.ndim > 2 else None


def _fixed_order(call: Call) -> Any:
    module = call.module
    if module is not None:
        where = type(module).forward.__module__
        if not where.startswith(("torch.", "torch_impl.", "parity.")):
            return None  # a user's subclass may move axes inside
    is_adaptive = module is not None or "adaptive" in call.name
    if call.kind in _FIRST or (call.kind in GLOBAL_POOLS and is_adaptive):
        return traced_channels_first
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


def _forward(call: Call, input_axes: Axes | None, turn: Axes | None) -> Axes | None:
    if input_axes is None or not _keeps_axes(call):
        return None
    if call.kind != "permute":
        return input_axes
    return None if turn is None else tuple(turn.index(axis) for axis in input_axes)


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


# --------------------------------------------------------------------------------------------------
#
# Dense layers whose features are several axes: heads and their size, in Keras and in a port.
#
# Keras's projections of attention have kernels (in, heads, size) and (heads, size, out), and a port
# has one axis in the place of two. In row-major order both are the same numbers.


def num_inputs(node: Mapping[str, Any]) -> int:
    """Returns how many axes of the kernel of a Keras node are inputs; 0 if it is no such layer."""
    return int((node.get("config") or {}).get("kernel_inputs") or 0)


def flat_shape(node: Mapping[str, Any], shape: Sequence[int]) -> list[int]:
    """Returns the shape of a weight of a Keras node, with one axis for inputs and one for outputs.

    A bias has one axis.
    """
    number = num_inputs(node)
    if not number or len(shape) < 2:
        return list(shape)
    if len(shape) > number and _is_kernel(node, shape):
        return [math.prod(shape[:number]), math.prod(shape[number:])]
    return [math.prod(shape)]


def _is_kernel(node: Mapping[str, Any], shape: Sequence[int]) -> bool:
    kernel = str(node["config"].get("equation", "")).replace("...", "").partition(",")[2]
    return len(kernel.partition("->")[0].strip()) == len(shape)


def flat_features(node: Mapping[str, Any]) -> list[int]:
    """Returns the shape of the output of a Keras node, with one axis for its features."""
    shape = list(node["output_shape"])
    number = num_inputs(node)
    if not number:
        return shape
    equation = str(node["config"].get("equation", ""))
    kernel = equation.replace("...", "").partition(",")[2].partition("->")[0].strip()
    rest = len(kernel) - number
    # The projections of an attention are told with one axis already.
    if rest < 2 or len(shape) <= rest or node["config"].get("part"):
        return shape
    return [*shape[:-rest], math.prod(shape[-rest:])]


def with_flat_axes(call: Call, variable: Variable, value: torch.Tensor) -> torch.Tensor:
    """Returns a weight of a call, in Keras's layout, with one axis for inputs and for outputs."""
    module = call.module
    if not isinstance(module, EinsumDense):
        return value
    if variable.name == "bias":
        return value.reshape(-1)
    number = len(module.input_axes)
    if module.input_axes != list(range(number)):
        return value
    return value.reshape(math.prod(value.shape[:number]), -1)


def shaped(variable: Variable, shape: Sequence[int]) -> Variable:
    """Returns a variable whose Keras array has another shape, of the same numbers in their order.

    It stays as it is if the numbers are not as many.
    """
    keras_shape = tuple(variable.to_keras(variable.tensors).shape)
    if (
        keras_shape == tuple(shape)
        or math.prod(keras_shape) != math.prod(shape)
        or len(keras_shape) == len(shape)
    ):
        return variable

    def to_keras(tensors: Tensors) -> torch.Tensor:
        return variable.to_keras(tensors).reshape(tuple(shape))

    def to_torch(array: torch.Tensor) -> Tensors:
        return variable.to_torch(array.reshape(keras_shape))

    return replace(variable, to_keras=to_keras, to_torch=to_torch)


def is_split(shape: Sequence[int], expected: Sequence[int]) -> bool:
    """Whether one of two shapes has in its last two axes what the other has in its last one."""
    short, long = sorted((list(shape), list(expected)), key=len)
    if len(long) != len(short) + 1 or len(short) < 2:
        return False
    return long[:-2] == short[:-1] and long[-2] * long[-1] == short[-1]


# --- Turns activations from torch's layout into the portable one and back -------------------------
#
# Images are (N, C, ...) in most torch programs and (N, ..., C) in Keras. Tensors without channels,
# or with channels last (sequences, tokens, features), are the same in both. The shape shows it. If
# a shape fits both ways, it is known from how the tensor came about (`portable.py`); else the
# values decide; if they do not either, it counts as channels first, unless the kind of layer keeps
# features last.


FEATURES_LAST = frozenset(
    (*RECURRENT, "bidirectional", "dense", "embedding", "layer_norm", "rms_norm", "attention")
)
# The sides of what these return depend on their padding.
WINDOWED = frozenset(
    ("conv", "depthwise_conv", "conv_transpose", "max_pool", "average_pool", "zero_padding")
)


def is_channels_first(
    kind: str,
    tensor: torch.Tensor,
    expected: Sequence[int],
    theirs: np.ndarray | None = None,
) -> bool | None:
    """Finds whether a torch tensor has its channels first, from Keras's shape.

    Args:
        kind: of the call that the tensor belongs to.
        tensor: of the torch program.
        expected: Keras's shape.
        theirs: Keras's array, if there is one; it decides if the shape fits both ways.

    Returns:
        True if the channels have to move to the end, False if the shapes are the same, None if
        neither fits.
    """
    shape, expected = list(tensor.shape), list(expected)
    same = shape == expected
    moved = len(shape) > 2 and [shape[0], *shape[2:], shape[1]] == expected
    if same and moved:
        errors = _errors(tensor, theirs)
        return kind not in FEATURES_LAST if errors[0] == errors[1] else errors[1] < errors[0]
    return moved if same or moved else None


def in_order(tensor: torch.Tensor) -> torch.Tensor:
    """Returns a tensor in row-major order, its strides included.

    `contiguous` leaves the strides of axes of length one, from which convolutions conclude that the
    channels are last; their output is then in an order that `view` refuses.
    """
    return torch.empty(tensor.shape, dtype=tensor.dtype, device=tensor.device).copy_(tensor)


def channels_first(tensor: torch.Tensor) -> torch.Tensor:
    """Returns a tensor (N, ..., C) as (N, C, ...), in row-major order."""
    return in_order(tensor.movedim(-1, 1))


def _errors(tensor: torch.Tensor, theirs: np.ndarray | None) -> tuple[float, float]:
    """Returns the error of a tensor against Keras's array, as it is and with channels last."""
    if theirs is None or list(theirs.shape) != list(tensor.shape):
        return 0.0, 0.0
    ours = tensor.detach().cpu().double()
    other = torch.from_numpy(np.asarray(theirs, np.float64))
    far = [float((x - other).abs().nan_to_num(0.0).sum()) for x in (ours, ours.movedim(1, -1))]
    return far[0], far[1]


def to_portable(
    tensor: torch.Tensor,
    kind: str,
    expected: Sequence[int],
    theirs: np.ndarray | None = None,
    like: torch.Tensor | None = None,
    known: Axes | None = None,
) -> np.ndarray:
    """Returns an activation in the portable layout, or as it is if that does not fit.

    Args:
        tensor: of the torch program.
        kind: of the call.
        expected: Keras's shape.
        theirs: see `is_channels_first`.
        like: the tensor whose layout decides, if it is another one, such as that of a gradient.
        known: order of the axes in which the tensor is Keras's; without effect if that does not fit
            its shape.
    """
    shape = tuple(tensor.shape)
    if _is_order(known, shape, expected):
        assert known is not None
        return tensor.permute(known).detach().cpu().numpy().copy(order="C")
    if kind == "dense" and is_split(shape, expected):
        return tensor.detach().cpu().numpy().reshape(tuple(expected))
    if _is_folded(shape, expected):
        given = None if theirs is None else theirs.reshape(-1, *theirs.shape[2:])
        whole = to_portable(tensor, kind, (shape[0], *expected[2:]), given, like)
        return whole.reshape(*expected[:2], *whole.shape[1:])
    if _is_steps_first(shape, expected):
        tensor = tensor.transpose(0, 1)
        like = None if like is None else like.transpose(0, 1)
    if _is_channels_third(shape, expected):
        return tensor.movedim(2, -1).detach().cpu().numpy().copy(order="C")
    if _is_squeezed(shape, expected):
        return tensor.detach().cpu().numpy().reshape(tuple(expected))
    if kind in GLOBAL_POOLS and _is_pooled(tensor.shape, expected):
        return tensor.detach().cpu().numpy().reshape(expected)
    if kind in GLOBAL_POOLS and _is_flattened(tensor.shape, expected):
        tensor = tensor.reshape(*tensor.shape[:2], *expected[1:-1])
    moved = is_channels_first(kind, tensor if like is None else like, expected, theirs)
    # If the number of channels is wrong, the kind still decides the layout.
    if moved is None:
        moved = tensor.ndim > 2 and tensor.ndim == len(expected) and kind not in FEATURES_LAST
    tensor = tensor.movedim(1, -1) if moved else tensor
    return tensor.detach().cpu().numpy().copy(order="C")


def _is_squeezed(shape: Sequence[int], expected: Sequence[int]) -> bool:
    """Whether a tensor lacks the last axis of Keras's, of one value: (N, T) for (N, T, 1)."""
    return list(expected) == [*shape, 1] and len(shape) > 1


def _is_order(known: Axes | None, shape: Sequence[int], expected: Sequence[int]) -> bool:
    """Whether a known order of axes makes Keras's shape of that of a tensor."""
    if known is None or not len(known) == len(shape) == len(expected):
        return False
    return [shape[axis] for axis in known] == list(expected)


def _is_pooled(shape: Sequence[int], expected: Sequence[int]) -> bool:
    """Whether both have samples and channels, and all other axes have length one."""
    is_like = len(expected) > 1 and tuple(shape[:2]) == (expected[0], expected[-1])
    return is_like and all(side == 1 for side in (*shape[2:], *expected[1:-1]))


def _is_flattened(shape: Sequence[int], expected: Sequence[int]) -> bool:
    """Whether both have samples, channels and pixels, and `shape` has the pixels in one axis."""
    is_like = len(shape) == 3 < len(expected) and tuple(shape[:2]) == (expected[0], expected[-1])
    return is_like and shape[2] == math.prod(expected[1:-1])


def _is_folded(shape: Sequence[int], expected: Sequence[int]) -> bool:
    """Whether a tensor has samples and steps, the first two axes of Keras's shape, in one axis."""
    is_like = len(shape) == len(expected) - 1 >= 2 and shape[0] == expected[0] * expected[1]
    return is_like and expected[1] > 1 and sorted(shape[1:]) == sorted(expected[2:])


def _is_steps_first(shape: Sequence[int], expected: Sequence[int]) -> bool:
    """Whether a sequence has its steps first, (T, N, ...), and fits in no other way."""
    shape, expected = list(shape), list(expected)
    if len(shape) < 3 or shape == expected or [shape[0], *shape[2:], shape[1]] == expected:
        return False
    return [shape[1], shape[0], *shape[2:]] == expected


def _is_channels_third(shape: Sequence[int], expected: Sequence[int]) -> bool:
    """Whether images in a sequence have their channels first, (N, T, C, H, W), in no other way."""
    shape, expected = list(shape), list(expected)
    if len(shape) < 4 or shape == expected or [shape[0], *shape[2:], shape[1]] == expected:
        return False
    return [*shape[:2], *shape[3:], shape[2]] == expected


def from_portable(
    array: np.ndarray,
    like: torch.Tensor,
    kind: str,
    theirs: np.ndarray | None = None,
    known: Axes | None = None,
) -> torch.Tensor | None:
    """Returns a portable array as a tensor in the layout of the torch program.

    Args:
        array: in the portable layout.
        like: the tensor that the program had in its place.
        kind: of the call.
        theirs: Keras's array in the place of `like`, if that is another one than `array`.
        known: order of the axes in which `like` is Keras's; without effect if that does not fit.

    Returns:
        A tensor like `like`, or None if the array fits in no layout.
    """
    if _is_order(known, like.shape, array.shape):
        assert known is not None
        turned = torch.from_numpy(np.array(array, order="C")).permute(*np.argsort(known).tolist())
        return in_order(turned).to(device=like.device, dtype=like.dtype)
    if kind == "dense" and is_split(like.shape, array.shape):
        whole = torch.from_numpy(np.array(array, order="C")).reshape(like.shape)
        return whole.to(device=like.device, dtype=like.dtype)
    if _is_folded(like.shape, array.shape):
        array = array.reshape(-1, *array.shape[2:])
        theirs = None if theirs is None else theirs.reshape(array.shape)
    elif _is_steps_first(like.shape, array.shape):
        array = np.swapaxes(array, 0, 1)
        theirs = None if theirs is None else np.swapaxes(theirs, 0, 1)
    elif _is_channels_third(like.shape, array.shape):
        array = np.moveaxis(array, -1, 2)
        theirs = None if theirs is None else np.moveaxis(theirs, -1, 2)
    tensor = torch.from_numpy(np.array(array, order="C"))
    is_pooled = kind in GLOBAL_POOLS and _is_pooled(like.shape, array.shape)
    if is_pooled or _is_squeezed(like.shape, array.shape):
        tensor = tensor.reshape(like.shape)
    elif kind in GLOBAL_POOLS and _is_flattened(like.shape, array.shape):
        tensor = tensor.movedim(-1, 1).flatten(2)
    else:
        moved = is_channels_first(kind, like, array.shape, array if theirs is None else theirs)
        if moved is None:
            return None
        tensor = channels_first(tensor) if moved else tensor
    return tensor.to(device=like.device, dtype=like.dtype)


def as_returned(array: np.ndarray, shape: Sequence[int], known: Axes | None = None) -> np.ndarray:
    """Turns outputs in Keras's layout into the layout in which a port returns them.

    Args:
        array: (N, ..., C), with any number of samples.
        shape: of the port's output: the same, channels first, or without an axis of length 1.
        known: order of the axes in which that output is Keras's; None: its shape decides.
    """
    first = array.shape[0]
    if _is_order(known, (first, *shape[1:]), array.shape):
        assert known is not None
        return array.transpose(*np.argsort(known).tolist())
    if list(array.shape[1:]) == list(shape[1:]):
        return array
    if array.ndim > 2 and [*array.shape[-1:], *array.shape[1:-1]] == list(shape[1:]):
        return np.moveaxis(array, -1, 1)
    is_squeezed = [n for n in array.shape[1:] if n != 1] == [n for n in shape[1:] if n != 1]
    return array.reshape(first, *shape[1:]) if is_squeezed else array


def from_returned(
    tensor: torch.Tensor, shape: Sequence[int], known: Axes | None = None
) -> torch.Tensor:
    """Turns outputs of a port into Keras's layout, or leaves them if that does not fit.

    Args:
        tensor: as the port returns it.
        shape: of Keras's output; its number of samples may differ.
        known: see `as_returned`.
    """
    expected = list(shape[1:])
    if _is_order(known, tensor.shape, (len(tensor), *expected)):
        assert known is not None
        return tensor.permute(known)
    if list(tensor.shape[1:]) == expected:
        return tensor
    if tensor.ndim > 2 and [*tensor.shape[2:], tensor.shape[1]] == expected:
        return tensor.movedim(1, -1)
    is_squeezed = [n for n in tensor.shape[1:] if n != 1] == [n for n in expected if n != 1]
    return tensor.reshape(tensor.shape[0], *expected) if is_squeezed else tensor
