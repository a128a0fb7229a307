"""Rules of operations that choose entries: by place, by order, by a slice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parity.weights.tf_operations.elementwise import Rule, known
from parity.weights.tf_operations.nodes import (
    Nodes,
    Refused,
    Sizes,
    Tensor,
    array,
    numbers,
)
from parity.weights.tf_operations.reductions import axes_in, keeps_samples
from parity.weights.tf_operations.shaping import whole

_ALL = slice(None, None, None)


def _gathered(
    op: Nodes,
    params: Any,
    indices: Any,
    validate_indices: Any = None,
    axis: Any = None,
    batch_dims: int = 0,
) -> Tensor:
    """Entries along an axis, the first by default."""
    if batch_dims != 0:
        raise Refused(f"with batch_dims={batch_dims!r}: expected 0")
    axis = axes_in(axis, several=False) or 0
    if isinstance(params, list):
        params = array(params)
    if isinstance(indices, list):
        indices = array(whole(indices, "indices"), "int32")
    result = params.dtype
    if isinstance(params, Tensor):
        leads = params.leads and keeps_samples(axis)
    else:
        leads = isinstance(indices, Tensor) and indices.leads and axis == 0
    return op("Take", params, indices, result=result, leads=leads, axis=axis)


def _looked_up(
    op: Nodes, params: Any, ids: Any, partition_strategy: str = "mod", max_norm: Any = None
) -> Tensor:
    if max_norm is not None:
        raise Refused(f"with max_norm={max_norm!r}: expected None")
    return _gathered(op, params, ids)


def _masked(op: Nodes, tensor: Tensor, mask: Any, axis: Any = None) -> Tensor:
    if not isinstance(mask, list) or not all(isinstance(each, bool) for each in mask):
        raise Refused("with a mask that is a tensor, or has several axes")
    places = [number for number, each in enumerate(mask) if each]
    return _gathered(op, tensor, places, axis=axis)


def _one_hot(
    op: Nodes,
    indices: Tensor,
    depth: Any,
    on_value: Any = None,
    off_value: Any = None,
    axis: Any = None,
    dtype: Any = None,
) -> Tensor:
    values = (1 if on_value is None else on_value), (0 if off_value is None else off_value)
    if values != (1, 0) or ((on_value, off_value) != (None, None) and dtype is None):
        told = f"with on_value={on_value!r}, off_value={off_value!r}, dtype={dtype!r}"
        raise Refused(f"{told}: expected 1 and 0, and a dtype")
    kind = known(dtype or "float32")
    places: dict[str, Any] = {"axis": -1 if axis is None else axis, "dtype": kind, "sparse": False}
    depth = whole(depth, "a depth")
    return op("OneHot", indices, result=kind, leads=axis != 0, num_classes=depth, **places)


def _sorted(op: Nodes, values: Tensor, axis: Any = -1, direction: str = "ASCENDING") -> Tensor:
    numbers(values)
    if direction != "ASCENDING":
        raise Refused(f"with direction={direction!r}: expected ASCENDING")
    return op("Sort", values, axis=axes_in(axis, several=False))


def _best(
    op: Nodes, input: Tensor, k: Any = 1, sorted: bool = True, index_type: Any = "int32"
) -> Tensor:
    numbers(input)
    if index_type != "int32" or not sorted:
        told = f"with index_type={index_type!r}, sorted={sorted!r}"
        raise Refused(f"{told}: expected int32 and True")
    return op("TopK", input, leads=input.leads, k=whole(k, "a number"), sorted=True)


def _items(op: Nodes, tensor: Any, slice_spec: Any) -> Any:
    """Entries by numbers and slices, written as Keras 2 writes them."""
    given = slice_spec if isinstance(slice_spec, list) else [slice_spec]
    key = [_part(each) for each in given]
    if isinstance(tensor, Sizes):
        if key == [-1] and tensor.last is not None:
            return tensor.last
        samples = tensor.samples and key == [0]
        return Sizes(samples, several=not (len(key) == 1 and isinstance(key[0], int)))
    return _sliced(op, tensor, key)


def _part(value: Any) -> Any:
    """Returns a number, a slice, None for a new axis, or an ellipsis.

    Raises:
        Refused: there is a tensor in it.
    """
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, Mapping) and value.get("class_name") == "__ellipsis__":
        return Ellipsis
    if isinstance(value, Mapping) and set(value) == {"start", "stop", "step"}:
        ends = [value[key] for key in ("start", "stop", "step")]
        if all(each is None or isinstance(each, int) for each in ends):
            return slice(*ends)
    raise Refused("by places that are tensors")


def _sliced(op: Nodes, tensor: Any, key: list[Any]) -> Tensor:
    """Slices; torch has no negative steps, for which the axis is turned around first."""
    if isinstance(tensor, list):
        tensor = array(tensor)
    behind = (
        [part for part in key[key.index(Ellipsis) + 1 :] if part is not None]
        if (Ellipsis in key)
        else []
    )
    axis, is_behind, found = 0, False, []
    for part in key:
        if part is Ellipsis:
            is_behind, axis = True, -len(behind)
        if isinstance(part, slice) and (part.step or 1) < 0:
            tensor = op("Flip", tensor, axis=axis)
            start, stop = (None if end is None else -end - 1 for end in (part.start, part.stop))
            part = slice(start, stop, -part.step)
        found.append(part)
        axis += part is not None and part is not Ellipsis
    leads = isinstance(tensor, Tensor) and tensor.leads and found[0] in (_ALL, Ellipsis)
    if is_behind and len(found) == 1:
        return op("Copy", tensor)
    told: Any = found if len(found) > 1 else found[0]
    return op("GetItem", tensor, told, leads=leads)


def _strided(
    op: Nodes,
    input_: Tensor,
    begin: Any,
    end: Any,
    strides: Any = None,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
    var: Any = None,
) -> Tensor:
    if any((begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask)):
        raise Refused("with masks: expected none")
    begin, end = whole(begin, "places"), whole(end, "places")
    steps = [1] * len(begin) if strides is None else whole(strides, "steps")
    return _sliced(op, input_, [slice(*each) for each in zip(begin, end, steps, strict=True)])


def _cut(op: Nodes, input_: Tensor, begin: Any, size: Any) -> Tensor:
    begin, size = whole(begin, "places"), whole(size, "sizes")
    pairs = zip(begin, size, strict=True)
    return _sliced(op, input_, [slice(b or None, None if s == -1 else b + s) for b, s in pairs])


ROWS: dict[str, Rule] = {
    "getitem": _items,
    "gather": _gathered,
    "embedding_lookup": _looked_up,
    "boolean_mask": _masked,
    "one_hot": _one_hot,
    "sort": _sorted,
    "top_k": _best,
    "strided_slice": _strided,
    "slice": _cut,
}
