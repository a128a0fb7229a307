"""A torch module for each Keras layer, from the layer's entry in a model's config."""

from __future__ import annotations

from torch import nn

from torch_impl.keras_config.graph import Config, name_of
from torch_impl.keras_config.rows import (
    activation,
    attention,
    convolution,
    core,
    merging,
    normalization,
    pooling,
    preprocessing,
    recurrent,
    regularization,
    residual,
    shaping,
)
from torch_impl.keras_config.rows.entry import Entry, Row, dtype_of

BUILDERS: dict[str, Row] = {
    **core.ROWS,
    **activation.ROWS,
    **convolution.ROWS,
    **pooling.ROWS,
    **normalization.ROWS,
    **regularization.ROWS,
    **preprocessing.ROWS,
    **shaping.ROWS,
    **merging.ROWS,
    **recurrent.ROWS,
    **attention.ROWS,
    **residual.ROWS,
}


def build_layer(layer: Config) -> nn.Module:
    """Returns the module for one layer of a model's config.

    Raises:
        ValueError: the layer or one of its settings is unknown.
    """
    kind, config = layer["class_name"], layer["config"]
    if kind in preprocessing.NOT_OFFERED:
        advice = "not offered; put it in front of the model, and give both halves what it makes"
        raise ValueError(f"layer {name_of(layer)!r} of class {kind!r}: {advice}")
    if kind not in BUILDERS:
        raise ValueError(f"layer {name_of(layer)!r} of class {kind!r}: expected {sorted(BUILDERS)}")
    if config.get("data_format", "channels_last") == "channels_first":
        message = "data_format='channels_first': expected 'channels_last'"
        raise ValueError(f"layer {name_of(layer)!r} with {message}")
    try:
        module = BUILDERS[kind](Entry(layer, build_layer))
    except ValueError as error:
        raise ValueError(f"layer {name_of(layer)!r} of class {kind!r}: {error}") from None
    module.to(dtype_of(config))
    if not config.get("trainable", True):
        module.requires_grad_(False)
    return module
