"""Operations that give tensors another shape, join them, or take them apart."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from torch_impl.keras_config.operations.arguments import Axis, Function, axes_of, dtype_named


def _reshape(x: torch.Tensor, newshape: Any) -> torch.Tensor:
    sizes = (newshape,) if isinstance(newshape, int) else newshape
    if -1 in sizes[1:] and sizes[0] is None:  # the size of the batch, and one that is found
        sizes = [len(x), *sizes[1:]]
    return x.reshape([-1 if size is None else size for size in sizes])


def _transpose(x: torch.Tensor, axes: Any = None) -> torch.Tensor:
    return x.permute(*(axes or reversed(range(x.ndim))))


def _squeeze(x: torch.Tensor, axis: Any = None) -> torch.Tensor:
    return x.squeeze() if axis is None else x.squeeze(axis)


def _expand(x: torch.Tensor, axis: Any) -> torch.Tensor:
    axes = (axis,) if isinstance(axis, int) else axis
    for place in sorted(number % (x.ndim + len(axes)) for number in axes):
        x = x.unsqueeze(place)
    return x


def _repeat(x: torch.Tensor, repeats: Any, axis: int | None = None) -> torch.Tensor:
    times = repeats if isinstance(repeats, int) else torch.as_tensor(repeats, device=x.device)
    if axis is None:
        return x.flatten().repeat_interleave(times)
    return x.repeat_interleave(times, dim=axis)


def _tile(x: torch.Tensor, repeats: Any) -> torch.Tensor:
    return x.tile((repeats,) if isinstance(repeats, int) else tuple(repeats))


def _parts(x: torch.Tensor, indices_or_sections: Any, axis: int = 0) -> list[torch.Tensor]:
    given = indices_or_sections
    return list(torch.tensor_split(x, given if isinstance(given, int) else list(given), dim=axis))


def _along(axis: int) -> Function:
    return lambda x, indices_or_sections: _parts(x, indices_or_sections, axis)


def _hsplit(x: torch.Tensor, indices_or_sections: Any) -> list[torch.Tensor]:
    return _parts(x, indices_or_sections, 0 if x.ndim == 1 else 1)


def _unstack(x: torch.Tensor, num: int | None = None, axis: int = 0) -> list[torch.Tensor]:
    return list(x.unbind(axis))


def _joined(xs: Sequence[torch.Tensor], axis: int = 0) -> torch.Tensor:
    return torch.cat(list(xs), dim=axis)


def _append(x1: torch.Tensor, x2: torch.Tensor, axis: int | None = None) -> torch.Tensor:
    if axis is None:
        return torch.cat([x1.flatten(), x2.flatten()])
    return torch.cat([x1, x2], dim=axis)


def _flip(x: torch.Tensor, axis: Axis = None) -> torch.Tensor:
    return x.flip(axes_of(x, axis))


def _roll(x: torch.Tensor, shift: Any, axis: Any = None) -> torch.Tensor:
    return torch.roll(x, shift) if axis is None else torch.roll(x, shift, axis)


def _rot90(array: torch.Tensor, k: int = 1, axes: Sequence[int] = (0, 1)) -> torch.Tensor:
    return torch.rot90(array, k, list(axes))


def _pad(
    x: torch.Tensor, pad_width: Any, mode: str = "constant", constant_values: Any = None
) -> torch.Tensor:
    """Pads each axis by (before, after)."""
    widths = [(pad_width, pad_width)] if isinstance(pad_width, int) else list(pad_width)
    if len(widths) == 1:
        widths = widths * x.ndim
    if mode == "constant":
        flat = list(itertools.chain.from_iterable(reversed([list(pair) for pair in widths])))
        return F.pad(x, flat, value=0 if constant_values is None else constant_values)
    if mode not in ("reflect", "symmetric"):
        raise ValueError(f"{mode=}: expected 'constant', 'reflect' or 'symmetric'")
    for axis, pair in enumerate(widths):
        if any(pair):
            kind: Any = mode
            places = np.pad(np.arange(x.shape[axis]), tuple(pair), mode=kind)
            x = x.index_select(axis, torch.as_tensor(places, device=x.device))
    return x


def _broadcast(x: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    return x.expand(*shape)


def _each_sample(x: torch.Tensor, beside: torch.Tensor) -> torch.Tensor:
    """Returns x, (1, ...), once for each sample of another tensor."""
    return x.expand(len(beside), *x.shape[1:])


def _positions(x: torch.Tensor, axis: int, dtype: str) -> torch.Tensor:
    """Returns 0, 1, 2, ... along a side of a tensor."""
    return torch.arange(x.shape[axis], dtype=dtype_named(dtype), device=x.device)


def _filled(value: float) -> Function:
    def like(x: torch.Tensor, dtype: str | None = None) -> torch.Tensor:
        return torch.full_like(x, value, dtype=dtype_named(dtype) if dtype else None)

    return like


def _full_like(x: torch.Tensor, fill_value: Any, dtype: str | None = None) -> torch.Tensor:
    made = dtype_named(dtype) if dtype else x.dtype
    return torch.as_tensor(fill_value, device=x.device).to(made).expand(x.shape)


def _diagonal(x: torch.Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1) -> torch.Tensor:
    return torch.diagonal(x, offset, axis1, axis2)


def _meshgrid(*x: torch.Tensor, indexing: str = "xy") -> list[torch.Tensor]:
    return list(torch.meshgrid(*x, indexing=indexing))


def _depth_to_space(
    x: torch.Tensor, block_size: int, data_format: str = "channels_last"
) -> torch.Tensor:
    n, height, width, _ = x.shape
    split = x.reshape(n, height, width, block_size, block_size, -1)
    return split.permute(0, 1, 3, 2, 4, 5).reshape(n, height * block_size, width * block_size, -1)


def _space_to_depth(
    x: torch.Tensor, block_size: int, data_format: str = "channels_last"
) -> torch.Tensor:
    n, height, width, channels = x.shape
    rows, columns = height // block_size, width // block_size
    split = x.reshape(n, rows, block_size, columns, block_size, channels)
    return split.permute(0, 1, 3, 2, 4, 5).reshape(n, rows, columns, -1)


ROWS: dict[str, Function] = {
    "Reshape": _reshape,
    "Ravel": torch.flatten,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "ExpandDims": _expand,
    "Swapaxes": lambda x, axis1, axis2: x.transpose(axis1, axis2),
    "Moveaxis": lambda x, source, destination: x.movedim(source, destination),
    "EachSample": _each_sample,
    "Positions": _positions,
    "BroadcastTo": _broadcast,
    "Concatenate": _joined,
    "Stack": lambda x, axis=0: torch.stack(list(x), dim=axis),
    "Hstack": lambda xs: torch.hstack(list(xs)),
    "Vstack": lambda xs: torch.vstack(list(xs)),
    "Dstack": lambda xs: torch.dstack(list(xs)),
    "Append": _append,
    "Split": _parts,
    "ArraySplit": _parts,
    "Hsplit": _hsplit,
    "Vsplit": _along(0),
    "Dsplit": _along(2),
    "Unstack": _unstack,
    "Repeat": _repeat,
    "Tile": _tile,
    "Flip": _flip,
    "Fliplr": torch.fliplr,
    "Flipud": torch.flipud,
    "Roll": _roll,
    "Rot90": _rot90,
    "Pad": _pad,
    "Diag": lambda x, k=0: torch.diag(x, k),
    "Diagonal": _diagonal,
    "Tril": lambda x, k=0: torch.tril(x, k),
    "Triu": lambda x, k=0: torch.triu(x, k),
    "ZerosLike": _filled(0),
    "OnesLike": _filled(1),
    "FullLike": _full_like,
    "Meshgrid": _meshgrid,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
}
