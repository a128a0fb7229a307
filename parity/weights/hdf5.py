"""HDF5 from anyone: `.weights.h5`, `.h5` and `.keras`, looked at before they are read."""

from __future__ import annotations

import math
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from parity.files.json_io import read_strict
from parity.weights.stored import (
    MAX_CONFIG,
    MAX_GROWTH,
    MAX_NAME,
    MAX_WEIGHTS,
    SLACK,
    Stored,
    StoredArray,
    check_array,
    widened,
)

# --- HDF5 from anyone: groups, arrays and texts, looked at before they are read -------------------
#
# Only what Keras writes is taken: hard links to groups and to arrays of numbers whose bytes are in
# the file itself. Links to other files, links by name, virtual arrays, arrays that are stored
# outside, groups that contain themselves, and filters other than the library's own are refused.


MAX_DEPTH = 64
MAGIC = b"\x89HDF\r\n\x1a\n"
# What the library raises on damaged bytes.
_DAMAGE = (OSError, RuntimeError, KeyError, TypeError, AttributeError, IndexError, OverflowError)


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Opens a file for the block.

    Raises:
        ValueError: it is damaged, also if that shows inside of the block.
    """
    try:
        with h5py.File(path, "r") as file:
            yield file
    except _DAMAGE as error:
        why = str(error) or type(error).__name__
        raise ValueError(f"damaged HDF5 ({why[:200]})") from None


class Tree:
    """The groups of a file, each of which is entered once.

    Args:
        file: that is open.
    """

    def __init__(self, file: h5py.File) -> None:
        self._visited: set[tuple[int, int]] = set()
        self._count = 0
        self.root = file

    def members(self, group: h5py.Group) -> dict[str, h5py.Group | h5py.Dataset]:
        """Returns what a group holds, by its name, in the order of the names.

        Raises:
            ValueError: something in it is no group and no array of this file, or the group has been
                entered before.
        """
        info = h5py.h5o.get_info(group.id)
        if (place := (info.fileno, info.addr)) in self._visited:
            raise ValueError(f"the group {group.name[:80]!r} is in it twice")
        self._visited.add(place)
        self._count += len(group)
        if self._count > 2 * MAX_WEIGHTS or group.name.count("/") > MAX_DEPTH:
            raise ValueError("its groups are too many, or nested too deep")
        found: dict[str, h5py.Group | h5py.Dataset] = {}
        for name in group:
            if not isinstance(name, str) or len(name) > MAX_NAME or not name.isprintable():
                raise ValueError(f"a group holds the name {str(name)[:60]!r}")
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise ValueError(
                    f"{name[:80]!r} is a {type(link).__name__}; expected what it holds"
                )
            member = group[name]
            if not isinstance(member, h5py.Group | h5py.Dataset):
                raise ValueError(f"{name[:80]!r} is neither a group nor an array")
            found[name] = member
        return found

    def arrays(self, group: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
        """Yields all arrays below a group by their paths below it."""
        for name, member in self.members(group).items():
            if isinstance(member, h5py.Dataset):
                yield name, member
            else:
                for path, array in self.arrays(member):
                    yield f"{name}/{path}", array


def stored_array(
    dataset: h5py.Dataset, *, holder: str, name: str = "", number: int = 0
) -> StoredArray:
    """Returns what a file says of an array; see `StoredArray`.

    Raises:
        ValueError: it is none that Keras writes.
    """
    key = dataset.name.lstrip("/")
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"the numbers of {key[:80]!r} are in another file")
    if dataset.shape is None:
        raise ValueError(f"{key[:80]!r} has no numbers")
    filters = dataset.id.get_create_plist()
    for place in range(filters.get_nfilters()):
        if filters.get_filter(place)[0] > h5py.h5z.FILTER_SCALEOFFSET:  # the last of the library's
            raise ValueError(f"{key[:80]!r} needs a filter that is not the library's own")
    is_half = dataset.dtype.kind == "V" and dataset.dtype.itemsize == 2 and _is_bfloat16(dataset)
    dtype = np.dtype(np.uint16) if is_half else dataset.dtype.newbyteorder("=")
    check_array(key, dataset.shape, dtype, dataset.id.get_storage_size())

    def load() -> np.ndarray:
        array = np.asarray(dataset[()])
        if is_half:
            return widened(array.view(np.uint16))
        return np.ascontiguousarray(array, dtype=dtype).reshape(dataset.shape)

    read_dtype = np.dtype(np.float32) if is_half else dtype
    return StoredArray(key, holder, name, number, tuple(dataset.shape), read_dtype, load)


def _is_bfloat16(dataset: h5py.Dataset) -> bool:
    return "dtype" in dataset.attrs and text_of(dataset, "dtype") == "bfloat16"


def text_of(holder: Any, name: str) -> str | None:
    """Returns an attribute that is a text; None if there is none.

    Raises:
        ValueError: it is something else, or too large.
    """
    if name not in holder.attrs:
        return None
    value = _attribute(holder, name)
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, str):
        return value
    raise ValueError(f"the attribute {name!r} is no text")


def texts_of(holder: Any, name: str) -> list[str]:
    """Returns an attribute that is a list of texts, cut into NAME0, NAME1, ... if it is long.

    Raises:
        ValueError: there is none, or it is something else.
    """
    if name in holder.attrs:
        parts = [_attribute(holder, name)]
    else:
        parts = []
        while (part := f"{name}{len(parts)}") in holder.attrs:
            parts.append(_attribute(holder, part))
        if not parts:
            raise ValueError(f"the attribute {name!r} is missing")
    found = []
    for part in parts:
        if not isinstance(part, np.ndarray) or part.ndim != 1:
            raise ValueError(f"the attribute {name!r} is no list")
        if part.dtype.kind not in "SUO" and len(part):  # an empty one is of real numbers
            raise ValueError(f"the attribute {name!r} is no list of texts")
        for each in part:
            text = each.decode("utf-8") if isinstance(each, bytes) else each
            if not isinstance(text, str) or len(text) > MAX_NAME:
                raise ValueError(f"the attribute {name!r} holds something else than names")
            found.append(text)
    return found


def _attribute(holder: Any, name: str) -> Any:
    attribute = holder.attrs.get_id(name)
    dtype = attribute.dtype
    if math.prod(attribute.shape) * dtype.itemsize > MAX_CONFIG:
        raise ValueError(f"the attribute {name!r} is too large")
    if dtype.hasobject and h5py.check_string_dtype(dtype) is None:
        raise ValueError(f"the attribute {name!r} is no text")
    return holder.attrs[name]


# --------------------------------------------------------------------------------------------------
#
# `.weights.h5` of Keras 3: a group for every layer, by the class of the layer and a number.
#
#     layers/dense_1/vars/0            the variables of a layer by number; the attribute `name`
#         of the
#                                      group `vars` is Keras's name of the layer
#     layers/bidirectional/forward_layer/cell/vars/0      a layer in a layer, by its attribute
#     optimizer/vars/0                 those of the optimizer
#
# Files of the first versions of Keras 3 have no names. Then `holder` is "", and the configuration
# of the model says which layer a group is.


_VARS, _OPTIMIZER = "vars", "optimizer"
# Attributes of layers that are containers, and no layer themselves.
_METRICS = "metrics"  # of Keras 2, beside the layers
_STATES = ("seed_generator",)  # what they hold is the state of a generator, and no weight


def read_weights_h5(path: Path) -> tuple[list[StoredArray], list[StoredArray]]:
    """Returns the weights of a file, and the variables of its optimizer.

    Raises:
        ValueError: it has another form.
    """
    file = h5py.File(path, "r")  # open as long as its arrays are read
    tree = Tree(file)
    weights: list[StoredArray] = []
    slots: list[StoredArray] = []

    def walk(group: h5py.Group, names: tuple[str | None, ...], below: tuple[str, ...]) -> None:
        members = tree.members(group)
        variables = members.pop(_VARS, None)
        if isinstance(variables, h5py.Group):
            if below:
                names = (*names, text_of(variables, "name"))
            _variables(
                tree, variables, names, below, slots if below[:1] == (_OPTIMIZER,) else weights
            )
        elif variables is not None:
            raise ValueError(f"{group.name[:80]!r} has an array {_VARS!r}; expected a group")
        for name, member in members.items():
            if isinstance(member, h5py.Dataset):
                raise ValueError(f"{member.name[:80]!r} is not in a group {_VARS!r}")
            if name not in _STATES and (below or name != _METRICS):
                walk(member, names, (*below, name))

    walk(file, (), ())
    if not weights:
        raise ValueError("it holds no weights")
    return weights, slots


def _variables(
    tree: Tree,
    group: h5py.Group,
    names: tuple[str | None, ...],
    below: tuple[str, ...],
    found: list[StoredArray],
) -> None:
    members = tree.members(group)
    is_known = all(names)
    holder = "/".join(map(str, names)) if is_known else ""
    numbered = {}
    for name, member in members.items():
        if not isinstance(member, h5py.Dataset):
            raise ValueError(f"{member.name[:80]!r} is a group; expected an array")
        if not (name.isascii() and name.isdecimal() and len(name) < 7) or str(int(name)) != name:
            # Layers with a `save_own_variables` of their own name what they save.
            raise ValueError(f"{member.name[:80]!r} has no number; a layer saves it in its own way")
        numbered[int(name)] = member
    if sorted(numbered) != list(range(len(numbered))):
        raise ValueError(
            f"{group.name[:80]!r} lacks variables: it has the numbers {sorted(numbered)[:9]}"
        )
    found += [
        stored_array(numbered[number], holder=holder, number=number)
        for number in range(len(numbered))
    ]


def stored_weights_h5(path: Path) -> Stored:
    """Reads a `.weights.h5`.

    Raises:
        ValueError: it is none.
    """
    with opened(path):  # so that damage is told in one way
        weights, slots = read_weights_h5(path)
    return Stored(".weights.h5", weights, slots)


# --------------------------------------------------------------------------------------------------
#
# `.h5` of Keras 2, and of `model.save("x.h5")` in Keras 3: the names of all variables in lists.
#
#     model_weights  or the root   attribute `layer_names`, and a group for each layer
#     model_weights/dense          attribute `weight_names`: "dense/kernel:0" in Keras 2
#     optimizer_weights            attribute `weight_names`, in the order of the optimizer
#     the root                     attributes `model_config` and `training_config`: JSON
#
# `save_weights("x.h5")` of Keras 2 has the layers in the root, and no configuration.


_MODEL, _OPTIMIZER_OF_LEGACY_H5, _TOP_LEVEL = (
    "model_weights",
    "optimizer_weights",
    "top_level_model_weights",
)


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
    for name in [*names, *([_TOP_LEVEL] if _TOP_LEVEL in layers else [])]:
        group = _group(tree, inner, name)
        weights += _listed(tree, group, "" if name == _TOP_LEVEL else name)
    optimizer = members.get(_OPTIMIZER_OF_LEGACY_H5)
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


# --- The configuration in a `.keras`, which is JSON: without the library for HDF5 -----------------


ZIP_MAGIC = b"PK\3\4"
CONFIG = "config.json"
MAX_MEMBERS, MAX_DIRECTORY = 10_000, 4 * 2**20


def check_directory(path: Path) -> None:
    """Looks at the directory of an archive, which `zipfile` reads whole, whatever its size.

    Raises:
        ValueError: it is too large, or the archive has none.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 22))
        end = file.read(22)
    if len(end) < 22 or end[:4] != b"PK\5\6":
        raise ValueError("it is cut off, or something follows the end of the archive")
    number, size = int.from_bytes(end[10:12], "little"), int.from_bytes(end[12:16], "little")
    if number > MAX_MEMBERS or size > MAX_DIRECTORY:
        raise ValueError(f"its directory has {number:,} members and {size:,} bytes")


