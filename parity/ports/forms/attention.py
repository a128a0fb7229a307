"""Attention, with the arguments that a person writes."""

from __future__ import annotations

from typing import Any

from parity.ports.form import Applied, Form, Layout, Row, told
from torch_impl import layers
from torch_impl.keras_config.planned import Planned


def multi_head(planned: Planned) -> Planned:
    """Returns the layer without what follows from its other arguments."""
    given = dict(told(planned).settings)
    query, value = tuple(given["query_shape"]), tuple(given.get("value_shape", ()))
    if tuple(given.get("key_shape", value)) == value:
        given.pop("key_shape", None)
        if value == query:
            given.pop("value_shape", None)
    if given.get("value_dim") == given["key_dim"]:
        del given["value_dim"]
    if given.get("attention_axes") == tuple(range(1, len(query))):
        del given["attention_axes"]
    heads, size = given.pop("num_heads"), given.pop("key_dim")
    return Planned(planned.kind, heads, size, given.pop("query_shape"), **given)


def _multi_head(planned: Planned, call: Applied) -> Form:
    inputs = ", ".join(f"{{{number}}}" for number in range(len(call.inputs)))
    return Form(f"{{self}}({inputs})", multi_head(planned), Layout.LAST)


ROWS: dict[Any, Row] = {layers.MultiHeadAttention: _multi_head}
