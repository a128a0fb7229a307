"""Rules of operations that reshape or choose entries, and the table of all rules."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from parity.weights.tf_operations import elementwise
from parity.weights.tf_operations.elementwise import Rule, axes_in, keeps_samples, known
from parity.weights.tf_operations.nodes import (
    NUMBERS,
    Nodes,
    Refused,
    Sizes,
    Tensor,
    array,
    beside,
    dtype_of,
    floats,
    number_of,
    numbers,
)

# --- Rules of operations that give tensors another shape, join them, or take them apart -----------


_POOLED = {"VALID": "valid", "SAME": "same"}


def _shape(op: Nodes, input: Tensor, out_type: Any = None) -> Sizes:
    """A shape is no node: Keras 3 computes with the numbers themselves."""
    return Sizes(samples=input.leads, several=True, last=input.last)


def _sizes(shape: Any) -> list[Any]:
    """Returns a shape of numbers and `Sizes`.

    Raises:
        Refused: it is a tensor.
    """
    if isinstance(shape, int):
        shape = [shape]
    parts = shape if isinstance(shape, list) else [None]
    if not all(isinstance(e, int) or (isinstance(e, Sizes) and not e.several) for e in parts):
        raise Refused("with a shape that is a tensor")
    return parts


def whole(value: Any, name: str) -> Any:
    """Returns a number, or a list of numbers or of such lists.

    Raises:
        Refused: there are tensors in it.
    """
    if isinstance(value, list):
        return [whole(each, name) for each in value]
    if not isinstance(value, int):
        raise Refused(f"with {name} that are tensors: expected numbers")
    return value


def _reshaped(op: Nodes, tensor: Tensor, shape: Any) -> Tensor:
    """One number that is known at run time only is found by the others, as -1 is."""
    sizes = _sizes(shape)
    is_open = [isinstance(each, Sizes) or each == -1 for each in sizes]
    is_led = bool(sizes) and isinstance(sizes[0], Sizes) and sizes[0].samples and tensor.leads
    if sum(is_open) <= 1:
        target = [-1 if o else size for o, size in zip(is_open, sizes, strict=True)]
        return op("Reshape", tensor, leads=is_led, last=_known(target[-1:]), newshape=target)
    if is_led and sum(is_open) == 2:
        rest = [-1 if o else size for o, size in zip(is_open[1:], sizes[1:], strict=True)]
        floats(tensor)
        dtype, last = str(dtype_of(tensor)), _known(rest[-1:])
        return op.layer("Reshape", tensor, dtype, last, target_shape=rest)
    raise Refused("with several sizes that are known only when the model is run")


def _known(sizes: list[int]) -> int | None:
    """Returns the size in a list of one, if it is a number of entries."""
    return sizes[0] if sizes and sizes[0] > 0 else None


def _transposed(op: Nodes, a: Tensor, perm: Any = None, conjugate: bool = False) -> Tensor:
    axes = None if perm is None else whole(perm, "perm")
    leads = a.leads and isinstance(axes, list) and axes[:1] == [0]
    stays = isinstance(axes, list) and axes[-1:] == [len(axes) - 1]
    return op("Transpose", a, leads=leads, last=a.last if stays else None, axes=axes)


def _expanded(op: Nodes, input: Tensor, axis: Any) -> Tensor:
    axis = axes_in(axis, several=False)
    return op("ExpandDims", input, leads=input.leads and keeps_samples(axis), axis=axis)


def _squeezed(op: Nodes, input: Tensor, axis: Any = None) -> Tensor:
    axis = axes_in(axis)
    if isinstance(axis, list):
        axis = axis[0] if len(axis) == 1 else axis
    return op("Squeeze", input, leads=input.leads and keeps_samples(axis), axis=axis)


def _joined(kind: str) -> Rule:
    def rule(op: Nodes, values: Any, axis: Any = 0) -> Any:
        axis = axes_in(axis, several=False)
        if not isinstance(values, list):
            raise Refused("of one tensor: expected a list")
        if kind == "Stack" and all(isinstance(each, int | Sizes) for each in values):
            return values  # a shape
        if any(isinstance(each, Sizes) for each in values):
            raise Refused("of a size that is known only when the model is run")
        return op(kind, beside(*values), leads=keeps_samples(axis) or False, axis=axis)

    return rule


def _parts(
    op: Nodes, value: Tensor, num_or_size_splits: Any, axis: Any = 0, num: Any = None
) -> Tensor:
    axis = axes_in(axis, several=False)
    sizes = whole(num_or_size_splits, "sizes")
    if isinstance(sizes, list):
        if -1 in sizes[:-1]:
            raise Refused("with -1 before the last size")
        sizes = list(accumulate(sizes[:-1]))
    leads = value.leads and keeps_samples(axis)
    return op("Split", value, leads=leads, indices_or_sections=sizes, axis=axis)


def _unstacked(op: Nodes, value: Tensor, num: Any = None, axis: Any = 0) -> Tensor:
    axis = axes_in(axis, several=False)
    return op("Unstack", value, leads=value.leads and keeps_samples(axis), num=num, axis=axis)


def _tiled(op: Nodes, input: Tensor, multiples: Any) -> Tensor:
    repeats = whole(multiples, "multiples")
    return op("Tile", input, leads=input.leads and repeats[:1] == [1], repeats=repeats)


def _padded(
    op: Nodes, tensor: Tensor, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0
) -> Tensor:
    widths, mode = whole(paddings, "paddings"), str(mode).lower()
    if mode not in ("constant", "reflect", "symmetric"):
        raise Refused(f"with mode={mode!r}: expected CONSTANT, REFLECT or SYMMETRIC")
    given = {"constant_values": constant_values} if mode == "constant" and constant_values else {}
    leads = tensor.leads and widths[:1] == [[0, 0]]
    return op("Pad", tensor, leads=leads, given=given, pad_width=widths, mode=mode)


def _broadcast(op: Nodes, input: Tensor, shape: Any) -> Tensor:
    return op("BroadcastTo", input, leads=False, shape=whole(shape, "sizes"))


def _reversed(op: Nodes, tensor: Tensor, axis: Any) -> Tensor:
    for each in whole(axis if isinstance(axis, list) else [axis], "axes"):
        tensor = op("Flip", tensor, axis=each)
    return tensor


def _flipped(axis: int) -> Rule:
    return lambda op, image: op("Flip", image, axis=axis)


def _rolled(op: Nodes, input: Tensor, shift: Any, axis: Any) -> Tensor:
    arguments = {"shift": whole(shift, "shifts"), "axis": whole(axis, "axes")}
    return op("Roll", input, **arguments)


def _repeated(op: Nodes, input: Tensor, repeats: Any, axis: Any = None) -> Tensor:
    axis = axes_in(axis, several=False)
    leads = input.leads and keeps_samples(axis)
    return op("Repeat", input, leads=leads, repeats=whole(repeats, "repeats"), axis=axis)


def _blocks(kind: str) -> Rule:
    def rule(op: Nodes, input: Tensor, block_size: int, data_format: str = "NHWC") -> Tensor:
        if data_format != "NHWC":
            raise Refused(f"with data_format={data_format!r}: expected NHWC")
        settings: dict[str, Any] = {"block_size": block_size, "data_format": "channels_last"}
        return op(kind, input, leads=input.leads, **settings)

    return rule


def _pooled(kind: str) -> Rule:
    def rule(
        op: Nodes, input: Tensor, ksize: Any, strides: Any, padding: Any, data_format: Any = None
    ) -> Tensor:
        floats(input)
        if data_format not in (None, "NHWC") or padding not in _POOLED:
            problem = f"with data_format={data_format!r}, padding={padding!r}"
            raise Refused(f"{problem}: expected channels last, and SAME or VALID")
        window: dict[str, Any] = {"pool_size": _window(ksize), "strides": _window(strides)}
        window |= {"padding": _POOLED[padding], "data_format": "channels_last"}
        return op(kind, input, **window)

    return rule


def _window(size: Any) -> int | list[int]:
    """Returns the size of a window, told as n, [n], [n, m] or [1, n, m, 1].

    Raises:
        Refused: it is none of them.
    """
    found = whole(size, "sizes")
    if isinstance(found, int):
        return found
    if len(found) == 4 and found[0] == found[3] == 1:
        found = found[1:3]
    if len(found) not in (1, 2):
        raise Refused(f"with a window {size!r}: expected that of images")
    return found[0] if len(found) == 1 else list(found)


def _resized(
    op: Nodes,
    images: Tensor,
    size: Any,
    method: str = "bilinear",
    preserve_aspect_ratio: bool = False,
    antialias: bool = False,
) -> Tensor:
    """As Keras's layer, which gives rows and columns to the same function of TensorFlow."""
    floats(images)
    size = whole(size, "sizes")
    if method not in ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5"):
        raise Refused(f"with method={method!r}, which Keras 3 has not")
    if preserve_aspect_ratio or not isinstance(size, list) or len(size) != 2:
        raise Refused("with preserve_aspect_ratio: expected rows and columns")
    return op.layer(
        "Resizing",
        images,
        str(dtype_of(images)) if method == "nearest" else "float32",  # as TensorFlow returns
        height=size[0],
        width=size[1],
        interpolation=method,
        crop_to_aspect_ratio=False,
        pad_to_aspect_ratio=False,
        fill_mode="constant",
        fill_value=0.0,
        antialias=bool(antialias),
        data_format="channels_last",
    )


