"""FORMS: the table of all families, and the form of a planned module by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.rows.modules import Activated, KerasLayer
from torch_impl.keras_config.rows.preprocessing import ImageLayer
from torch_impl.source.form import Applied, Form, Layout, Row, told
from torch_impl.source.forms import (
    activation,
    convolution,
    core,
    merging,
    normalization,
    operations,
    pooling,
    recurrent,
    shaping,
)

FORMS: Mapping[Any, Row] = {
    **core.ROWS,
    **activation.ROWS,
    **convolution.ROWS,
    **pooling.ROWS,
    **normalization.ROWS,
    **shaping.ROWS,
    **merging.ROWS,
    **recurrent.ROWS,
}


def form_of(planned: Planned, call: Applied, *, masked: bool = False) -> Form:
    """Returns how the call of a module is written.

    A class without a row is a part of `torch_impl`, with the arguments that the plan has.

    Args:
        planned: the module.
        call: what is known of the call.
        masked: whether the module is told masks, which the part of `torch_impl` takes. They are not
            in the form.
    """
    if planned.kind not in (KerasLayer, Activated, ImageLayer):
        return _inner(planned, call, Layout.LAST, masked)
    given = planned.named
    takes = Layout.LAST if planned.kind is Activated else Layout.FIRST
    inside, after = _inner(given["layer"], call, takes, masked), given.get("activation")
    return inside if after is None else _activated(inside, after, call)


def operation_of(operation: operations.Operation, call: Applied) -> Form:
    """Returns how the call of an operation of keras.ops is written."""
    return operations.ROWS.get(operation.name, operations.other)(operation, call)


def _inner(planned: Planned, call: Applied, takes: Layout, masked: bool) -> Form:
    """Returns the form by the table, or that of a part of `torch_impl`, which takes a layout."""
    if planned.kind in FORMS and not masked:
        return FORMS[planned.kind](planned, call)
    return _own(planned, call, takes)


def _own(planned: Planned, call: Applied, takes: Layout) -> Form:
    """Returns the form of a part of `torch_impl`, which gives its output as it takes its inputs."""
    if call.rank == 2 and len(call.output) == 2:
        takes = Layout.ANY
    inputs = ", ".join(f"{{{number}}}" for number in range(len(call.inputs)))
    inputs = f"[{inputs}]" if call.listed else inputs
    return Form(f"{{self}}({inputs})", told(planned), takes)


def _activated(inside: Form, after: Planned, call: Applied) -> Form:
    """Returns a form with an activation around it."""
    gives = inside.gives or inside.takes
    if gives is Layout.ANY:
        gives = call.layout
    outer = form_of(after, Applied((call.output,), call.output, gives, call.ends))
    if outer.takes not in (Layout.ANY, gives):
        raise ValueError(f"activation {after.named}: expected one for each value")
    text = outer.text.replace("{0}", inside.text if inside.is_atom else f"({inside.text})")
    notes = [note for note in (inside.note, outer.note) if note]
    return replace(inside, text=text, note="; ".join(notes))
