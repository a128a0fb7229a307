"""port: writes a PyTorch package of a Keras program, also of Keras 2, and checks it."""

from __future__ import annotations

import keyword
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from parity.errors import UNFINISHED, InputError, ParityError, UnfinishedError, unwritten
from parity.files.atomic import private_folder, write_bytes
from parity.files.json_io import read_json, write_json
from parity.halves.job import ChildJob, ChildOptions
from parity.ladder.items import PASS
from parity.ladder.result import ERROR, Result
from parity.programs.check_spec import CheckSpec
from parity.runs.check import check_all
from parity.runs.check_halves import CheckOptions, make_empty, run_alone
from parity.runs.child import WRITTEN
from parity.runs.model_files import is_of_keras_2
from parity.runs.record import record_spec
from parity.runs.steps import unfinished
from parity.traces.bundle import unpack
from parity.traces.folder import RunFolder

# --- A SavedModel of Keras 2 as the model of a port: an old interpreter writes it as `.h5` --------


def read_old_model(
    spec: CheckSpec, folder: Path, options: CheckOptions
) -> tuple[CheckSpec, CheckOptions]:
    """Returns what reads the model with Keras 3; the same, if it is no SavedModel of Keras 2.

    Only an interpreter that the user named loads the folder, since that runs what is in it.

    Args:
        spec: its `keras` may be the folder.
        folder: for the file, which has the name of the SavedModel.
        options: its `keras_python` has Keras 2.

    Raises:
        InputError: the interpreter has no Keras 2, or Keras cannot load or write the model.
        RunError: the child crashed.
    """
    python = options.children.keras_python
    source = Path(spec.folder) / str(spec.keras)
    if not spec.is_model_file or not is_of_keras_2(source) or python == sys.executable:
        return spec, options
    options.children.check_interpreters()
    target = folder / f"{source.resolve().name}.h5"
    directory = folder / "old"
    directory.mkdir()
    write_json(
        RunFolder(directory).spec,
        {"source": os.fspath(source.absolute()), "target": os.fspath(target)},
    )
    job = ChildJob(
        name="load keras",
        half="keras",
        work="save",
        python=python,
        directories=(directory,),
        log=folder / "old.log",
    )
    run_alone(job, options.children)
    children = replace(options.children, keras_python=ChildOptions().keras_python)
    return spec.replace(keras=os.fspath(target)), replace(options, children=children)


# --------------------------------------------------------------------------------------------------
#
# port: writes a PyTorch package of a Keras program, and checks it against what Keras computes.
#
# Keras factory -> child -> bundle -> child -> package -> check -> Result


BUNDLE = "reference.parity"
_RESERVED = ("keras", "tensorflow", "torch")  # which another interpreter may have


@dataclass(frozen=True)
class Ported:
    """A package that was written.

    Attributes:
        folder: of the package.
        files: names of what was written.
        left_out: a sentence for each part of the program that the package lacks.
        open: a sentence for each part that is to be written: code of the user's own.
        differs: a sentence for each that cannot be Keras's.
        result: of the check of the package.
    """

    folder: Path
    files: tuple[str, ...]
    left_out: tuple[str, ...]
    open: tuple[str, ...]
    differs: tuple[str, ...]
    result: Result


def port_spec(spec: CheckSpec, out: Path, options: CheckOptions, *, plain: bool = False) -> Ported:
    """Writes the package of a program, and checks it.

    Args:
        spec: has the factory of the Keras program, and how it is probed.
        out: folder of the package, which is made; its name is that of the package.
        options: how to run the children.
        plain: whether network and training of the package need torch alone.

    Raises:
        InputError: the factory or the folder cannot be used, or the program cannot be ported.
        RunError: a half crashed.
    """
    is_new = not out.exists()
    _check_out(out)
    bundle = out / BUNDLE
    try:
        report = _recorded_and_written(spec, out, bundle, options, plain=plain)
    except ParityError:
        if is_new:
            with suppress(OSError):  # of a folder with something in it
                out.rmdir()
        raise
    given = CheckSpec(
        torch=f"{out.name}.{report['factory']}",
        against=os.fspath(bundle.absolute()),
        folder=os.fspath(out.absolute().parent),
        dtype=spec.dtype,
        threads=spec.threads,
    )
    files = tuple(sorted([*report["files"], BUNDLE]))
    result = _checked(given, replace(options, out=None))
    left_out, open_, differs = (tuple(report[name]) for name in ("left_out", "open", "differs"))
    if open_ and result.verdict == PASS:  # no check runs what feeds a training
        reason = f"{UNFINISHED}: {'; '.join(open_)}; all that is written agrees with Keras"
        result = replace(result, verdict=ERROR, errors=(reason,))
    return Ported(out, files, left_out, open_, differs, result)


def _recorded_and_written(
    spec: CheckSpec, out: Path, bundle: Path, options: CheckOptions, *, plain: bool
) -> dict[str, Any]:
    """Records what Keras computes, and writes the package; returns what its child tells."""
    with private_folder("port") as folder:
        recorded = folder / BUNDLE
        spec, options = read_old_model(spec, folder, options)
        record_spec(spec.replace(described=True), recorded, replace(options, out=None))
        report = _written(recorded, out, folder, options, plain=plain)
        try:
            write_bytes(bundle, recorded.read_bytes())
        except OSError as error:
            raise unwritten(f"{bundle}:", error) from error
    return report


def _checked(given: CheckSpec, options: CheckOptions) -> Result:
    """Checks a package; of one with parts that are to be written, nothing may be compared."""
    try:
        (result,) = check_all([given], options)
    except UnfinishedError as error:
        return unfinished(given, [str(error)], mode="replayed")
    return result


def _written(
    recorded: Path, out: Path, folder: Path, options: CheckOptions, *, plain: bool
) -> dict[str, Any]:
    """Lets a child of the torch half write the package; returns what it tells."""
    unpack(recorded, folder / "trace")
    directory = folder / "write"
    directory.mkdir()
    spec = {
        "trace": os.fspath(folder / "trace"),
        "out": os.fspath(out.absolute()),
        "plain": plain,
    }
    write_json(RunFolder(directory).spec, spec)
    job = ChildJob(
        name="write torch",
        half="torch",
        work="write",
        python=options.children.pythons["torch"],
        directories=(directory,),
        log=folder / "write.log",
        paths=tuple(options.paths),
        may_fork=True,
    )
    half = run_alone(job, options.children)
    report: dict[str, Any] = read_json(half.path / WRITTEN)
    return report


def _check_out(out: Path) -> None:
    """Rejects a folder that cannot be a package, before anything is computed."""
    if not out.name.isidentifier() or keyword.iskeyword(out.name):
        raise InputError(f"--out {out}: expected the name of a Python package, such as port_of_net")
    if is_used_name(out):
        raise InputError(
            f"--out {out}: a package of the name {out.name} is installed, which an import would "
            f"find instead; expected a name of its own, such as {out.name}_port"
        )
    make_empty(out)


def is_used_name(out: Path) -> bool:
    """Whether the name of a folder is that of a package of Python, of Keras, torch or this project.

    Args:
        out: of the package; it may exist.
    """
    if out.name in sys.stdlib_module_names or out.name in _RESERVED:
        return True
    try:
        found = PathFinder.find_spec(out.name)  # what is imported already, or not, counts alike
    except (ImportError, ValueError):  # of a module that is damaged, or has no spec
        return True
    places = [] if found is None else [found.origin, *(found.submodule_search_locations or ())]
    folder = out.absolute()
    return any(place and folder not in (Path(place), *Path(place).parents) for place in places)
