"""Rules of operations that give tensors another shape, join them, or take them apart."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from parity.weights.tf_operations.elementwise import Rule
from parity.weights.tf_operations.nodes import (
    Nodes,
    Refused,
    Sizes,
    Tensor,
    beside,
    dtype_of,
    floats,
)
from parity.weights.tf_operations.reductions import axes_in, keeps_samples

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
        told = [-1 if o else size for o, size in zip(is_open, sizes, strict=True)]
        return op("Reshape", tensor, leads=is_led, last=_known(told[-1:]), newshape=told)
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
    told = {"shift": whole(shift, "shifts"), "axis": whole(axis, "axes")}
    return op("Roll", input, **told)


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
            told = f"with data_format={data_format!r}, padding={padding!r}"
            raise Refused(f"{told}: expected channels last, and SAME or VALID")
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
