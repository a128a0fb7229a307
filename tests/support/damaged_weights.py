"""Damaged and hostile files of weights, drawn from a seed: (name, path) for each.

    for name, path in damaged(files, folder, 200): ...

Most are changed at random: cut off, with other bits, other bytes, a part twice. The others are
made: other JSON, dtypes and shapes, pickled code, links, archives that grow.
"""

import json
import random
import shutil
import zipfile
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


def _cut(data, draw):
    return data[: draw.randrange(len(data))]


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


def _more(data, draw):
    return data + draw.randbytes(draw.randrange(1, 100))


CHANGES = {
    "cut": _cut,
    "bits": _bits,
    "bytes": _bytes,
    "head": _head,
    "twice": _twice,
    "more": _more,
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


def _replaced(file, **how):
    del file["layers/dense/vars/0"]
    file.create_dataset("layers/dense/vars/0", **how)


def _external_file(file):
    _replaced(file, shape=(4, 4), dtype="f4", external=[("/etc/passwd", 0, 64)])


def _external_link(file):
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = h5py.ExternalLink("/etc/passwd", "/x")


def _soft_link(file):
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = h5py.SoftLink("/layers/dense_1/vars/0")


def _virtual(file):
    layout = h5py.VirtualLayout((4, 4), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4, 4))
    del file["layers/dense/vars/0"]
    file.create_virtual_dataset("layers/dense/vars/0", layout)


def _circle(file):
    file["layers/dense/again"] = file["layers"]


def _text(file):
    _replaced(file, data=np.array(["__import__('os').system('true')"] * 4, dtype="S40"))


def _object(file):
    _replaced(
        file, data=np.array([b"cos\nsystem\n(S'true'\ntR."] * 2, object), dtype=h5py.string_dtype()
    )


def _huge(file):
    _replaced(file, shape=(2**20, 2**20), dtype="f4", chunks=(64, 64), compression="gzip")


def _huge_whole(file):
    _replaced(file, shape=(2**30, 2**10), dtype="f8")


def _many_axes(file):
    _replaced(file, shape=(1,) * 32, dtype="f4")
    file.create_dataset("layers/dense/vars/00", shape=(1,), dtype="f4")


def _complex(file):
    _replaced(file, data=np.zeros((4, 4), "c16"))


def _null(file):
    _replaced(file, data=h5py.Empty("f4"))


def _group(file):
    del file["layers/dense/vars/0"]
    file.create_group("layers/dense/vars/0")


def _gap(file):
    file.move("layers/dense/vars/1", "layers/dense/vars/7")


def _name(file):
    file["layers/dense/vars"].attrs["name"] = np.arange(5)


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


def _zip_bomb(files, path):
    return _archive(files, path, weights=bytes(2**27))


def _json_bomb(files, path):
    return _archive(files, path, config=b"[" * 200_000 + b"]" * 200_000)


MADE = {
    "an archive that grows": _zip_bomb,
    "JSON without end": _json_bomb,
    "JSON that is none": lambda f, p: _archive(f, p, config=b"{'class_name': os.system('true')}"),
    "JSON of another kind": lambda f, p: _archive(f, p, config=b"[1, 2, 3]"),
    "NaN in JSON": lambda f, p: _archive(f, p, config=b'{"config": {"layers": NaN}}'),
    "no configuration": lambda f, p: _archive(f, p, names=["metadata.json", "model.weights.h5"]),
    "no weights": lambda f, p: _archive(f, p, names=["metadata.json", "config.json"]),
    "weights that are none": lambda f, p: _archive(
        f, p, weights=b"\x80\x04cos\nsystem\n(S'true'\ntR."
    ),
    "an archive in an archive": lambda f, p: _archive(
        f, p, weights=(f / "rows.keras").read_bytes()
    ),
    "a folder": lambda f, p: (p.mkdir(), p)[1],
    "an empty file": lambda f, p: (p.write_bytes(b""), p)[1],
    "a text": lambda f, p: (p.write_text("no weights"), p)[1],
    "a pickle": lambda f, p: (p.write_bytes(PICKLE), p)[1],
    "numbers in a file outside": lambda f, p: _h5(f, p, _external_file),
    "a link to a file outside": lambda f, p: _h5(f, p, _external_link),
    "a link by name": lambda f, p: _h5(f, p, _soft_link),
    "a virtual array": lambda f, p: _h5(f, p, _virtual),
    "a group in itself": lambda f, p: _h5(f, p, _circle),
    "texts for numbers": lambda f, p: _h5(f, p, _text),
    "objects for numbers": lambda f, p: _h5(f, p, _object),
    "an array of 4 TB": lambda f, p: _h5(f, p, _huge),
    "an array of 8 TB": lambda f, p: _h5(f, p, _huge_whole),
    "a number twice": lambda f, p: _h5(f, p, _many_axes),
    "complex numbers": lambda f, p: _h5(f, p, _complex),
    "no numbers": lambda f, p: _h5(f, p, _null),
    "a group for an array": lambda f, p: _h5(f, p, _group),
    "a gap in the numbers": lambda f, p: _h5(f, p, _gap),
    "numbers for a name": lambda f, p: _h5(f, p, _name),
}
# Files that are right to read: whatever else they hold is never looked at.
READABLE = {"a layer with pickled code": _lambda}
