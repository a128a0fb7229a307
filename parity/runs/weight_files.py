"""Reads and writes files of weights in a process of their own, which may crash without harm."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from parity.errors import InputError
from parity.files.strict_json import read_start, read_strict
from parity.halves.process import environment
from parity.traces.bundle_archive import FACTS
from parity.weights.copied import read_copied
from parity.weights.read import refused
from parity.weights.stored import MAX_CONFIG

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
