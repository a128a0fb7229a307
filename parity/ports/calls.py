"""How a call is written that has more than its inputs: settings by name, operations, masks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from parity.ports.form import Applied, Form, Layout, keyword, literal
from parity.ports.forms.held import counted
from parity.ports.forms.operation import Operation
from parity.ports.table import operation_of
from parity.ports.wrapping import scanned
from torch_impl.arrays import Array
from torch_impl.keras_config.builders import plan_layer
from torch_impl.keras_config.graph import (
    Call,
    Constant,
    Tensor,
    fill,
    is_held_array,
    tensors_in,
)
from torch_impl.keras_config.planned import Planned

ARRAY = "{self}.value"  # the array in the graph, which a module holds
# A tensor and an array, of which one number may stand in the source.
_ARITHMETIC = re.compile(
    rf"(\{{0\}} [-+*/] {re.escape(ARRAY)})|({re.escape(ARRAY)} [-+*/] \{{0\}})"
)
CUSTOM = "custom"  # the user's own layers and functions, in an entry of a config that knows them


def operation(layer: Any, call: Call) -> Operation:
    """Returns the call of an operation of keras.ops.

    Raises:
        ValueError: it has a tensor by name.
    """
    settings = {key: value for key, value in layer["config"].items() if key != "name"}
    if not isinstance(settings.get("dtype"), str):  # a policy, or none, and not a setting of `cast`
        settings.pop("dtype", None)
    count = 0

    def source(value: Any) -> str:
        nonlocal count
        if isinstance(value, Constant):
            return ARRAY
        if isinstance(value, Tensor):
            count += 1
            return f"{{{count - 1}}}"
        if isinstance(value, list | tuple) and tensors_in(value):
            return f"[{', '.join(map(source, value))}]"
        return literal(value)

    texts = [source(value) for value in call.arguments]
    values = fill(
        call.arguments, lambda value: None if isinstance(value, Tensor | Constant) else value
    )
    options = {key: value for key, value in call.options.items() if not tensors_in([value])}
    if len(options) < len(call.options):
        raise ValueError("a tensor that is given by name is not written yet")
    return Operation(layer["class_name"], texts, values, {**settings, **options})


def form_of_operation(
    layer: Any, call: Call, applied: Applied, constants: Sequence[torch.Tensor]
) -> tuple[Form, torch.Tensor | None]:
    """Returns how the call of an operation is written, and the array that its module holds.

    Args:
        layer: the entry of the operation.
        call: of it.
        applied: what is known of the call.
        constants: the arrays of the graph.

    Raises:
        ValueError: it has several arrays, or a tensor by name.
    """
    given = constants_of(call)
    if not given:
        return operation_of(operation(layer, call), applied), None
    array = constants[given[0].number]
    dtype = None if array.is_floating_point() else array.dtype
    made = Planned(Array, tuple(array.shape), **({} if dtype is None else {"dtype": dtype}))
    if is_held_array(layer):
        text = counted(array)
        if text is not None:
            return Form(text, None, Layout.ANY, Layout.LAST), None
        form = Form(ARRAY, None, Layout.ANY, Layout.LAST)
    else:
        last = replace(applied, layout=Layout.LAST)
        form = replace(operation_of(operation(layer, call), last), takes=Layout.LAST)
    if form.text.count(ARRAY) != 1 or len(given) > 1:
        raise ValueError("an array in its arguments is not written yet")
    if array.ndim == 0 and dtype is None and _ARITHMETIC.fullmatch(form.text):
        return Form(form.text.replace(ARRAY, literal(array.item())), None, Layout.ANY), None
    return replace(form, made=made, why="of the Keras program"), array


def constants_of(call: Call) -> list[Constant]:
    """Returns the arrays among the arguments of a call."""
    found: list[Constant] = []
    fill(
        [call.arguments, call.options],
        lambda value: found.append(value) if isinstance(value, Constant) else None,
    )
    return found


def called_with(form: Form, planned: Planned, call: Call, options: Mapping[str, Any]) -> Form:
    """Returns the form of a layer that is called with more than its inputs."""
    if form.text.count("{self}") != 1 or "{0}" not in form.text:
        raise ValueError(f"its call with {sorted(options)} is not written yet")
    count = 0
    parts = []
    for value in call.arguments:
        if not tensors_in([value]):
            raise ValueError("its arguments are not tensors alone, which is not written yet")
        parts.append(source_of(value, count))
        count += len(tensors_in([value]))
    for name, value in options.items():
        if value is not None or tensors_in([value]):
            parts.append(keyword(name, source_of(value, count)))
            count += len(tensors_in([value]))
    return replace(form, text=f"{{self}}({', '.join(parts)})")


def source_of(value: Any, first: int = 0) -> str:
    """Returns the source of an argument, with "{0}", "{1}" for its tensors, in their order.

    Args:
        value: a tensor, a plain value, or a nest of these.
        first: number of the first tensor.
    """
    if isinstance(value, Tensor):
        return f"{{{first}}}"
    if not isinstance(value, list | tuple | Mapping) or not tensors_in([value]):
        return literal(value)
    parts = []
    for each in value.values() if isinstance(value, Mapping) else value:
        parts.append(source_of(each, first))
        first += len(tensors_in([each]))
    if isinstance(value, Mapping):
        named = zip(value, parts, strict=True)
        return f"{{{', '.join(f'{literal(key)}: {part}' for key, part in named)}}}"
    return f"[{', '.join(parts)}]"


def nest_of(call: Call) -> str:
    """Returns the source of the first argument of a call that is more than a list of tensors."""
    first = call.arguments[0] if call.arguments else None
    entries = first if isinstance(first, list | tuple) else [first]
    return "" if all(isinstance(each, Tensor | Constant) for each in entries) else source_of(first)


def mask_of(call: Call) -> str:
    """Returns the source of the mask that a stub makes for its output."""
    return f"{{self}}.compute_mask({source_of(call.arguments[0])})"


def with_argument(text: str, argument: str) -> str:
    """Returns a call of a module with one more argument."""
    start = text.index("{self}(") + len("{self}")
    depth, told = 0, scanned(text)
    for place in range(start, len(text)):
        depth += (told[place] in "([") - (told[place] in ")]")
        if depth == 0:
            return f"{text[:place]}, {argument}{text[place:]}"
    raise ValueError(f"{text!r}: expected the call of a module")


def has_any(values: Any) -> bool:
    """Whether some value is not None."""
    return any(value is not None for value in values)


def plan_inside(layer: Any) -> Any:
    """Plans a layer inside of another one."""
    if "layers" in layer["config"]:
        raise ValueError(f"a model inside of a layer, {layer['config']['name']!r}")
    return plan_layer(layer, plan_inside, layer.get(CUSTOM, {}))