ROWS: dict[str, Rule] = {
    "shape": _shape,
    "reshape": _reshaped,
    "transpose": _transposed,
    "expand_dims": _expanded,
    "squeeze": _squeezed,
    "concat": _joined("Concatenate"),
    "stack": _joined("Stack"),
    "unstack": _unstacked,
    "split": _parts,
    "tile": _tiled,
    "pad": _padded,
    "broadcast_to": _broadcast,
    "reverse": _reversed,
    "roll": _rolled,
    "repeat": _repeated,
    "depth_to_space": _blocks("DepthToSpace"),
    "space_to_depth": _blocks("SpaceToDepth"),
    "avg_pool": _pooled("AveragePool"),
    "avg_pool2d": _pooled("AveragePool"),
    "max_pool": _pooled("MaxPool"),
    "max_pool2d": _pooled("MaxPool"),
    "image.resize": _resized,
    "image.flip_left_right": _flipped(-2),
    "image.flip_up_down": _flipped(-3),
}


# --- Rules of operations that choose entries: by place, by order, by a slice ----------------------


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
        problem = f"with on_value={on_value!r}, off_value={off_value!r}, dtype={dtype!r}"
        raise Refused(f"{problem}: expected 1 and 0, and a dtype")
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
        problem = f"with index_type={index_type!r}, sorted={sorted!r}"
        raise Refused(f"{problem}: expected int32 and True")
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
    trailing = (
        [part for part in key[key.index(Ellipsis) + 1 :] if part is not None]
        if (Ellipsis in key)
        else []
    )
    axis, is_trailing, found = 0, False, []
    for part in key:
        if part is Ellipsis:
            is_trailing, axis = True, -len(trailing)
        if isinstance(part, slice) and (part.step or 1) < 0:
            tensor = op("Flip", tensor, axis=axis)
            start, stop = (None if end is None else -end - 1 for end in (part.start, part.stop))
            part = slice(start, stop, -part.step)
        found.append(part)
        axis += part is not None and part is not Ellipsis
    leads = isinstance(tensor, Tensor) and tensor.leads and found[0] in (_ALL, Ellipsis)
    if is_trailing and len(found) == 1:
        return op("Copy", tensor)
    index: Any = found if len(found) > 1 else found[0]
    return op("GetItem", tensor, index, leads=leads)


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


