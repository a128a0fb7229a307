"""Operations that choose entries: by place, by condition, by order."""

from __future__ import annotations

from typing import Any

import torch

from torch_impl import layers
from torch_impl.keras_config.operations.arguments import Function, dtype_named, numbers


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


def _in_top_k(targets: torch.Tensor, predictions: torch.Tensor, k: int) -> torch.Tensor:
    """Whether fewer than k predictions are greater than that of the target."""
    own = predictions.gather(-1, targets.long().unsqueeze(-1))
    return (predictions > own).sum(-1) < k


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


def _held(beside: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """An array that a layer is called on; the graph has it behind any tensor."""
    return value


ROWS: dict[str, Function] = {
    "HeldArray": _held,
    "GetItem": _item,
    "Take": _take,
    "TakeAlongAxis": _take_along,
    "Where": _where,
    "Sort": _sort,
    "Argsort": _argsort,
    "TopK": _top_k,
    "InTopK": _in_top_k,
    "OneHot": _one_hot,
    "MultiHot": _multi_hot,
    "SearchSorted": _search,
    "Digitize": _digitize,
    "Slice": _slice,
    "Normalize": _normalize,
    "MaxPool": _pool("Max"),
    "AveragePool": _pool("Average"),
}
