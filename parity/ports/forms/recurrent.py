"""Recurrent layers, whose inputs are sequences of features or of images."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from parity.ports.form import Applied, Form, Layout, Row, told
from torch_impl import layers
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.rows.recurrent import ConvRecurrent

ONE_BIAS = "one bias, as in Keras"


def _recurrent(planned: Planned, call: Applied) -> Form:
    inputs = ", ".join(f"{{{number}}}" for number in range(len(call.inputs)))
    return Form(f"{{self}}({inputs})", _unmasked(told(planned)), Layout.LAST, why=ONE_BIAS)


def _unmasked(planned: Planned) -> Planned:
    """Returns a layer without what it does where a mask leaves steps out."""
    settings = {k: v for k, v in planned.settings.items() if k != "zero_output_for_mask"}
    return Planned(planned.kind, *planned.arguments, **settings)


def both_ways(planned: Planned, *, masked: bool) -> Planned:
    """Returns a Bidirectional without what it has by default."""
    first, second, merge_mode, names = told(planned).arguments
    inside = [first, second] if masked else [_unmasked(first), _unmasked(second)]
    given = {} if merge_mode == "concat" else {"merge_mode": merge_mode}
    return Planned(planned.kind, *inside, **given, names=tuple(names))


def _both_ways(planned: Planned, call: Applied) -> Form:
    return replace(_recurrent(planned, call), made=both_ways(planned, masked=False))


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
    layers.RNN: _recurrent,
    layers.Bidirectional: _both_ways,
    ConvRecurrent: _of_images,
}
