"""The store of a sweep: one JSON file for each finished task, named after the task's key.

A file appears whole or not at all, so every file that is there is finished, even if the sweep was
killed. The store is a folder, or any URL that fsspec opens ("s3://bucket/sweep",
"memory://sweep"); the workers of a cluster write their results to it.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import stat
from pathlib import Path
from typing import Any, Protocol

from parity.errors import InputError, RunError
from parity.files.json_io import read_strict, write_json

ASIDE = ".damaged"  # suffix of a record that was set aside
MAX_TEXT = 100_000  # characters
MAX_BYTES = 20_000_000  # of a record; a run of 10,000 epochs has some 2e6

_KEY = re.compile(r"[0-9a-f]{64}")


class Store(Protocol):
    """Finished tasks by key: 64 hexadecimal digits."""

    def finished(self) -> set[str]:
        """Returns the keys of all finished tasks."""

    def __contains__(self, key: str) -> bool: ...

    def put(self, key: str, record: dict[str, Any]) -> None:
        """Stores the record of a task that has just finished."""

    def get(self, key: str) -> dict[str, Any]:
        """Returns the record of a finished task; `parity.sweeps.stored_run` says what is in it.

        Raises:
            RunError: the record is missing, or no strict JSON, or has another key.
        """

    def set_aside(self, key: str) -> None:
        """Renames a record, so that its task is not finished any more.

        Raises:
            InputError: it cannot be renamed.
        """


def open_store(url: str | os.PathLike[str]) -> Store:
    """Opens a store; creates it if it does not exist.

    Args:
        url: a folder, or a URL of fsspec.

    Raises:
        InputError: the store cannot be used.
    """
    text = os.fspath(url).removeprefix("file://")
    return RemoteStore(text) if "://" in text else LocalStore(Path(text))


class LocalStore:
    """A store in a folder: `results/ab/abcdef….json`, in 256 folders so that none gets slow."""

    def __init__(self, folder: Path) -> None:
        self._results = folder / "results"
        try:
            self._results.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{folder}: cannot be used as the folder of a sweep ({error.strerror}); name "
                "another with --out"
            ) from error

    def finished(self) -> set[str]:
        """See Store."""
        folders = filter(os.path.isdir, os.scandir(self._results))
        names = (name for folder in folders for name in os.listdir(folder))
        return {name.removesuffix(".json") for name in names if _is_result(name)}

    def __contains__(self, key: str) -> bool:
        return self._path(key).exists()

    def put(self, key: str, record: dict[str, Any]) -> None:
        """See Store."""
        path = self._path(key)
        path.parent.mkdir(exist_ok=True)
        write_json(path, record)

    def get(self, key: str) -> dict[str, Any]:
        """See Store."""
        path = self._path(key)
        try:
            return _checked(_content(path), key)
        except (OSError, ValueError) as error:
            raise _damaged(os.fspath(path), error) from error

    def set_aside(self, key: str) -> None:
        """See Store."""
        path = self._path(key)
        try:
            path.rename(path.with_suffix(ASIDE))
        except OSError as error:
            raise _fixed(os.fspath(path), error) from error

    def _path(self, key: str) -> Path:
        return self._results / key[:2] / f"{key}.json"


class RemoteStore:
    """A store behind a URL of fsspec, which shows whole files only, like object stores."""

    def __init__(self, url: str) -> None:
        try:
            import fsspec
        except ImportError as error:
            raise InputError(
                f"{url}: URLs need fsspec; install it with pip install 'keras-torch-parity[ray]', "
                "or name a folder"
            ) from error
        try:
            self._files, root = fsspec.core.url_to_fs(url)
            self._results = f"{root.rstrip('/')}/results"
            self._files.makedirs(self._results, exist_ok=True)
        except Exception as error:  # every file system raises its own errors
            raise InputError(
                f"{url}: cannot be used ({error}); check the URL and rights"
            ) from error
        self._url = url

    def finished(self) -> set[str]:
        """See Store."""
        self._files.invalidate_cache()
        names = (os.path.basename(path) for path in self._files.find(self._results))
        return {name.removesuffix(".json") for name in names if _is_result(name)}

    def __contains__(self, key: str) -> bool:
        return bool(self._files.exists(self._path(key)))

    def put(self, key: str, record: dict[str, Any]) -> None:
        """See Store."""
        path = self._path(key)
        self._files.makedirs(os.path.dirname(path), exist_ok=True)
        # First under another name: on a file system that is not an object store, a reader or the
        # next sweep could find half of the file.
        temporary = f"{path}.{secrets.token_hex(8)}.part"  # hosts may share process IDs
        self._files.pipe_file(temporary, json.dumps(record, allow_nan=False).encode())
        self._files.mv(temporary, path)

    def get(self, key: str) -> dict[str, Any]:
        """See Store."""
        path = self._path(key)
        try:
            return _checked(self._files.cat_file(path, start=0, end=MAX_BYTES + 1), key)
        except (OSError, ValueError) as error:
            raise _damaged(f"{self._url}: {path}", error) from error

    def set_aside(self, key: str) -> None:
        """See Store."""
        path = self._path(key)
        try:
            self._files.mv(path, path.removesuffix(".json") + ASIDE)
        except OSError as error:
            raise _fixed(f"{self._url}: {path}", error) from error

    def _path(self, key: str) -> str:
        return f"{self._results}/{key[:2]}/{key}.json"


def _is_result(name: str) -> bool:
    return name.endswith(".json") and _KEY.fullmatch(name.removesuffix(".json")) is not None


def _content(path: Path) -> bytes:
    """Reads a file up to one byte above the limit; anything else, such as a pipe, is refused."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("it is no file")
        return file.read(min(found.st_size, MAX_BYTES) + 1)  # Python makes room for all of it first


def _checked(content: bytes, key: str) -> dict[str, Any]:
    record = read_strict(content, MAX_BYTES, MAX_TEXT)
    if not isinstance(record, dict) or record.get("key") != key:
        raise ValueError("it is not the record of this task")
    return record


def _damaged(name: str, error: Exception) -> RunError:
    return RunError(f"{name}: damaged result ({error})")


def _fixed(name: str, error: OSError) -> InputError:
    return InputError(
        f"{name}: damaged result, which cannot be renamed ({error.strerror or error}); remove it, "
        "and give the command again"
    )
