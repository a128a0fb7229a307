"""The settings that a layer's config has for one of its weights: `kernel_regularizer` and others.

A weight has a name, such as "kernel" or "lstm_cell/recurrent_kernel". Settings of wrapped layers
are in the config of the wrapped layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch_impl.keras_config.graph import Config

# End of the path of a weight -> beginnings of the names of its settings, the first that is there.
_STEMS = {
    "kernel": ("kernel", "depthwise"),
    "recurrent_kernel": ("recurrent",),
    "depthwise_kernel": ("depthwise",),
    "pointwise_kernel": ("pointwise",),
    "reverse_embeddings": ("embeddings",),
}


_INSIDE = ("cell", "layer", "backward_layer")


def holder(layer: Config, path: str) -> Mapping[str, Any]:
    """Returns the settings of the layer or cell that holds a weight, inside of wrappers.

    Args:
        layer: its entry in the config of a model.
        path: of the weight below the layer.
    """
    config: Mapping[str, Any] = layer["config"]
    names = path.split("/")
    while parts := [config[key] for key in _INSIDE if config.get(key)]:
        named = [part for part in parts if part["config"]["name"] in names]
        config = (named or parts)[0]["config"]
        if "cells" in config:
            config = next(c["config"] for c in config["cells"] if c["config"]["name"] in names)
    return config


def setting(config: Mapping[str, Any], path: str, ending: str) -> tuple[str, Any] | None:
    """Returns a setting of a weight, as (its name, its config); None if there is none.

    Args:
        config: settings of the layer that holds the weight.
        path: of the weight.
        ending: "initializer", "regularizer" or "constraint".
    """
    short = path.rpartition("/")[2]
    if short == "reverse_embeddings" and ending != "initializer":
        return None  # Keras gives it no other setting of the table
    for stem in _STEMS.get(short, (short,)):
        name = f"{stem}_{ending}"
        if config.get(name) is not None:
            return name, config[name]
    return None


def given(layer: Config, *endings: str) -> Iterator[tuple[str, str]]:
    """Yields (name of the layer, name of the setting) of each setting that is not None.

    Args:
        layer: its entry in the config of a model; layers and cells in it are read, too.
        *endings: of the names of the settings.
    """
    config = layer["config"]
    for name, value in config.items():
        if value is not None and name.endswith(tuple(f"_{ending}" for ending in endings)):
            yield config.get("name", ""), name
    for part in [config[name] for name in _INSIDE if config.get(name)] + config.get("cells", []):
        yield from given(part, *endings)
