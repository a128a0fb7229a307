"""The feed file: what Keras's `fit` was fed, for the other half.

One safetensors file. Its arrays are leaves of nests, by path: `x`, `x/0`, `y/name`. Its metadata
have the structure of each nest, and settings, as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from parity.errors import RunError
from parity.files.atomic import atomic_path


def write_feed(path: Path, nests: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Writes nests of arrays, and settings.

    Args:
        path: of the file.
        nests: by name: an array, None, or a tuple, list or mapping of nests.
        settings: ready for JSON.
    """
    from safetensors.numpy import save_file

    arrays: dict[str, np.ndarray] = {}
    forms = {name: form_of(name, nest, arrays) for name, nest in nests.items()}
    metadata = {"forms": json.dumps(forms), "settings": json.dumps(settings)}
    with atomic_path(path) as temporary:
        save_file({key: np.ascontiguousarray(a) for key, a in arrays.items()}, temporary, metadata)


def read_feed(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the nests and the settings of a feed file.

    Raises:
        RunError: the file is missing or damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        forms = json.loads(metadata["forms"])
        nests = {name: nest_of(name, form, arrays) for name, form in forms.items()}
        return nests, json.loads(metadata["settings"])
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
        raise RunError(f"{path}: damaged ({error}); run it again") from error


def form_of(path: str, nest: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Puts the leaves of a nest into `arrays`, by path; returns its structure, ready for JSON."""
    if nest is None:
        return None
    if isinstance(nest, Mapping):
        return {
            "names": {name: form_of(f"{path}/{name}", part, arrays) for name, part in nest.items()}
        }
    if isinstance(nest, tuple | list):
        parts = [form_of(f"{path}/{number}", part, arrays) for number, part in enumerate(nest)]
        return {"parts": parts}
    arrays[path] = np.asarray(nest)
    return "array"


def nest_of(path: str, form: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Returns a nest from what `form_of` made of it."""
    if form is None:
        return None
    if form == "array":
        return arrays[path]
    if "names" in form:
        return {n: nest_of(f"{path}/{n}", part, arrays) for n, part in form["names"].items()}
    return tuple(nest_of(f"{path}/{n}", part, arrays) for n, part in enumerate(form["parts"]))
