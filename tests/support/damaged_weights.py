"""Damaged and hostile files of weights, drawn from a seed: (name, path) for each.

    for name, path in damaged(files, folder, 200): ...

Most are changed at random: cut off, with other bits, other bytes, a part twice. The others are
made: other JSON, dtypes and shapes, pickled code, links, archives that grow.
"""

import json
import random
import shutil
import zipfile
from functools import partial
from pathlib import Path

import h5py
import numpy as np

SEED = 20261128
FORMS = ("rows.keras", "rows.weights.h5", "rows.h5", "rows_saved_model")


def damaged(files: Path, folder: Path, count: int):
    """Yields name and path of `count` files, each written when it is asked for."""
    made = list(MADE)
    for number in range(count):
        draw = random.Random(SEED + number)
        form = FORMS[number % len(FORMS)]
        if number % 4 == 3 and number // 4 < len(made):
            name = made[number // 4]
            path = folder / f"{number}-{name.replace(' ', '-')}"
            yield name, MADE[name](files, path)
            continue
        path = folder / f"{number}-{form}"
        source = files / form
        if source.is_dir():
            shutil.copytree(source, path)
            part = draw.choice(["variables.index", "variables.data-00000-of-00001"])
            target = path / "variables" / part
        else:
            shutil.copyfile(source, path)
            target = path
        kind = draw.choice(list(CHANGES))
        target.write_bytes(CHANGES[kind](target.read_bytes(), draw))
        yield f"{form}, {kind}", path


def _bits(data, draw):
    changed = bytearray(data)
    for _ in range(draw.choice([1, 3, 30])):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def _bytes(data, draw):
    changed = bytearray(data)
    start = draw.randrange(len(changed))
    length = draw.randrange(1, 64)
    changed[start : start + length] = draw.randbytes(min(length, len(changed) - start))
    return bytes(changed)


def _head(data, draw):
    """In the first part, where headers are."""
    changed = bytearray(data)
    for _ in range(8):
        changed[draw.randrange(min(2048, len(changed)))] = draw.randrange(256)
    return bytes(changed)


def _twice(data, draw):
    start = draw.randrange(len(data))
    return data[:start] + data[start // 2 : start] + data[start:]


CHANGES = {
    "cut": lambda data, draw: data[: draw.randrange(len(data))],
    "bits": _bits,
    "bytes": _bytes,
    "head": _head,
    "twice": _twice,
    "more": lambda data, draw: data + draw.randbytes(draw.randrange(1, 100)),
}

PICKLE = b"\x80\x04cos\nsystem\n(S'true'\ntR."


# --- made by hand --------------------------------------------------------------------------------


def _archive(files, path, config=None, weights=None, *, names=None):
    """A `.keras` with other members."""
    with zipfile.ZipFile(files / "rows.keras") as source:
        parts = {name: source.read(name) for name in source.namelist()}
    if config is not None:
        parts["config.json"] = config if isinstance(config, bytes) else json.dumps(config).encode()
    if weights is not None:
        parts["model.weights.h5"] = weights
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in names or parts:
            target.writestr(name, parts[name])
    return path


def _h5(files, path, change):
    """A `.weights.h5` after a change."""
    shutil.copyfile(files / "rows.weights.h5", path)
    with h5py.File(path, "r+") as file:
        change(file)
    return path


PLACE = "layers/dense/vars/0"


def _with(**how):
    """Another array in the place of a kernel."""

    def change(file):
        del file[PLACE]
        file.create_dataset(PLACE, **how)

    return change


def _linked(link):
    def change(file):
        del file[PLACE]
        file[PLACE] = link

    return change


def _virtual(file):
    layout = h5py.VirtualLayout((4, 4), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4, 4))
    del file[PLACE]
    file.create_virtual_dataset(PLACE, layout)


def _circle(file):
    file["layers/dense/again"] = file["layers"]


def _many_axes(file):
    _with(shape=(1,) * 32, dtype="f4")(file)
    file.create_dataset("layers/dense/vars/00", shape=(1,), dtype="f4")


def _group(file):
    del file[PLACE]
    file.create_group(PLACE)


def _gap(file):
    file.move("layers/dense/vars/1", "layers/dense/vars/7")


def _name(file):
    file["layers/dense/vars"].attrs["name"] = np.arange(5)


COMMAND = b"cos\nsystem\n(S'true'\ntR."
IN_H5 = {
    "numbers in a file outside": _with(shape=(4, 4), dtype="f4", external=[("/etc/passwd", 0, 64)]),
    "a link to a file outside": _linked(h5py.ExternalLink("/etc/passwd", "/x")),
    "a link by name": _linked(h5py.SoftLink("/layers/dense_1/vars/0")),
    "a virtual array": _virtual,
    "a group in itself": _circle,
    "texts for numbers": _with(data=np.array(["__import__('os').system('true')"] * 4, dtype="S40")),
    "objects for numbers": _with(data=np.array([COMMAND] * 2, object), dtype=h5py.string_dtype()),
    "an array of 4 TB": _with(
        shape=(2**20, 2**20), dtype="f4", chunks=(64, 64), compression="gzip"
    ),
    "an array of 8 TB": _with(shape=(2**30, 2**10), dtype="f8"),
    "a number twice": _many_axes,
    "complex numbers": _with(data=np.zeros((4, 4), "c16")),
    "no numbers": _with(data=h5py.Empty("f4")),
    "a group for an array": _group,
    "a gap in the numbers": _gap,
    "numbers for a name": _name,
}


LAMBDA = {
    "class_name": "Lambda",
    "module": "keras.layers",
    "config": {
        "name": "evil",
        "function": {
            "class_name": "__lambda__",
            "config": {
                "code": "4wEAAAAAAAAAAAAAAAAAAAADAAAAUwAAAHMQ",
                "defaults": None,
                "closure": None,
            },
        },
    },
    "build_config": {"input_shape": [None, 4]},
}


def _with_layer(files, change):
    config = json.loads((files / "rows.json").read_text())
    change(config["config"]["layers"])
    return config


def _lambda(files, path):
    """A layer whose function is marshalled code; nothing may run it, and its weights are right."""
    return _archive(files, path, _with_layer(files, lambda layers: layers.append(LAMBDA)))


MADE = {
    "an archive that grows": lambda f, p: _archive(f, p, weights=bytes(2**27)),
    "JSON without end": lambda f, p: _archive(f, p, b"[" * 200_000 + b"]" * 200_000),
    "JSON that is none": lambda f, p: _archive(f, p, config=b"{'class_name': os.system('true')}"),
    "JSON of another kind": lambda f, p: _archive(f, p, config=b"[1, 2, 3]"),
    "NaN in JSON": lambda f, p: _archive(f, p, config=b'{"config": {"layers": NaN}}'),
    "no configuration": lambda f, p: _archive(f, p, names=["metadata.json", "model.weights.h5"]),
    "no weights": lambda f, p: _archive(f, p, names=["metadata.json", "config.json"]),
    "weights that are none": lambda f, p: _archive(f, p, weights=PICKLE),
    "an archive in an archive": lambda f, p: _archive(
        f, p, weights=(f / "rows.keras").read_bytes()
    ),
    "a folder": lambda f, p: (p.mkdir(), p)[1],
    "an empty file": lambda f, p: (p.write_bytes(b""), p)[1],
    "a text": lambda f, p: (p.write_text("no weights"), p)[1],
    "a pickle": lambda f, p: (p.write_bytes(PICKLE), p)[1],
    **{name: partial(_h5, change=change) for name, change in IN_H5.items()},
}
# Files that are right to read: whatever else they hold is never looked at.
READABLE = {"a layer with pickled code": _lambda}
