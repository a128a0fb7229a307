"""`.h5` of Keras 2, and of `model.save("x.h5")` in Keras 3: the names of all variables in lists.

    model_weights  or the root   attribute `layer_names`, and a group for each layer
    model_weights/dense          attribute `weight_names`: "dense/kernel:0" in Keras 2
    optimizer_weights            attribute `weight_names`, in the order of the optimizer
    the root                     attributes `model_config` and `training_config`: JSON

`save_weights("x.h5")` of Keras 2 has the layers in the root, and no configuration.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py

from parity.files.strict_json import read_strict
from parity.weights.hdf5 import Tree, stored_array, text_of, texts_of
from parity.weights.stored import MAX_CONFIG, Stored, StoredArray

_MODEL, _OPTIMIZER, _OWN = "model_weights", "optimizer_weights", "top_level_model_weights"


def is_one(file: h5py.File) -> bool:
    """Whether an HDF5 file has this form."""
    return _MODEL in file or any(name.startswith("layer_names") for name in file.attrs)


def stored_legacy_h5(path: Path) -> Stored:
    """Reads a legacy `.h5`.

    Raises:
        ValueError: it is none.
    """
    file = h5py.File(path, "r")  # open as long as its arrays are read
    if not is_one(file):
        raise ValueError("it has no list of layers")
    tree = Tree(file)
    members = tree.members(file)
    root = members.get(_MODEL, file)
    if not isinstance(root, h5py.Group):
        raise ValueError(f"{_MODEL!r} is no group")
    layers = tree.members(root) if _MODEL in members else members
    names = texts_of(root, "layer_names")
    weights: list[StoredArray] = []
    inner: dict[str, dict[str, h5py.Group | h5py.Dataset]] = {"": layers}
    for name in [*names, *([_OWN] if _OWN in layers else [])]:
        group = _group(tree, inner, name)
        weights += _listed(tree, group, "" if name == _OWN else name)
    optimizer = members.get(_OPTIMIZER)
    slots = _listed(tree, optimizer, "") if isinstance(optimizer, h5py.Group) else []
    config, compiled = _json_of(file, "model_config"), _json_of(file, "training_config")
    weights = [each for each in weights if not _is_state(each)]
    if not weights:
        raise ValueError("it holds no weights")
    return Stored(".h5", weights, slots, config, compiled)


def _group(
    tree: Tree, inner: dict[str, dict[str, h5py.Group | h5py.Dataset]], name: str
) -> h5py.Group:
    """Returns the group of a layer, which is in others if its name has slashes, as in Keras 1.

    Args:
        tree: of the file.
        inner: what groups hold, by their paths; those on the way are added.
        name: of the layer: "conv1/bn".
    """
    above, _, last = name.rpartition("/")
    if above not in inner:
        inner[above] = tree.members(_group(tree, inner, above))
    group = inner[above].get(last)
    if not isinstance(group, h5py.Group):
        raise ValueError(f"there is no group of the layer {name[:80]!r}")
    return group


def _is_state(array: StoredArray) -> bool:
    return array.name.rpartition("/")[2] == "seed_generator_state"


def _listed(tree: Tree, group: h5py.Group, layer: str) -> list[StoredArray]:
    """Returns the arrays that a group names, in the order of its list."""
    arrays = dict(tree.arrays(group))
    found = []
    for number, name in enumerate(texts_of(group, "weight_names")):
        if name not in arrays:
            raise ValueError(f"there is no array {name[:80]!r} in {group.name[:80]!r}")
        path = name.removesuffix(":0")
        found.append(stored_array(arrays.pop(name), holder=layer, name=path, number=number))
    if arrays:
        raise ValueError(
            f"{group.name[:80]!r} has arrays that its list lacks: {sorted(arrays)[0][:80]!r}"
        )
    return found


def _json_of(file: h5py.File, name: str) -> dict[str, Any] | None:
    text = text_of(file, name)
    if text is None:
        return None
    value = read_strict(text.encode("utf-8"), MAX_CONFIG)
    if not isinstance(value, dict):
        raise ValueError(f"the attribute {name!r} is no JSON object")
    return value
