"""Layers that make one tensor of several."""

from __future__ import annotations

from typing import Any

from parity.ports.form import Applied, Form, Layout, Row, told
from torch_impl import layers
from torch_impl.keras_config.planned import Planned


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
    return Form(f"{{self}}([{_inputs(call)}])", told(planned), _layout(call))


def _greatest(planned: Planned, call: Applied) -> Form:
    why = "of two equal ones, the first gets the whole gradient"
    return Form(f"{{self}}([{_inputs(call)}])", told(planned), _layout(call), why=why)


def _concatenate(planned: Planned, call: Applied) -> Form:
    return Form(f"torch.cat([{_inputs(call)}], dim={call.axis(planned.named['axis'])})")


def _dot(planned: Planned, call: Applied) -> Form:
    return Form(f"{{self}}([{_inputs(call)}])", told(planned), Layout.LAST)


def _inputs(call: Applied) -> str:
    return ", ".join(f"{{{number}}}" for number in range(len(call.inputs)))


ROWS: dict[Any, Row] = {
    layers.Add: _infix("+"),
    layers.Subtract: _infix("-"),
    layers.Multiply: _infix("*"),
    layers.Average: _average,
    layers.Maximum: _greatest,
    layers.Minimum: _greatest,
    layers.Concatenate: _concatenate,
    layers.Dot: _dot,
}
