"""Activations, as layers and as settings, and masks of what the user's code returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from torch_impl import layers
from torch_impl.keras_config.custom import Calling, found, function_names
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.rows.entry import Entry, Row, plain, planned

# --- Activations, as layers and as settings of other layers ---------------------------------------


# Those without weights, which may also be the activation of another layer.
SIMPLE: dict[str, Row] = {
    "ReLU": plain(layers.ReLU, "max_value", "negative_slope", "threshold"),
    "LeakyReLU": plain(layers.LeakyReLU, "negative_slope"),
    "ELU": plain(layers.ELU, "alpha"),
    "Softmax": plain(layers.Softmax, "axis"),
}


def activation_of(entry: Entry) -> Planned | None:
    """Returns the activation of a layer's config, which is a name or a layer; None for linear.

    Keras writes some functions of keras.ops by the name of another one in keras.activations: a
    gelu of keras.ops approximates, and its name means the exact one, in Keras too. In what `parity
    port` records it has its module.

    Raises:
        ValueError: it is an object of another class, or a function that is not Keras's.
    """
    value = entry.config.get("activation")
    if value in (None, "linear"):
        return None
    function = found(entry.custom, [f"{entry.name}/activation", *function_names(value)])
    if function is not None:
        return Planned(Calling, function)
    if isinstance(value, str):
        return Planned(layers.Activation, value)
    kind = value.get("class_name")
    if _is_approximate(value):
        return Planned(layers.Activation, "gelu", approximate=True)
    if kind in SIMPLE:
        return planned(SIMPLE[kind], Entry(value, entry.build, entry.custom))
    if kind in (None, "__lambda__"):
        raise ValueError(
            "activation is a lambda, which a config has not: expected a name, or "
            f"custom={{'{entry.name}/activation': function}}"
        )
    if kind == "function":
        raise ValueError(
            f"activation is the function {value['config']!r}, which a config has not: expected a "
            f"name of keras.activations, or custom={{{value['config']!r}: function}}"
        )
    raise ValueError(f"activation of class {kind!r}: expected a name")


def function_of(entry: Entry, name: str) -> str | nn.Module | None:
    """Returns an activation of a layer's config: its name, or a module that computes it.

    Args:
        entry: the layer.
        name: of the setting, "recurrent_activation" for example.

    Raises:
        ValueError: it is an object of another class, or a function that is not Keras's.
    """
    value = entry.config[name]
    if value is None:
        return value
    function = found(entry.custom, [f"{entry.name}/{name}", *function_names(value)])
    if function is not None:
        return Calling(function)
    if isinstance(value, str):
        return value
    if _is_approximate(value):
        return layers.Activation("gelu", approximate=True)
    if value["class_name"] in SIMPLE:
        row = SIMPLE[value["class_name"]]
        made: nn.Module = planned(row, Entry(value, entry.build)).build()
        return made
    raise ValueError(
        f"{name} of class {value['class_name']!r}: expected a name, or "
        f"custom={{'{entry.name}/{name}': function}}"
    )


def _is_approximate(value: Mapping[str, Any]) -> bool:
    """Whether a function is the gelu of keras.ops."""
    return (value.get("module"), value.get("config")) == ("keras.ops", "gelu")


def _prelu(entry: Entry) -> Planned:
    return Planned(layers.PReLU, entry.shape[1:], entry.config["shared_axes"])


ROWS: dict[str, Row] = {
    **SIMPLE,
    "Activation": lambda entry: activation_of(entry) or Planned(nn.Identity),
    "PReLU": _prelu,
}


# --- The mask that Keras gives to what code of the user's returns ---------------------------------


class MaskedBy(nn.Module):
    """Returns a tensor, whose mask is another one; the network around it gives masks on."""

    def forward(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """Returns the first of (tensor, mask)."""
        return inputs[0]

    def compute_mask(self, inputs: Sequence[torch.Tensor], mask: object) -> torch.Tensor:
        """Returns the second one."""
        return inputs[1]


ROWS_OF_MASKING: dict[str, Row] = {"MaskedBy": lambda entry: Planned(MaskedBy)}
