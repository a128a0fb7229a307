"""Recurrent layers, layers that merge or shape tensors, positions, and custom layers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from parity.ports.form import Applied, Form, Layout, Row, arguments, even, without_defaults
from torch_impl import layers
from torch_impl.keras_config.custom import Calling, CustomLayer, Lambda
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.rows.activation import MaskedBy
from torch_impl.keras_config.rows.core import KerasFlatten
from torch_impl.keras_config.rows.recurrent import ConvRecurrent
from torch_impl.layers.sizes import as_tuple

# --- Recurrent layers, whose inputs are sequences of features or of images ------------------------


ONE_BIAS = "one bias, as in Keras"


def _recurrent(planned: Planned, call: Applied) -> Form:
    inputs = ", ".join(f"{{{number}}}" for number in range(len(call.inputs)))
    return Form(
        f"{{self}}({inputs})", _unmasked(without_defaults(planned)), Layout.LAST, why=ONE_BIAS
    )


def _unmasked(planned: Planned) -> Planned:
    """Returns a layer without what it does where a mask leaves steps out."""
    settings = {k: v for k, v in planned.settings.items() if k != "zero_output_for_mask"}
    return Planned(planned.kind, *planned.arguments, **settings)


def both_ways(planned: Planned, *, masked: bool) -> Planned:
    """Returns a Bidirectional without what it has by default."""
    first, second, merge_mode, names = without_defaults(planned).arguments
    inside = [first, second] if masked else [_unmasked(first), _unmasked(second)]
    given = {} if merge_mode == "concat" else {"merge_mode": merge_mode}
    return Planned(planned.kind, *inside, **given, names=tuple(names))


def _both_ways(planned: Planned, call: Applied) -> Form:
    return replace(_recurrent(planned, call), made=both_ways(planned, masked=False))


def _of_images(planned: Planned, call: Applied) -> Form:
    """A layer over (N, T, C, H, W): channels come behind the steps."""
    text = "{self}({0}.movedim(-1, 2))"
    if len(call.output) == call.rank:
        return Form(f"{text}.movedim(2, -1)", without_defaults(planned.named["layer"]), Layout.LAST)
    return Form(text, without_defaults(planned.named["layer"]), Layout.LAST, Layout.FIRST)


ROWS: dict[Any, Row] = {
    layers.LSTM: _recurrent,
    layers.GRU: _recurrent,
    layers.SimpleRNN: _recurrent,
    layers.RNN: _recurrent,
    layers.Bidirectional: _both_ways,
    ConvRecurrent: _of_images,
}


# --- Layers that make one tensor of several -------------------------------------------------------


def _layout(call: Applied) -> Layout:
    """Tensors of other numbers of axes are broadcast in Keras's layout."""
    return Layout.ANY if len({len(shape) for shape in call.inputs}) == 1 else Layout.LAST


def _infix(sign: str) -> Row:
    def row(planned: Planned, call: Applied) -> Form:
        if _layout(call) is not Layout.ANY:
            return _listed(planned, call)
        text = f" {sign} ".join(f"{{{number}}}" for number in range(len(call.inputs)))
        return Form(text)

    return row


def _average(planned: Planned, call: Applied) -> Form:
    if _layout(call) is not Layout.ANY:
        return _listed(planned, call)
    total = " + ".join(f"{{{number}}}" for number in range(len(call.inputs)))
    return Form(f"({total}) / {len(call.inputs)}")


def _listed(planned: Planned, call: Applied) -> Form:
    return Form(f"{{self}}([{_inputs(call)}])", without_defaults(planned), _layout(call))


def _greatest(planned: Planned, call: Applied) -> Form:
    why = "of two equal ones, the first gets the whole gradient"
    return Form(f"{{self}}([{_inputs(call)}])", without_defaults(planned), _layout(call), why=why)


def _concatenate(planned: Planned, call: Applied) -> Form:
    return Form(f"torch.cat([{_inputs(call)}], dim={call.axis(planned.named['axis'])})")


def _dot(planned: Planned, call: Applied) -> Form:
    return Form(f"{{self}}([{_inputs(call)}])", without_defaults(planned), Layout.LAST)


def _inputs(call: Applied) -> str:
    return ", ".join(f"{{{number}}}" for number in range(len(call.inputs)))


ROWS_OF_MERGING: dict[Any, Row] = {
    layers.Add: _infix("+"),
    layers.Subtract: _infix("-"),
    layers.Multiply: _infix("*"),
    layers.Average: _average,
    layers.Maximum: _greatest,
    layers.Minimum: _greatest,
    layers.Concatenate: _concatenate,
    layers.Dot: _dot,
}


# --- Layers that give a tensor another shape ------------------------------------------------------


def _flatten(planned: Planned, call: Applied) -> Form:
    shape = call.inputs[0]
    if len(shape) == 1:
        return Form("{0}.unsqueeze(1)")
    if len(shape) == 2:
        return Form("{0}")
    if call.layout is not Layout.FIRST or set(shape[1:-1]) == {1} or shape[-1] == 1:
        return Form("{0}.flatten(1)")
    order = "(H, W, C)" if len(shape) == 4 else "(..., C)"
    return Form("{0}.movedim(1, -1).flatten(1)", note=f"Keras's order, {order}")


