"""`Data` as one file, from the parent to its two children.

In and out: a safetensors file (no pickle) with six arrays, written completely or not at all. Its
metadata hold the schema, the source, the number of classes, the SHA-256 of each array and a seal, a
SHA-256 over all of these. Reading the file finds any damage.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from parity.data.dataset import ARRAYS, Data
from parity.errors import InputError

SCHEMA = "parity.data/1"


def save_data(data: Data, path: str | os.PathLike[str]) -> None:
    """Writes `data` as one safetensors file; an existing file is replaced.

    Raises:
        InputError: the file cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    from parity.files.atomic import atomic_path

    metadata = {"schema": SCHEMA, "source": data.source, "num_classes": str(data.num_classes)}
    metadata |= {f"sha256.{name}": digest for name, digest in data.sha256.items()}
    metadata["seal"] = _seal(metadata)
    try:
        with atomic_path(Path(path)) as temporary:
            save_file(dict(data.arrays()), temporary, metadata)
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"data cannot be written to {path} ({error}); expected a path in an existing folder "
            "with enough room; name another path"
        ) from None


def read_data(path: str | os.PathLike[str]) -> Data:
    """Reads a file of `save_data` and checks every array against its hash.

    Returns:
        The same arrays, bit by bit, with the same source and number of classes.

    Raises:
        InputError: the file cannot be read, is of another kind, or is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(os.fspath(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            names = set(file.keys())
            if metadata.get("schema") != SCHEMA or names != set(ARRAYS):
                raise ValueError(f"its schema is not {SCHEMA}")
            if metadata.get("seal") != _seal(metadata):
                raise ValueError("its metadata are damaged")
            arrays = {name: file.get_tensor(name) for name in ARRAYS}
        data = Data(**arrays, num_classes=int(metadata["num_classes"]), source=metadata["source"])
        for name, digest in data.sha256.items():
            if digest != metadata[f"sha256.{name}"]:
                raise ValueError(f"{name} is damaged: its SHA-256 differs from the stored one")
    # An InputError of Data is a ValueError, and says only what is damaged.
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path} cannot be read ({reason}); expected an intact file of save_data; "
            "write it again"
        ) from None
    return data


def _seal(metadata: Mapping[str, str]) -> str:
    import hashlib

    lines = sorted(f"{key}={value}\n" for key, value in metadata.items() if key != "seal")
    return hashlib.sha256("".join(lines).encode()).hexdigest()
