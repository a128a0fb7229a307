"""FORMS: the table of all families, and the form of a planned module by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from parity.ports import form
from parity.ports.form import Applied, Form, Layout, Row, without_defaults
from parity.ports.forms import entries, sequences
from parity.ports.forms import layers as activation
from torch_impl import layers
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.rows.entry import Activated, KerasLayer

FORMS: Mapping[Any, Row] = {
    **activation.ROWS,
    **activation.ROWS_OF_ACTIVATION,
    **activation.ROWS_OF_CONVOLUTION,
    **activation.ROWS_OF_POOLING,
    **activation.ROWS_OF_NORMALIZATION,
    **sequences.ROWS_OF_SHAPING,
    **sequences.ROWS_OF_MERGING,
    **sequences.ROWS,
    **activation.ROWS_OF_ATTENTION,
    **sequences.CUSTOM_ROWS,
}


def form_of(planned: Planned, call: Applied, *, masked: bool = False) -> Form:
    """Returns how the call of a module is written.

    A class without a row is a part of `torch_impl`, with the arguments that the plan has.

    Args:
        planned: the module.
        call: what is known of the call.
        masked: whether the module gets masks, which the part of `torch_impl` takes. They are not
            in the form.
    """
    if planned.kind is layers.SpectralNormalization and not masked:
        return _around(planned, call)
    if planned.kind not in (KerasLayer, Activated):
        return _inner(planned, call, Layout.LAST, masked)
    given = planned.named
    takes = Layout.LAST if planned.kind is Activated else Layout.FIRST
    inside, after = _inner(given["layer"], call, takes, masked), given.get("activation")
    return inside if after is None else _activated(inside, after, call)


def operation_of(called: form.Operation, call: Applied) -> Form:
    """Returns how the call of an operation of keras.ops is written."""
    return entries.ROWS_OF_OPERATIONS.get(called.name, form.other)(called, call)


def _inner(planned: Planned, call: Applied, takes: Layout, masked: bool) -> Form:
    """Returns the form by the table, or that of a part of `torch_impl`, which takes a layout."""
    if planned.kind in FORMS and (not masked or planned.kind in sequences.CUSTOM_ROWS):
        return FORMS[planned.kind](planned, call)
    return _form_of_part(planned, call, takes)


def _form_of_part(planned: Planned, call: Applied, takes: Layout) -> Form:
    """Returns the form of a part of `torch_impl`, which gives its output as it takes its inputs."""
    if call.rank == 2 and len(call.output) == 2:
        takes = Layout.ANY
    inputs = ", ".join(f"{{{number}}}" for number in range(len(call.inputs)))
    inputs = f"[{inputs}]" if call.listed else inputs
    if planned.kind is layers.Bidirectional:
        made = sequences.both_ways(planned, masked=True)
    elif planned.kind is layers.MultiHeadAttention:
        made = activation.multi_head(planned)
    else:
        made = without_defaults(planned)
    return Form(f"{{self}}({inputs})", made, takes)


def _around(planned: Planned, call: Applied) -> Form:
    """Returns the form of a layer around the module of another one, whose activation stays."""
    inner, iterations, name = planned.arguments
    form = form_of(inner, call)
    made = form.made
    depthwise = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
    if inner.kind is KerasLayer and inner.named["layer"].kind in depthwise:
        made = without_defaults(
            inner.named["layer"]
        )  # its kernel has other axes than a grouped one of torch
    if made is None:
        raise ValueError(f"{name!r} in it has no module")
    why = "the kernel itself is divided, as in Keras"
    given = {} if iterations == 1 else {"power_iterations": iterations}
    return replace(form, made=Planned(planned.kind, made, **given, name=name), why=why)


def _activated(inside: Form, after: Planned, call: Applied) -> Form:
    """Returns a form with an activation around it."""
    gives = inside.gives or inside.takes
    if gives is Layout.ANY:
        gives = call.layout
    outer = form_of(after, Applied((call.output,), call.output, gives, call.ends))
    text = inside.text if inside.is_atom else f"({inside.text})"
    if outer.takes is Layout.LAST and gives is Layout.FIRST:
        text += ".transpose(1, 2)" if len(call.output) == 3 else ".movedim(1, -1)"
        gives = Layout.LAST
    elif outer.takes not in (Layout.ANY, gives):
        raise ValueError(f"activation {after.named}: expected one for each value")
    notes = [note for note in (inside.note, outer.note) if note]
    text = outer.text.replace("{0}", text)
    return replace(inside, text=text, gives=gives, note="; ".join(notes))
