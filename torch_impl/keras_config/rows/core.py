"""Dense layers, embeddings, and layers that scale their input."""

from __future__ import annotations

from torch import nn

from torch_impl import layers
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.rows.activation import activation_of
from torch_impl.keras_config.rows.entry import Entry, Row
from torch_impl.keras_config.rows.modules import Activated, plain


def _dense(entry: Entry) -> Planned:
    dense = Planned(
        nn.Linear, entry.shape[-1], entry.config["units"], bias=entry.config["use_bias"]
    )
    activation = activation_of(entry)
    return dense if activation is None else Planned(Activated, dense, activation)


def _embedding(entry: Entry) -> Planned:
    return Planned(layers.Embedding, **entry.pick("input_dim", "output_dim", "mask_zero"))


def _weight(entry: Entry) -> Planned:
    return Planned(layers.Weight, tuple(entry.config["shape"]))


ROWS: dict[str, Row] = {
    "HeldWeight": _weight,
    "Dense": _dense,
    "Embedding": _embedding,
    "ActivityRegularization": lambda entry: Planned(nn.Identity),
    "Masking": plain(layers.Masking, "mask_value"),
    "Identity": lambda entry: Planned(nn.Identity),
    "Rescaling": plain(layers.Rescaling, "scale", "offset"),
}
