"""Which weight of a file is which weight of the twin: by names, lists or order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from parity.conversions.twin import Twin
from parity.errors import InputError
from torch_impl.weights import match

# --- Which weight of a checkpoint is which weight of the twin, by the objects that hold it --------
#
# A checkpoint of Keras 3 has each variable once, by the shortest way of attributes to it:
#
#     model/_operations/9/_functional/_operations/2/moving_mean    of a model in the model
#     model/_operations/2/forward_layer/cell/kernel
#     model/optimizer/_trainable_variables/4                       the fifth weight that is trained


_LISTS, _TRAINED, _INNER = ("_operations", "_layers"), "_trainable_variables", "_functional"
_END = "/.ATTRIBUTES/VARIABLE_VALUE"


def by_objects(twin: Twin, entries: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Returns the key of each weight of the twin; none if the keys are no such ways, or not all.

    Args:
        twin: of the model.
        entries: of each weight in the file, its "key".
    """
    trained = twin.trained
    found: dict[str, str] = {}
    for each in entries:
        parts = each["key"].removesuffix(_END).split("/")
        if not each["key"].endswith(_END) or (name := _name_of(twin, parts, trained)) is None:
            return {}
        found.setdefault(name, each["key"])
    return found if len(found) == len(entries) else {}


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


# --------------------------------------------------------------------------------------------------
#
# Which weight of a file is which weight of the twin: by names, by lists, or by Keras's own order.
#
# A file names its weights in one of four ways. `.h5` and SavedModels have whole paths, but some old
# `.h5` have names of their own. A checkpoint of Keras 3 has the objects that hold a weight
# (`objects`). A `.weights.h5` has the names of the layers, and numbers the variables of each; older
# ones have only classes and attributes of the layers, in the order of the configuration.


Entry = Mapping[str, Any]  # of a weight in the file: key, holder, name, number, shape


def keys_by_name(twin: Twin, entries: Sequence[Entry]) -> dict[str, str]:
    """Returns the key in the file of each weight of the twin.

    Raises:
        InputError: they are not the same weights.
    """
    named = [each for each in entries if each["name"]]
    found = by_objects(twin, entries)
    if not found:
        found = _by_paths(twin, named) if named else _by_numbers(twin, entries)
    if named and len(found) < len(twin.variables):
        found = _by_order(twin, entries, found) or found
    if not named and len(found) < len(twin.variables):
        structure = _by_structure(twin, entries)
        found = structure if len(structure) > len(found) else found
    shapes = {each["key"]: tuple(each["shape"]) for each in entries}
    missing = [name for name in twin.variables if name not in found]
    unused = [key for key in shapes if key not in found.values()]
    if missing or unused:
        raise InputError(
            "the weights are not those of the configuration: "
            + "; ".join(
                f"{what} {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
                for what, names in (
                    ("there is none for", missing),
                    ("there is no place for", unused),
                )
                if names
            )
        )
    for name, key in found.items():
        if shapes[key] != twin.shape(name):
            raise InputError(
                f"the weight {key} has the shape {shapes[key]}; by the configuration it is "
                f"{twin.shape(name)}"
            )
    return found


def _by_paths(twin: Twin, entries: Sequence[Entry]) -> dict[str, str]:
    """Of a file with whole paths, which may lack outer models and count cells anew."""
    paths = {path: name for name, path in twin.paths.items()}
    found: dict[str, str] = {}
    left: list[tuple[str, Entry]] = []
    for each in entries:
        holder, name = each["holder"], each["name"]
        path = name if "/" in name else f"{holder}/{name}" if holder else name
        if path not in paths:  # of a DepthwiseConv in Keras 2
            path = re.sub(r"/depthwise_kernel$", "/kernel", path)
        if path in paths and paths[path] not in found:
            found[paths[path]] = each["key"]
        else:
            left.append((path, each))
    free = {path: name for path, name in paths.items() if name not in found}
    found |= (whole := _by_ends(left, free, by_kind=False))
    left = [(path, each) for path, each in left if each["key"] not in whole.values()]
    for layer in dict.fromkeys(each["holder"] for _, each in left):
        pairs = [(path, each) for path, each in left if each["holder"] == layer]
        free = {p: n for p, n in paths.items() if n not in found and _is_in(p, layer)}
        found |= _by_ends(pairs, free, by_kind=True)
    return found


def _is_in(path: str, layer: str) -> bool:
    return (
        not layer
        or f"/{path}".find(f"/{layer}/") >= 0
        or layer.partition("/")[0] == path.partition("/")[0]
    )


