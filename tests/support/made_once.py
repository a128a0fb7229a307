"""Folders that all files and all workers of one run of pytest share."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


def folder_of(
    tmp_path_factory: pytest.TempPathFactory, kind: str, content: Mapping[str, Any]
) -> Path:
    """Returns the folder for what follows from a content, such as a spec, and from nothing else."""
    base = tmp_path_factory.getbasetemp()
    # Above the folder of a worker lies that of one run of pytest; without workers, of all runs.
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return shared / f"{kind}-{digest[:16]}"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Makes a folder; processes that ask for it at the same time wait for one another."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
