"""Dense layers, embeddings, and layers that scale their input."""

from __future__ import annotations

from torch import nn

from torch_impl import layers
from torch_impl.keras_config.rows.activation import activation_of
from torch_impl.keras_config.rows.entry import Entry, Row
from torch_impl.keras_config.rows.modules import Activated, plain


def _dense(entry: Entry) -> nn.Module:
    dense = nn.Linear(entry.shape[-1], entry.config["units"], bias=entry.config["use_bias"])
    activation = activation_of(entry)
    return dense if activation is None else Activated(dense, activation)


def _embedding(entry: Entry) -> nn.Module:
    if entry.config.get("mask_zero"):
        raise ValueError("mask_zero=True: expected False, since there are no masks")
    return layers.Embedding(entry.config["input_dim"], entry.config["output_dim"])


ROWS: dict[str, Row] = {
    "Dense": _dense,
    "Embedding": _embedding,
    "ActivityRegularization": lambda entry: nn.Identity(),
    "Identity": lambda entry: nn.Identity(),
    "Rescaling": plain(layers.Rescaling, "scale", "offset"),
}
