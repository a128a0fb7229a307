"""Recurrent layers, whose inputs are sequences of features or of images."""

from __future__ import annotations

from typing import Any

from torch_impl import layers
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.rows.recurrent import ConvRecurrent
from torch_impl.source.form import Applied, Form, Layout, Row, told

ONE_BIAS = "one bias, as in Keras"


def _recurrent(planned: Planned, call: Applied) -> Form:
    inputs = ", ".join(f"{{{number}}}" for number in range(len(call.inputs)))
    return Form(f"{{self}}({inputs})", told(planned), Layout.LAST, why=ONE_BIAS)


def _of_images(planned: Planned, call: Applied) -> Form:
    """A layer over (N, T, C, H, W): channels come behind the steps."""
    text = "{self}({0}.movedim(-1, 2))"
    if len(call.output) == call.rank:
        return Form(f"{text}.movedim(2, -1)", told(planned.named["layer"]), Layout.LAST)
    return Form(text, told(planned.named["layer"]), Layout.LAST, Layout.FIRST)


ROWS: dict[Any, Row] = {
    layers.LSTM: _recurrent,
    layers.GRU: _recurrent,
    layers.SimpleRNN: _recurrent,
    ConvRecurrent: _of_images,
}
