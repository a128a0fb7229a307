"""Turns activations from torch's layout into the portable one and back.

Images are (N, C, ...) in most torch programs and (N, ..., C) in Keras. Tensors without channels, or
with channels last (sequences, tokens, features), are the same in both. The shape shows it. If a
shape fits both ways, it is known from how the tensor came about (`traced_axes.py`); else the values
decide; if they do not either, it counts as channels first, unless the kind of layer keeps features
last.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from parity.halves.torch.kinds import RECURRENT
from parity.halves.torch.port.dense_axes import is_split
from parity.halves.torch.port.traced_axes import Axes

FEATURES_LAST = frozenset(
    (*RECURRENT, "bidirectional", "dense", "embedding", "layer_norm", "rms_norm", "attention")
)
# The sides of what these return depend on their padding.
WINDOWED = frozenset(
    ("conv", "depthwise_conv", "conv_transpose", "max_pool", "average_pool", "zero_padding")
)
# These compute the same whether or not they keep their axes of length one.
GLOBAL_POOLS = frozenset(("global_average_pool", "global_max_pool"))


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
