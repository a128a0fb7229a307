"""Layers and functions of the user's own: the call of a stub, or of a function in the same file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from parity.ports.form import Applied, Form, Layout, Row, arguments, told
from torch_impl.keras_config.custom import Calling, CustomLayer, Lambda
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.rows.masking import MaskedBy


def _inputs(call: Applied) -> str:
    if call.nest:
        return call.nest
    inputs = ", ".join(f"{{{number}}}" for number in range(len(call.inputs)))
    return f"[{inputs}]" if call.listed else inputs


def _layer(planned: Planned, call: Applied) -> Form:
    """A class whose forward is as Keras's call: with channels last."""
    made = planned.arguments[0].written
    if made is None:
        raise ValueError("it cannot be written")
    return Form(f"{{self}}({_inputs(call)})", told(made), Layout.LAST)


def _calling(planned: Planned, call: Applied) -> Form:
    return Form(f"{planned.arguments[0].name}({{0}})")


def _lambda(planned: Planned, call: Applied) -> Form:
    function = planned.arguments[0]
    more = arguments(**function.arguments)
    text = f"{function.name}({_inputs(call)}{', ' if more else ''}{more})"
    return replace(_calling(planned, call), text=text, takes=Layout.LAST)


def _masked(planned: Planned, call: Applied) -> Form:
    return Form("{0}")  # whoever takes the mask is told it


ROWS: dict[Any, Row] = {
    CustomLayer: _layer,
    Calling: _calling,
    Lambda: _lambda,
    MaskedBy: _masked,
}
