"""Which weight of a checkpoint is which weight of the twin, by the objects that hold it.

A checkpoint of Keras 3 has each variable once, by the shortest way of attributes to it:

    model/_operations/9/_functional/_operations/2/moving_mean    of a model in the model
    model/_operations/2/forward_layer/cell/kernel
    model/optimizer/_trainable_variables/4                       the fifth weight that is trained
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from parity.conversions.twin import Twin

_LISTS, _TRAINED, _INNER = ("_operations", "_layers"), "_trainable_variables", "_functional"
_END = "/.ATTRIBUTES/VARIABLE_VALUE"


def by_objects(twin: Twin, told: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Returns the key of each weight of the twin; none if the keys are no such ways, or not all.

    Args:
        twin: of the model.
        told: of each weight in the file, its "key".
    """
    trained = twin.trained
    found: dict[str, str] = {}
    for each in told:
        parts = each["key"].removesuffix(_END).split("/")
        if not each["key"].endswith(_END) or (name := _name_of(twin, parts, trained)) is None:
            return {}
        found.setdefault(name, each["key"])
    return found if len(found) == len(told) else {}


def _name_of(twin: Twin, parts: list[str], trained: Sequence[str]) -> str | None:
    """Returns the weight to which a way leads; None: to none that is known."""
    if len(parts) > 1 and parts[-2] == _TRAINED and parts[-1].isdecimal():
        number = int(parts[-1])
        return trained[number] if number < len(trained) else None
    config: Mapping[str, Any] = twin.config["config"]
    place = next((n for n, part in enumerate(parts) if part in _LISTS), len(parts))
    holder: list[str] = []
    while place + 1 < len(parts) and parts[place] in _LISTS and parts[place + 1].isdecimal():
        layers = config.get("layers") or []
        if int(parts[place + 1]) >= len(layers):
            return None
        layer = layers[int(parts[place + 1])]
        holder.append(str(layer.get("name") or layer["config"].get("name")))
        config, place = layer["config"], place + 2
        place += parts[place : place + 1] == [_INNER]
    if not holder or place >= len(parts):
        return None
    layer_name, inside, last = "/".join(holder), "/".join(parts[place:-1]), parts[-1].lstrip("_")
    fitting = [
        name
        for name, path in twin.paths.items()
        if path.startswith(f"{layer_name}/")
        and path.rpartition("/")[2] == last
        and fits(path[len(layer_name) :].strip("/").rpartition("/")[0], inside)
    ]
    return fitting[0] if len(fitting) == 1 else None


# Attribute of a layer -> the beginning of the name of what is in it.
ATTRIBUTES = {
    "forward_layer": "forward",
    "backward_layer": "backward",
    "query_dense": "query",
    "key_dense": "key",
    "value_dense": "value",
    "output_dense": "attention_output",
    "cell": "",
    "layer": "",
}


def fits(holder: str, attributes: str) -> bool:
    """Whether names of layers in a layer can be those of its attributes, one by one."""
    names = holder.split("/") if holder else []
    parts = attributes.split("/") if attributes else []
    if len(names) != len(parts):
        return False
    return all(
        name.startswith(ATTRIBUTES.get(part.lstrip("_"), part))
        for name, part in zip(names, parts, strict=True)
    )
