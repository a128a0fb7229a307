"""Files of models and weights, read in a process of their own, before Keras loads them."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from parity.errors import InputError
from parity.files.atomic import private_folder
from parity.files.json_io import read_start, read_strict
from parity.halves.process import environment
from parity.programs.check_spec import CheckSpec
from parity.traces.bundle_spec import FACTS
from parity.weights.copied import read_copied
from parity.weights.read import refused
from parity.weights.stored import MAX_CONFIG

# --------------------------------------------------------------------------------------------------
#
# Reads and writes files of weights in a process of their own, which may crash without harm.


_TIMEOUT_S = 1800.0


def is_bundle(path: Path) -> bool:
    """Whether a file is a bundle, by the name of its first entry."""
    start = read_start(path, 29 + len(FACTS)) if path.is_file() else b""
    return start[:4] == b"PK\3\4" and start[30:] == FACTS.encode()


def copy_weights(path: Path, folder: Path) -> None:
    """Copies what is in a file of weights into a folder, which is made: see `copy_stored`.

    Raises:
        InputError: the file cannot be used.
    """
    folder.mkdir(parents=True)
    _apart(path, [path, folder])


def write_like(like: Path, arrays: Path, folder: Path, to: Path) -> None:
    """Writes a copy of a file with other weights: see `write_back`."""
    folder.mkdir(parents=True)
    _apart(like, [like, folder, arrays, to])


def config_in(path: Path, folder: Path) -> dict[str, Any]:
    """Returns the configuration of a model, from `model.to_json()` or from a file of weights.

    What the model was compiled with is in it as "compile_config", if it is told.

    Raises:
        InputError: there is none in it.
    """
    if read_start(path, 0)[:1] == b"{":
        try:
            config = read_strict(read_start(path, MAX_CONFIG), MAX_CONFIG)
        except ValueError as error:
            raise InputError(f"--config {path}: {error}") from None
    else:
        copy_weights(path, folder)
        copied = read_copied(folder)
        config = copied.config
        if config is not None and copied.compiled is not None:
            config = {**config, "compile_config": copied.compiled}
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict | list):
        raise InputError(
            f"--config {path}: expected what `model.to_json()` returns, or a .keras or .h5 file"
        )
    return config


def _apart(path: Path, arguments: list[Path]) -> None:
    command = [sys.executable, "-m", "parity.weights", *map(str, arguments)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment(sys.executable),
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise refused(path, f"it was not read within {_TIMEOUT_S:g} s") from None
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    if done.returncode == InputError.exit_code and lines:
        raise InputError(lines[-1])
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise refused(path, f"it is damaged, or hostile: what reads it ended with {name}")
    if done.returncode:
        why = lines[-1] if lines else f"exit code {done.returncode}"
        raise refused(path, f"it is damaged, or hostile ({why})")


# --- Files of whole models, in the place of a factory: looked at before Keras loads them ----------
#
# A path goes in. What is no whole model, or damaged, is refused in one line; the others are read
# once in a process of their own, which may crash without harm.


_EXPECTED = "MODULE:FUNCTION, a training script, or a .keras or .h5 file of model.save"
_GRAPH, _OF_KERAS_2 = "saved_model.pb", "keras_metadata.pb"


def check_model_file(spec: CheckSpec) -> None:
    """Looks at the file that a spec names as its reference.

    Args:
        spec: its `keras` is a path.

    Raises:
        InputError: it is no file of a whole model.
    """
    assert spec.keras is not None
    path = Path(spec.folder) / spec.keras
    if path.is_dir():
        raise InputError(f"{spec.keras}: {_of_folder(path)}")
    if not path.is_file():
        raise InputError(f"{spec.keras}: there is no such file; expected {_EXPECTED}")
    with private_folder("model") as folder:
        copy_weights(path, folder / "copy")
        stored = read_copied(folder / "copy")
    if stored.config is None:
        raise InputError(
            f"{spec.keras}: it has weights, and no model; expected what model.save has written, or "
            "a function that builds the model and loads them"
        )


def is_of_keras_2(path: Path) -> bool:
    """Whether a path is the folder of a SavedModel that Keras 2 has written."""
    return (path / _OF_KERAS_2).is_file()


def _of_folder(path: Path) -> str:
    """Returns why a folder is refused, and what to do."""
    how = "there, write model.save('model.h5'), and port that file"
    if is_of_keras_2(path):
        return (
            "a SavedModel of Keras 2, which Keras 3 cannot load; name an interpreter with Keras 2 "
            "and this project by --keras-python, which loads the folder and so runs what is in "
            f"it; or load it in its environment by keras.models.load_model; {how}"
        )
    if (path / _GRAPH).is_file():
        return (
            "a SavedModel without a Keras model: a graph alone says what it computes; go to the "
            f"program that exported it; {how.replace('.h5', '.keras')}"
        )
    return f"a folder; expected {_EXPECTED}"
