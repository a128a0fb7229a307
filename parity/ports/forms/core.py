"""Dense layers, embeddings, and layers that draw."""

from __future__ import annotations

from typing import Any

from torch import nn

from parity.ports.form import Applied, Form, Layout, Row, told
from torch_impl import layers
from torch_impl.keras_config.planned import Planned

_MASKS = "Keras's masks, from its seed"
_NOISE = "Keras's noise, from its seed"


def _linear(planned: Planned, call: Applied) -> Form:
    given = planned.named
    bias = {} if given["bias"] else {"bias": False}
    made = Planned(nn.Linear, given["in_features"], given["out_features"], **bias)
    return Form("{self}({0})", made, Layout.LAST)


def _embedding(planned: Planned, call: Applied) -> Form:
    given = planned.named
    made = Planned(nn.Embedding, given["input_dim"], given["output_dim"])
    text = "{self}({0})" if call.whole else "{self}({0}.long())"
    return Form(text, made, Layout.ANY, Layout.LAST)


def _weight(planned: Planned, call: Applied) -> Form:
    return Form("{self}.value", planned, Layout.ANY, Layout.LAST)


def dropping(planned: Planned, call: Applied) -> Form:
    """The form of a layer that draws in Keras's layout, whatever that of its input."""
    settings = {name: value for name, value in planned.settings.items() if value is not None}
    if not settings.get("seed"):
        settings.pop("seed", None)
    names = [name for name in planned.named if name in settings]
    first, *others = names
    given = {name: settings[name] for name in others}
    is_last = call.rank > 2 and call.layout is Layout.LAST
    if is_last:
        given["channels_last"] = True
    made = Planned(planned.kind, settings[first], **given)
    is_noise = planned.kind in (layers.GaussianNoise, layers.GaussianDropout)
    layout, why = Layout.LAST if is_last else Layout.ANY, _NOISE if is_noise else _MASKS
    return Form("{self}({0})", made, layout, why=why)


def _rescaling(planned: Planned, call: Applied) -> Form:
    numbers = (planned.named["scale"], planned.named["offset"])
    is_alike = all(isinstance(number, int | float) for number in numbers)  # for all channels
    return Form("{self}({0})", told(planned), Layout.ANY if is_alike else Layout.LAST)


def _depth(planned: Planned, call: Applied) -> Form:
    return Form("{self}({0})", told(planned))  # it drops whole samples


ROWS: dict[Any, Row] = {
    nn.Linear: _linear,
    layers.Rescaling: _rescaling,
    layers.StochasticDepth: _depth,
    layers.Embedding: _embedding,
    layers.Weight: _weight,
    **dict.fromkeys(
        (
            *(layers.Dropout, layers.SpatialDropout, layers.AlphaDropout),
            *(layers.GaussianNoise, layers.GaussianDropout),
        ),
        dropping,
    ),
}
