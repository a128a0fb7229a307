"""Operations that give tensors another shape, join or choose entries, and those on images."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from torch_impl import layers
from torch_impl.keras_config.operations.elementwise import (
    Axis,
    Function,
    axes_of,
    dtype_named,
    numbers,
)
from torch_impl.layers.image.moves import Resizing
from torch_impl.layers.sizes import as_tuple, pad, same_paddings
from torch_impl.metrics.accuracy import in_top_k

# --- Operations that give tensors another shape, join them, or take them apart --------------------


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


# --- Operations that choose entries: by place, by condition, by order -----------------------------


def _item(x: torch.Tensor, key: Any) -> torch.Tensor:
    return x[tuple(key) if isinstance(key, list) else key]


def _places(x: torch.Tensor, indices: Any, axis: int) -> torch.Tensor:
    """Returns places along an axis as int64, counted from the beginning."""
    found = torch.as_tensor(indices, device=x.device).long()
    return torch.where(found < 0, found + x.shape[axis], found)


def _take(x: torch.Tensor, indices: Any, axis: int | None = None) -> torch.Tensor:
    if axis is None:
        x, axis = x.flatten(), 0
    places = _places(x, indices, axis)
    axis = axis % x.ndim
    chosen = x.index_select(axis, places.flatten())
    return chosen.reshape((*x.shape[:axis], *places.shape, *x.shape[axis + 1 :]))


def _take_along(x: torch.Tensor, indices: Any, axis: int | None = None) -> torch.Tensor:
    if axis is None:
        x, indices, axis = x.flatten(), torch.as_tensor(indices).flatten(), 0
    return torch.take_along_dim(x, _places(x, indices, axis), axis)


def _where(condition: torch.Tensor, x1: Any, x2: Any) -> torch.Tensor:
    """Chooses; a number takes the dtype of the tensor beside it, two integers are int32."""
    made = torch.where(condition.bool(), x1, x2)
    integers = not any(isinstance(x, torch.Tensor | float) for x in (x1, x2))
    return made.to(torch.int32) if integers else made


def _sort(x: torch.Tensor, axis: int | None = -1) -> torch.Tensor:
    return x.flatten().sort().values if axis is None else x.sort(dim=axis).values


def _argsort(x: torch.Tensor, axis: int | None = -1) -> torch.Tensor:
    """Equal entries stay in their order."""
    flat, axis = (x.flatten(), 0) if axis is None else (x, axis)
    return torch.argsort(numbers(flat), dim=axis, stable=True).to(torch.int32)


def _top_k(x: torch.Tensor, k: int, sorted: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
    """The earlier of equal entries comes first, in TensorFlow."""
    values, places = torch.sort(x, dim=-1, descending=True, stable=True)
    return values[..., :k], places[..., :k].to(torch.int32)


def _one_hot(
    x: torch.Tensor,
    num_classes: int,
    axis: int = -1,
    dtype: str | None = None,
    sparse: bool = False,
) -> torch.Tensor:
    """A place that is no class has zeros only."""
    if sparse:
        raise ValueError("sparse=True: expected False")
    classes = torch.arange(num_classes, device=x.device)
    hot = (x.long().unsqueeze(-1) == classes).to(dtype_named(dtype or "float32"))
    return hot.movedim(-1, axis)


def _multi_hot(
    inputs: torch.Tensor,
    num_classes: int | None = None,
    axis: int = -1,
    dtype: str | None = None,
    sparse: bool = False,
    **options: Any,
) -> torch.Tensor:
    classes = num_classes if num_classes is not None else options.get("num_tokens")
    assert classes is not None
    hot = _one_hot(inputs, classes, axis, dtype, sparse)
    return hot.amax(1 if inputs.ndim > 1 else 0)


def _search(sorted_sequence: torch.Tensor, values: torch.Tensor, side: str = "left") -> Any:
    found = torch.searchsorted(sorted_sequence, values.contiguous(), right=side == "right")
    return found.to(torch.int32)


def _digitize(x: torch.Tensor, bins: Any) -> torch.Tensor:
    edges = torch.as_tensor(bins, device=x.device).float()  # Keras rounds them
    return torch.bucketize(x.double().contiguous(), edges.double(), right=True).to(torch.int32)


def _slice(inputs: torch.Tensor, start_indices: Any, shape: Any) -> torch.Tensor:
    for axis, (start, size) in enumerate(zip(start_indices, shape, strict=True)):
        begin = int(start)
        inputs = inputs.narrow(axis, begin, inputs.shape[axis] - begin if size == -1 else size)
    return inputs


def _normalize(
    x: torch.Tensor, axis: int = -1, order: float = 2, epsilon: float | None = None
) -> torch.Tensor:
    """X over its norm, which is at least epsilon."""
    least = 1e-7 if epsilon is None else epsilon
    if order == 2:
        square = x.square().sum(axis, keepdim=True)
        return x * torch.rsqrt(torch.where(square < least**2, least**2, square))
    norm = torch.linalg.vector_norm(x, order, axis, keepdim=True)
    return x / torch.where(norm < least, least, norm)


def _pool(kind: str) -> Function:
    """Pools (N, ..., C)."""

    def pool(
        inputs: torch.Tensor,
        pool_size: Any,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
    ) -> torch.Tensor:
        layer = getattr(layers, f"{kind}Pooling{inputs.ndim - 2}D")(pool_size, strides, padding)
        pooled: torch.Tensor = layer(inputs.movedim(-1, 1))
        return pooled.movedim(1, -1)

    return pool


def _array(beside: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """An array that a layer is called on; the graph has it behind any tensor."""
    return value


ROWS_OF_SELECTION: dict[str, Function] = {
    "HeldArray": _array,
    "GetItem": _item,
    "Take": _take,
    "TakeAlongAxis": _take_along,
    "Where": _where,
    "Sort": _sort,
    "Argsort": _argsort,
    "TopK": _top_k,
    "InTopK": lambda targets, predictions, k: in_top_k(predictions, targets.long(), k),
    "OneHot": _one_hot,
    "MultiHot": _multi_hot,
    "SearchSorted": _search,
    "Digitize": _digitize,
    "Slice": _slice,
    "Normalize": _normalize,
    "MaxPool": _pool("Max"),
    "AveragePool": _pool("Average"),
}


# --- Operations of keras.ops.image on images in Keras's layout, (N, H, W, C) ----------------------


def _extract_patches(
    x: torch.Tensor,
    size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    dilation_rate: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str = "channels_last",
) -> torch.Tensor:
    """Returns (N, rows, columns, values of a patch): row by row, channels last in each pixel.

    `F.unfold` has the channels first. Source: keras 3.15 `ops/image.py` (`_extract_patches_2d`).
    """
    windows = as_tuple(size, 2, "size")
    steps = windows if strides is None else as_tuple(strides, 2, "strides")
    dilations = as_tuple(dilation_rate, 2, "dilation_rate")
    first = x.movedim(-1, 1)
    if padding == "same":
        first = pad(first, same_paddings(first, windows, steps, dilations))
    sides = zip(first.shape[2:], windows, steps, dilations, strict=True)
    rows, columns = [(n - (window - 1) * d - 1) // step + 1 for n, window, step, d in sides]
    found = F.unfold(first, windows, dilation=dilations, stride=steps)
    split = found.reshape(len(x), x.shape[-1], windows[0] * windows[1], rows, columns)
    return split.permute(0, 3, 4, 2, 1).reshape(len(x), rows, columns, -1)


def _resize(
    x: torch.Tensor, size: Sequence[int], data_format: str = "channels_last", **settings: Any
) -> torch.Tensor:
    height, width = size
    made: torch.Tensor = Resizing(height, width, **settings)(x.movedim(-1, 1))
    return made.movedim(1, -1)


ROWS_OF_IMAGES: dict[str, Function] = {"ExtractPatches": _extract_patches, "Resize": _resize}
