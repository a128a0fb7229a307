"""port: writes a PyTorch package of a Keras program, and checks it against what Keras computes.

Keras factory -> child -> bundle -> child -> package -> check -> Result
"""

from __future__ import annotations

import keyword
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from parity.errors import InputError, unwritten
from parity.files.atomic import write_bytes
from parity.files.json_io import read_json, write_json
from parity.files.private import private_folder
from parity.halves.job import ChildJob
from parity.halves.progress import run_shown
from parity.ladder.result import Result
from parity.programs.check_spec import CheckSpec
from parity.runs.check import check_all
from parity.runs.check_halves import make_empty
from parity.runs.check_options import CheckOptions
from parity.runs.port_child import WRITTEN
from parity.runs.record import record_spec
from parity.runs.steps import error_of
from parity.traces.bundle import unpack
from parity.traces.folder import RunFolder

BUNDLE = "reference.parity"


@dataclass(frozen=True)
class Ported:
    """A package that was written.

    Attributes:
        folder: of the package.
        files: names of what was written.
        left_out: a sentence for each part of the program that the package lacks.
        result: of the check of the package.
    """

    folder: Path
    files: tuple[str, ...]
    left_out: tuple[str, ...]
    result: Result


def port_spec(spec: CheckSpec, out: Path, options: CheckOptions) -> Ported:
    """Writes the package of a program, and checks it.

    Args:
        spec: has the factory of the Keras program, and how it is probed.
        out: folder of the package, which is made; its name is that of the package.
        options: how to run the children.

    Raises:
        InputError: the factory or the folder cannot be used, or the program cannot be ported.
        RunError: a half crashed.
    """
    _check_out(out)
    bundle = out / BUNDLE
    with private_folder("port") as folder:
        recorded = folder / BUNDLE
        record_spec(spec.replace(described=True), recorded, replace(options, out=None))
        told = _written(recorded, out, folder, options)
        try:
            write_bytes(bundle, recorded.read_bytes())
        except OSError as error:
            raise unwritten(f"{bundle}:", error) from error
    given = CheckSpec(
        torch=f"{out.name}.train:build",
        against=os.fspath(bundle.absolute()),
        folder=os.fspath(out.absolute().parent),
        dtype=spec.dtype,
        threads=spec.threads,
    )
    (result,) = check_all([given], replace(options, out=None))
    files = tuple(sorted([*told["files"], BUNDLE]))
    return Ported(out, files, tuple(told["left_out"]), result)


def _written(recorded: Path, out: Path, folder: Path, options: CheckOptions) -> dict[str, Any]:
    """Lets a child of the torch half write the package; returns what it tells."""
    unpack(recorded, folder / "trace")
    directory = folder / "write"
    directory.mkdir()
    spec = {"trace": os.fspath(folder / "trace"), "out": os.fspath(out.absolute())}
    write_json(RunFolder(directory).spec, spec)
    job = ChildJob(
        name="write torch",
        half="torch",
        work="write",
        python=options.children.pythons["torch"],
        directories=(directory,),
        log=folder / "write.log",
        paths=tuple(options.paths),
    )
    failures = run_shown([job], options.children)
    if failures:
        raise error_of(RunFolder(directory), failures[0].reason)
    told: dict[str, Any] = read_json(directory / WRITTEN)
    return told


def _check_out(out: Path) -> None:
    """Rejects a folder that cannot be a package, before anything is computed."""
    if not out.name.isidentifier() or keyword.iskeyword(out.name):
        raise InputError(f"--out {out}: expected the name of a Python package, such as port_of_net")
    make_empty(out)