ROWS_OF_SELECTION: dict[str, Rule] = {
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


# --- The table: what stands for a function of TensorFlow, by its name -----------------------------


# By TensorFlow's name as `plain_name` returns it.
TABLE: dict[str, elementwise.Rule] = {
    **elementwise.ROWS,
    **elementwise.ROWS_OF_REDUCTIONS,
    **ROWS,
    **ROWS_OF_SELECTION,
}
# TensorFlow has a function in several of these, and one name of it stands in a file.
_SPACES = ("math.", "nn.", "linalg.", "__operators__.")
_OF_SIZES = ("add", "subtract", "multiply", "floordiv", "floor_div")  # numbers of a shape
_WITH_SIZES = ("reshape", "stack", "getitem")


def plain_name(function: str) -> str:
    """Returns the name of a function without the space of names that it is in."""
    name = function.removeprefix("compat.v1.")
    for space in _SPACES:
        name = name.removeprefix(space)
    return name


def applied(op: Nodes, function: str, first: Any, given: Mapping[str, Any]) -> Any:
    """Returns what an operation returns, with its nodes in `op`.

    Args:
        op: gets the nodes.
        function: TensorFlow's name, such as "math.multiply".
        first: its first argument.
        given: the others by name. None, and a name of the operation, say nothing.

    Raises:
        Refused: Keras 3 has nothing that computes the same.
    """
    name = plain_name(function)
    is_number = isinstance(first, int | float) and not _has([given], Tensor | Sizes)
    if name in NUMBERS and is_number:
        others = [each for key, each in given.items() if key != "name"]
        return number_of(name, [first, *others])
    rule = TABLE.get(name)
    if rule is None:
        raise Refused("for which Keras 3 has no operation that is known to compute the same")
    _, tensor, *others = inspect.signature(rule).parameters.values()
    known = {each.name: each for each in others}
    arguments = {k: v for k, v in given.items() if k != "name" and (k in known or v is not None)}
    for key, value in arguments.items():
        if key not in known:
            raise Refused(f"with {key}={value!r}: expected no such argument"[:200])
    needed = [e for e in others if e.default is e.empty and e.kind is not e.VAR_POSITIONAL]
    lacking = [f"argument {each.name!r}" for each in needed if each.name not in arguments]
    if lacking or not _has([first, arguments], Tensor | Sizes):
        raise Refused(f"whose {[*lacking, 'tensors'][0]} Keras 2 did not write into the file")
    if name not in _WITH_SIZES and _has([first, arguments], Sizes):
        if name in _OF_SIZES and not _has([first, arguments], Tensor):
            return Sizes()
        raise Refused("of a size that is known only when the model is run")
    if tensor.annotation == "Tensor" and not isinstance(first, Tensor | Sizes):
        raise Refused("of a constant: expected a tensor")
    try:
        return rule(op, first, **arguments)
    except (TypeError, ValueError, AttributeError, IndexError) as error:  # of any file
        raise Refused("with arguments that TensorFlow does not take") from error


def _has(value: Any, kind: Any) -> bool:
    """Whether there is one of a class among the values in nested lists and dicts."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        return any(_has(each, kind) for each in value)
    return isinstance(value, kind)