def _by_ends(
    pairs: Sequence[tuple[str, Entry]], free: Mapping[str, str], *, by_kind: bool
) -> dict[str, str]:
    """Of paths that begin otherwise, or count cells anew; none if they are not told apart."""
    try:
        ends = match([path for path, _ in pairs], list(free), by_kind=by_kind)
    except ValueError:
        ends = {}
    keys = {path: each["key"] for path, each in pairs}
    return {free[target]: keys[path] for path, target in ends.items()}


def _by_order(twin: Twin, entries: Sequence[Entry], found: Mapping[str, str]) -> dict[str, str]:
    """Of a file with other names: layer by layer in the order of both, as Keras itself loads it.

    Source: keras 3.15 `legacy/saving/legacy_h5_format.py` (`load_weights_from_hdf5_group`).

    Args:
        twin: of the model.
        entries: of all weights of the file.
        found: what the names say, with which the order must agree.

    Returns:
        Name of a weight -> key in the file; none if numbers or shapes differ.
    """
    theirs: dict[str, list[Entry]] = {}
    for each in entries:
        theirs.setdefault(each["holder"], []).append(each)
    ours: dict[str, list[str]] = {}
    for name, path in twin.paths.items():
        ours.setdefault(path.partition("/")[0], []).append(name)
    order = [entry["config"].get("name", "") for entry in twin.config["config"]["layers"]]
    layers = [ours[name] for name in order if name in ours]
    if "" in theirs or list(map(len, layers)) != [len(group) for group in theirs.values()]:
        return {}
    made = {}
    for names, group in zip(layers, theirs.values(), strict=True):
        names = sorted(names, key=lambda name: not twin.variables[name].trainable)
        for name, each in zip(names, group, strict=True):
            if tuple(each["shape"]) != twin.shape(name):
                return {}
            made[name] = str(each["key"])
    return made if all(made[name] == key for name, key in found.items()) else {}


def _by_numbers(twin: Twin, entries: Sequence[Entry]) -> dict[str, str]:
    """Of a file with the names of layers and the numbers of their variables."""
    groups = _groups(twin)
    found: dict[str, str] = {}
    for each in entries:
        names = groups.get(each["holder"], [])
        if each["number"] < len(names):
            found.setdefault(names[each["number"]], each["key"])
    return found


def _groups(twin: Twin) -> dict[str, list[str]]:
    """Returns the weights of each holder, in Keras's order."""
    groups: dict[str, list[str]] = {}
    for name, path in twin.paths.items():
        groups.setdefault(path.rpartition("/")[0], []).append(name)
    return groups


def _by_structure(twin: Twin, entries: Sequence[Entry]) -> dict[str, str]:
    """Of a file without names: by the classes of the layers, in the order of the configuration."""
    places = dict(_places(twin.config["config"], "layers", ""))
    groups = _groups(twin)
    found: dict[str, str] = {}
    for each in entries:
        path, _, number = each["key"].rpartition("/vars/")
        prefix = next((p for p in _prefixes(path) if p in places), None)
        if prefix is None or not number.isdecimal():
            continue
        layer, below = places[prefix], path[len(prefix) :].strip("/")
        holders = [h for h in groups if h == layer or h.startswith(f"{layer}/")]
        fitting = [h for h in holders if fits(h[len(layer) :].strip("/"), below)]
        if len(fitting) == 1 and int(number) < len(groups[fitting[0]]):
            found.setdefault(groups[fitting[0]][int(number)], each["key"])
    return found


def _prefixes(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(len(parts), 0, -1)]


def _places(config: Mapping[str, Any], path: str, name: str) -> list[tuple[str, str]]:
    """Returns the group in the file and the name of each layer of a model, by Keras's rule."""
    used: dict[str, int] = {}
    found: list[tuple[str, str]] = []
    for layer in config["layers"]:
        if layer["class_name"] == "InputLayer" and "input_layers" not in config:
            continue  # a Sequential does not count it
        kind = _snake(layer["class_name"])
        count = used[kind] = used.get(kind, -1) + 1
        group = f"{path}/{kind}_{count}" if count else f"{path}/{kind}"
        layer_name = layer.get("name") or layer["config"].get("name", "")
        full = f"{name}/{layer_name}".lstrip("/")
        if "layers" in layer["config"]:
            found += _places(layer["config"], f"{group}/layers", full)
        else:
            found.append((group, full))
    return found


def _snake(name: str) -> str:
    """Returns the name of a class as Keras writes it: source keras 3.15 `utils/naming.py`."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
