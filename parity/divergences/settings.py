"""Different settings of paired layers, from the configurations of both halves.

Numbers prove the first divergence; there may be others after it. The configuration of a Keras layer
and the attributes of a module can be compared for the whole model. The differences are hints, not
a verdict, since a module may use its settings differently than their names suggest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from parity.divergences.evidence import differs

if TYPE_CHECKING:
    from parity.traces.trace import Trace

_WINDOWED = frozenset(("conv", "depthwise_conv", "conv_transpose", "max_pool", "average_pool"))


@dataclass(frozen=True)
class Setting:
    """One different setting.

    Attributes:
        id: ID of the divergence.
        name: Keras's name of the setting.
        keras: its value in Keras.
        torch: its value in the port, in Keras's convention.
        layers: (Keras's layer, the port's layer) of all pairs with these values.
    """

    id: str
    name: str
    keras: Any
    torch: Any
    layers: tuple[tuple[str, str], ...]


def differing_settings(keras: Trace, port: Trace) -> list[Setting]:
    """Compares the settings of all paired layers.

    Args:
        keras: the results of Keras.
        port: the results of the port.

    Returns:
        A row per setting and pair of values, in the order in which they first occur.
    """
    nodes = {node["name"]: node for node in keras.facts["nodes"]}
    calls = {call["name"]: call for call in port.facts["nodes"]}
    found: dict[tuple[str, str, str, str], list[tuple[str, str]]] = {}
    values: dict[tuple[str, str, str, str], tuple[Any, Any]] = {}
    for keras_name, torch_name in port.facts["pairs"]:
        node, call = nodes[keras_name], calls[torch_name]
        settings = port.facts["settings"].get(torch_name, {})
        for name, theirs, ours, identity in _pairs(node, call, settings):
            if differs(theirs, ours):
                key = (identity, name, repr(theirs), repr(ours))
                found.setdefault(key, []).append((keras_name, torch_name))
                values[key] = (theirs, ours)
    return [
        Setting(key[0], key[1], *values[key], layers=tuple(layers)) for key, layers in found.items()
    ]


def _pairs(
    node: Mapping[str, Any], call: Mapping[str, Any], settings: Mapping[str, Any]
) -> Iterator[tuple[str, Any, Any, str]]:
    """Yields (name, Keras's value, the port's, ID of the divergence) of comparable settings."""
    config, kind = node["config"], node["kind"]
    is_stock = str(settings.get("class", "")).startswith("torch.nn.")
    if kind in _WINDOWED:
        yield "strides", config.get("strides"), settings.get("stride"), "A18"
        yield "dilation_rate", config.get("dilation_rate"), settings.get("dilation"), "A18"
        yield "kernel_size", config.get("kernel_size"), settings.get("kernel_size"), "A15"
        yield "groups", config.get("groups"), settings.get("groups"), "A15"
    if kind == "batch_norm":
        epsilon = settings.get("eps", settings.get("epsilon"))
        yield "epsilon", config.get("epsilon"), epsilon, "C1"
        momentum = settings.get("momentum")
        if is_stock and isinstance(momentum, float):
            momentum = round(1 - momentum, 12)  # torch's momentum is the weight of the new value
        yield "momentum", config.get("momentum"), momentum, "C2"
    elif kind in ("layer_norm", "group_norm"):
        yield "epsilon", config.get("epsilon"), settings.get("eps", settings.get("epsilon")), "A13"
    if kind == "dropout":
        yield "rate", config.get("rate"), call.get("rate"), "C6"
    if kind == "activation:leaky_relu":
        yield "negative_slope", config.get("negative_slope"), settings.get("negative_slope"), "A13"
    has_bias = any(name.endswith(".bias") for name in node["weights"])
    if node["weights"] and call["weights"] and kind in (*_WINDOWED, "dense"):
        yield "use_bias", has_bias, "bias" in call["weights"], "A11"