def config_in(archive: zipfile.ZipFile) -> dict[str, Any]:
    """Returns the configuration of a model, with what it was compiled with.

    Raises:
        ValueError: there is none.
    """
    check_member(archive, CONFIG, MAX_CONFIG)
    if archive.getinfo(CONFIG).file_size > MAX_CONFIG:
        raise ValueError(f"{CONFIG} claims {archive.getinfo(CONFIG).file_size:,} bytes")
    config = read_strict(archive.read(CONFIG), MAX_CONFIG)
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict):
        raise ValueError(f"{CONFIG} is not the configuration of a model")
    return config


def check_member(archive: zipfile.ZipFile, name: str, most: int) -> None:
    """Looks at what the directory of an archive says of a member, before it is read.

    Args:
        archive: that is open.
        name: of the member.
        most: bytes that it may have, compressed.

    Raises:
        ValueError: there is none, or it claims too much.
    """
    if archive.namelist().count(name) != 1:
        raise ValueError(f"it has no {name}, or two of them")
    entry = archive.getinfo(name)
    if entry.flag_bits & 0x1:
        raise ValueError(f"{name} is encrypted")
    if entry.compress_size > most or entry.file_size > MAX_GROWTH * entry.compress_size + SLACK:
        raise ValueError(
            f"{name} claims {entry.file_size:,} bytes, compressed to {entry.compress_size:,}"
        )


# --- `.keras`: a zip archive with `config.json`, `metadata.json` and `model.weights.h5` -----------
#
# Its members are looked at by the directory of the archive before any is read. What lies beside the
# three, such as the vocabulary of a layer in `assets/`, is not read.


WEIGHTS = "model.weights.h5"


def stored_keras_archive(path: Path, folder: Path) -> Stored:
    """Reads a `.keras`.

    Args:
        path: of the file.
        folder: private, for the weights while they are read.

    Raises:
        ValueError: it is none.
    """
    check_directory(path)
    with zipfile.ZipFile(path) as archive:
        config = config_in(archive)
        check_member(archive, WEIGHTS, path.stat().st_size)
        weights = folder / WEIGHTS
        with archive.open(WEIGHTS) as source, weights.open("xb") as target:
            shutil.copyfileobj(source, target, 2**20)  # no longer than the directory says
    compiled: Any = config.get("compile_config")
    arrays, slots = read_weights_h5(weights)
    return Stored(".keras", arrays, slots, config, compiled if isinstance(compiled, dict) else None)
