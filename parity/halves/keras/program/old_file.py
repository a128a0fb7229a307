"""A file of a whole model that Keras 2 wrote, as one that Keras 3 can read."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import h5py

from parity.halves.keras.program.renewed_config import renewed

_CONFIG, _METADATA = "config.json", "metadata.json"
_OF_H5 = ("model_config", "training_config")


def version_of(path: Path) -> str:
    """Returns the version of the Keras that wrote a `.keras` or `.h5`; "" if it does not say."""
    told: Any = ""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if _METADATA in archive.namelist():
                metadata = json.loads(archive.read(_METADATA))
                told = metadata.get("keras_version") if isinstance(metadata, dict) else ""
    else:
        with h5py.File(path, "r") as file:
            told = file.attrs.get("keras_version")
    return told.decode() if isinstance(told, bytes) else str(told or "")


def configs_in(path: Path) -> list[Any]:
    """Returns the configurations in a file: of the model, and of what an `.h5` was compiled with.

    What a `.keras` was compiled with is in that of its model.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return [json.loads(archive.read(_CONFIG))]
    with h5py.File(path, "r") as file:
        texts = [file.attrs.get(name) for name in _OF_H5]
    return [json.loads(text) for text in texts if text is not None]


def renewed_file(path: Path, folder: Path) -> Path:
    """Returns a copy of a file of Keras 2, with its configurations in the words of Keras 3.

    Args:
        path: of the file.
        folder: for the copy, which has the name of the file.
    """
    copy = folder / path.name
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w") as new:
            for each in old.infolist():
                content = old.read(each)
                if each.filename == _CONFIG:
                    content = json.dumps(renewed(json.loads(content))).encode()
                new.writestr(each, content)
        return copy
    shutil.copyfile(path, copy)
    with h5py.File(copy, "r+") as file:
        for name in _OF_H5:
            if name in file.attrs:
                file.attrs[name] = json.dumps(renewed(json.loads(file.attrs[name])))
    return copy
