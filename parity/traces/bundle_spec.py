"""What a bundle says of itself, read without its arrays: with what it was recorded."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.errors import InputError
from parity.files.records import problem
from parity.files.strict_json import read_strict
from parity.programs.check_spec import CheckSpec
from parity.programs.program_spec import ProgramSpec
from parity.programs.scenario_spec import program_spec_from
from parity.traces.bundle_archive import (
    FACTS,
    MAX_FACTS,
    RUN_FACTS,
    check_archive,
    refusals,
)
from parity.traces.facts import Content, RunContent

SCHEMA = "parity.bundle/2"
RUN_SCHEMA = "parity.run_bundle/1"


@dataclass(frozen=True)
class RunRecord:
    """What a bundle says of its run, without the arrays.

    Attributes:
        spec: with which it was recorded; `torch` is None, and `folder` ".".
        files: the user's files of the Keras half: path to SHA-256.
    """

    spec: ProgramSpec
    files: Mapping[str, str]


def read_spec(path: Path) -> CheckSpec:
    """Returns what a bundle was recorded with; its arrays are not looked at.

    Raises:
        InputError: the file is missing, damaged, or no bundle.
    """
    check_archive(path)
    with refusals(path), zipfile.ZipFile(path) as archive:
        return check_spec_of(read_content(archive))


def check_spec_of(content: Mapping[str, Any]) -> CheckSpec:
    """Returns the spec of a check.

    Raises:
        ValueError: it is none.
    """
    try:
        return CheckSpec.from_dict(content["spec"])
    except InputError as error:
        raise ValueError(f"its spec: {error}") from None


def read_content(archive: zipfile.ZipFile) -> dict[str, Any]:
    """Returns the content of bundle.json, whose parts have their types.

    Raises:
        ValueError: it has another one.
    """
    with archive.open(FACTS) as file:
        return _checked(read_strict(file.read(MAX_FACTS + 1)), FACTS, SCHEMA, Content)


def check_run(path: Path) -> None:
    """Rejects a bundle that has no run.

    Raises:
        InputError: the file is missing, damaged, no bundle, or one of a check alone.
    """
    if not check_archive(path):
        raise InputError(
            f"{path}: it holds a check alone, and no whole run; record one with `parity record "
            "--run`, or compare with `parity check --against`"
        )


def read_run(path: Path) -> RunRecord:
    """Returns what a run was recorded with; its arrays are not looked at.

    Raises:
        InputError: see `check_run`.
    """
    check_run(path)
    with refusals(path), zipfile.ZipFile(path) as archive:
        return run_record_of(read_run_content(archive))


def read_run_content(archive: zipfile.ZipFile) -> dict[str, Any]:
    """Returns the content of run.json, whose parts have their types.

    Raises:
        ValueError: it has another one.
    """
    with archive.open(RUN_FACTS) as file:
        text = file.read(MAX_FACTS + 1)
    return {"anchors": None, **_checked(read_strict(text), RUN_FACTS, RUN_SCHEMA, RunContent)}


def run_record_of(content: Mapping[str, Any]) -> RunRecord:
    """Returns what run.json says of its run.

    Raises:
        ValueError: it has no spec of a program.
    """
    try:
        spec = program_spec_from(content["spec"])
    except InputError as error:
        raise ValueError(f"its spec: {error}") from None
    if spec.keras is None:
        raise ValueError("its spec has no keras")
    return RunRecord(spec, content["files"])


def _checked(content: Any, name: str, schema: str, kind: Any) -> dict[str, Any]:
    """Returns the content of the entry `name`, which has to state its schema."""
    if not isinstance(content, dict):
        raise ValueError(f"{name} is no JSON object")
    if content.get("schema") != schema:
        found = str(content.get("schema"))[:40]
        raise ValueError(f"schema {found!r}; this version reads {schema!r}; record it again")
    if wrong := problem(kind, content, name):
        raise ValueError(wrong)
    return content