def _reshape(planned: Planned, call: Applied) -> Form:
    target = tuple(planned.named["target_shape"])
    first = "len({0})" if -1 in target else "-1"
    sizes = ", ".join([first, *map(str, target)])
    return Form(f"{{0}}.reshape({sizes})", None, Layout.LAST)


def _permute(planned: Planned, call: Applied) -> Form:
    dims = tuple(planned.named["dims"])
    text = "{0}.transpose(1, 2)" if dims == (2, 1) else f"{{0}}.permute({arguments(0, *dims)})"
    return Form(text, None, Layout.LAST)


def _repeat(planned: Planned, call: Applied) -> Form:
    return Form(f"{{0}}.unsqueeze(1).expand(-1, {planned.named['n']}, -1)")


def _pairs(value: Any, rank: int) -> list[tuple[int, int]]:
    """Returns (before, after) of each axis of what Keras's padding or cropping may be."""
    if isinstance(value, int):
        return [(value, value)] * rank
    if rank == 1 and all(isinstance(part, int) for part in value):
        return [(value[0], value[-1])]
    return [(part, part) if isinstance(part, int) else (part[0], part[1]) for part in value]


def _padding(planned: Planned, call: Applied) -> Form:
    pairs = _pairs(planned.named["padding"], call.rank - 2)
    amounts = tuple(number for pair in reversed(pairs) for number in pair)  # the last axis first
    return Form(f"F.pad({{0}}, {arguments(amounts)})", None, Layout.FIRST)


def _cropping(planned: Planned, call: Applied) -> Form:
    pairs = _pairs(planned.named["cropping"], call.rank - 2)
    parts = [f"{before or ''}:{-after if after else ''}" for before, after in pairs]
    return Form(f"{{0}}[:, :, {', '.join(parts)}]", None, Layout.FIRST)


def _upsampling(planned: Planned, call: Applied) -> Form:
    given, rank = planned.named, call.rank - 2
    if given.get("interpolation", "nearest") != "nearest":
        # Keras rounds what it makes of whole numbers, which may reach a port as real ones.
        text = "{self}({0}).round()" if call.whole else "{self}({0})"
        return Form(
            text, without_defaults(planned), Layout.FIRST, why="TensorFlow's weights of pixels"
        )
    factor = even(as_tuple(given["size"], rank, "size"))
    return Form(f"F.interpolate({{0}}, {arguments(scale_factor=factor)})", None, Layout.FIRST)


ROWS_OF_SHAPING: dict[Any, Row] = {
    KerasFlatten: _flatten,
    layers.Reshape: _reshape,
    layers.Permute: _permute,
    layers.RepeatVector: _repeat,
    layers.ZeroPadding: _padding,
    layers.Cropping: _cropping,
    layers.UpSampling: _upsampling,
}


# --------------------------------------------------------------------------------------------------
#
# An array that a layer is called on, as the counting that made it: positions of a sequence.


def counted(array: torch.Tensor) -> str | None:
    """Returns the `torch.arange` that gives an array, with axes of one place around it.

    Args:
        array: of any dtype and shape.

    Returns:
        The expression, in which "{0}" is a tensor of the network; None: the array is no counting of
        whole numbers in equal steps, or has one number.
    """
    sides = [axis for axis, side in enumerate(array.shape) if side > 1]
    if array.is_floating_point() or array.dtype == torch.bool or len(sides) != 1:
        return None
    numbers = array.flatten().tolist()
    start, step = numbers[0], numbers[1] - numbers[0]
    if step == 0 or numbers != list(range(start, start + step * len(numbers), step)):
        return None
    ends = [str(numbers[-1] + step)]
    if start != 0 or step != 1:
        ends = [str(start), *ends]
    if step != 1:
        ends.append(str(step))
    text = f"torch.arange({', '.join(ends)}, device={{0}}.device)"
    places = [":" if axis == sides[0] else "None" for axis in range(array.ndim)]
    while places[-1] == ":" and len(places) > 1:
        places.pop()
    return text if places == [":"] else f"{text}[{', '.join(places)}]"


# --------------------------------------------------------------------------------------------------
#
# Layers and functions of the user's own: the call of a stub, or of a function in the same file.


def _custom_inputs(call: Applied) -> str:
    if call.nest:
        return call.nest
    inputs = ", ".join(f"{{{number}}}" for number in range(len(call.inputs)))
    return f"[{inputs}]" if call.listed else inputs


def _layer(planned: Planned, call: Applied) -> Form:
    """A class whose forward is as Keras's call: with channels last."""
    made = planned.arguments[0].written
    if made is None:
        raise ValueError("it cannot be written")
    return Form(f"{{self}}({_custom_inputs(call)})", without_defaults(made), Layout.LAST)


def _calling(planned: Planned, call: Applied) -> Form:
    return Form(f"{planned.arguments[0].name}({{0}})")


def _lambda(planned: Planned, call: Applied) -> Form:
    function = planned.arguments[0]
    more = arguments(**function.arguments)
    text = f"{function.name}({_custom_inputs(call)}{', ' if more else ''}{more})"
    return replace(_calling(planned, call), text=text, takes=Layout.LAST)


def _masked(planned: Planned, call: Applied) -> Form:
    return Form("{0}")  # whoever takes the mask is told it


CUSTOM_ROWS: dict[Any, Row] = {
    CustomLayer: _layer,
    Calling: _calling,
    Lambda: _lambda,
    MaskedBy: _masked,
}
