"""check and record: the user's own pair of models, from two factories, or a factory and a bundle.

    Keras factory -> child -> bundle -> child, with the torch factory -> trace -> ladder -> Result

A live check records a bundle and checks against it, so that both ways are the same computation and
give the same verdict.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from parity.divergences.causes import name_causes
from parity.errors import InputError, RunError
from parity.files.json_io import read_json, write_json
from parity.halves.job import ChildJob, Failure
from parity.halves.options import ChildOptions
from parity.halves.progress import run_shown
from parity.ladder.engine import compare_levels
from parity.ladder.items import FAIL, PASS
from parity.ladder.levels import LEVEL_IDS
from parity.ladder.result import ERROR, Result
from parity.ladder.table import OF_PROBE
from parity.programs.check_spec import CheckSpec
from parity.programs.factories import Factory, check_reference, reference_of
from parity.traces.bundle import Bundle
from parity.traces.folder import RunFolder
from parity.traces.trace import Trace

# Settings that decided what the bundle holds; the others are those of the port.
RECORDED = ("keras", "data", "seed", "steps", "batch_size")
MAX_PER_CHILD = 40  # models that share a process


@dataclass(frozen=True)
class CheckOptions:
    """How checks are carried out; nothing here changes what they compute.

    Attributes:
        out: folder that keeps bundles, traces and logs; None = a temporary one.
        children: how the halves are run.
        levels: that count; the others are shown as skipped. Empty = all.
        paths: folders in which the factories' modules are found besides.
    """

    out: Path | None = None
    children: ChildOptions = field(default_factory=ChildOptions)
    levels: Sequence[str] = ()
    paths: Sequence[Path] = ()


def check(
    keras: Factory | str | None = None,
    torch: Factory | str | None = None,
    *,
    against: Path | str | None = None,
    data: Path | str | None = None,
    levels: Sequence[str] = (),
    seed: int = 0,
    steps: int = 6,
    out: Path | str | None = None,
) -> Result:
    """Compares a PyTorch port with its Keras original.

    Args:
        keras: factory of a compiled Keras model, or its name "module:function".
        torch: factory of a torch module or a `torch_impl.Port`, or its name.
        against: a bundle in the place of `keras`.
        data: .npz with x and y of the user's own, in the place of drawn samples.
        levels: that count; all by default.
        seed: of weights, inputs and masks.
        steps: training steps of the trajectory.
        out: folder that keeps bundle, trace and logs.

    Returns:
        The result: verdict "pass" or "fail", levels, first divergence with its causes.

    Raises:
        InputError: a factory, the bundle or the data cannot be used.
        RunError: a half crashed.
    """
    spec = CheckSpec(
        keras=reference_of("keras", keras),
        torch=reference_of("torch", torch),
        against=None if against is None else os.fspath(against),
        data=None if data is None else os.path.abspath(data),
        seed=seed,
        steps=steps,
        folder=os.getcwd(),
    )
    options = CheckOptions(out=None if out is None else Path(out), levels=levels)
    return check_all([spec], options)[0]


def check_all(specs: Sequence[CheckSpec], options: CheckOptions) -> list[Result]:
    """Checks several pairs, many in one process.

    Args:
        specs: with `torch`, and either `keras` or `against`.
        options: how to carry them out.

    Returns:
        One result for each spec, in their order. Of several specs, one that failed is a result with
        verdict "error".

    Raises:
        InputError: a spec cannot be used; of a single spec also what its factory or bundle lacks.
        RunError: the half of a single spec crashed.
    """
    _check_levels(options.levels)
    for spec in specs:
        _check_spec(spec)
    options.children.check_interpreters()
    with _folder(options.out) as root:
        names = [f"{number:03d}" if len(specs) > 1 else "" for number in range(len(specs))]
        folders = [root / name for name in names]
        errors = _run("keras", specs, folders, options)
        errors |= _run("torch", specs, folders, options, skip=set(errors))
        results = []
        for number, (spec, folder) in enumerate(zip(specs, folders, strict=True)):
            error = errors.get(number)
            if error is not None and len(specs) == 1:
                raise error
            try:
                results.append(_result(spec, folder, options, error))
            except (InputError, RunError) as found:
                if len(specs) == 1:
                    raise
                results.append(_result(spec, folder, options, found))
    return results


def record(
    keras: Factory | str,
    path: Path | str,
    *,
    data: Path | str | None = None,
    seed: int = 0,
    steps: int = 6,
) -> Path:
    """Writes what a Keras model computes into a bundle that needs no TensorFlow to be checked.

    Args:
        keras: factory of a compiled Keras model, or its name.
        path: of the bundle.
        data: as for `check`.
        seed: as for `check`.
        steps: as for `check`.

    Raises:
        InputError: the factory or the data cannot be used, or the file cannot be written.
        RunError: the half crashed.
    """
    spec = CheckSpec(
        keras=reference_of("keras", keras),
        data=None if data is None else os.path.abspath(data),
        seed=seed,
        steps=steps,
        folder=os.getcwd(),
    )
    return record_spec(spec, Path(path), CheckOptions())


def record_spec(spec: CheckSpec, path: Path, options: CheckOptions) -> Path:
    """As `record`, from a spec."""
    if spec.keras is None:
        raise InputError("keras is None: expected the factory of a Keras model")
    check_reference("--keras", spec.keras, spec.folder)
    _check_data(spec)
    if not path.absolute().parent.is_dir() or path.is_dir():
        raise InputError(f"{path}: expected a file in a folder that exists")
    options.children.check_interpreters()
    with _folder(options.out) as root:
        errors = _run("keras", [spec], [root], options)
        if errors:
            raise errors[0]
        try:
            shutil.move(RunFolder(root).half("keras").bundle, path)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    return path


def _check_spec(spec: CheckSpec) -> None:
    if spec.torch is None:
        raise InputError("torch is missing: expected the factory of a torch module (--torch)")
    if (spec.keras is None) == (spec.against is None):
        raise InputError(
            "expected either the factory of a Keras model (--keras) or a bundle (--against), got "
            + ("neither" if spec.keras is None else "both")
        )
    if spec.keras is not None:
        check_reference("--keras", spec.keras, spec.folder)
    elif spec.data is not None:
        raise InputError("--data belongs to the recording: a bundle has its own samples")
    check_reference("--torch", spec.torch, spec.folder)
    _check_data(spec)
    if spec.against is not None:
        Bundle(Path(spec.folder) / spec.against).close()


def _check_data(spec: CheckSpec) -> None:
    if spec.data is not None and not (Path(spec.folder) / spec.data).is_file():
        raise InputError(f"--data {spec.data}: there is no such file")


def _check_levels(levels: Sequence[str]) -> None:
    if unknown := [level for level in levels if level not in LEVEL_IDS]:
        raise InputError(f"levels {unknown}: expected some of {', '.join(LEVEL_IDS)}")


@contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    if out is not None:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise InputError(f"--out {out}: expected a folder that is empty or does not exist")
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"--out {out}: cannot be made ({error.strerror})") from error
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="parity-check-") as name:
        yield Path(name)


def _run(
    half: str,
    specs: Sequence[CheckSpec],
    folders: Sequence[Path],
    options: CheckOptions,
    skip: Collection[int] = (),
) -> dict[int, InputError | RunError]:
    """Runs one half of all specs that need it; returns the errors by number."""
    directories: dict[int, Path] = {}
    for number, (spec, folder) in enumerate(zip(specs, folders, strict=True)):
        if number in skip or (half == "keras" and spec.keras is None):
            continue
        directory = folder / half
        directory.mkdir(parents=True)
        told = spec.to_dict()
        if half == "torch":
            told["against"] = os.fspath(_bundle(spec, folder))
        else:
            told["device"] = "cpu"  # the reference is computed in float64
        write_json(RunFolder(directory).spec, told)
        directories[number] = directory
    size = min(MAX_PER_CHILD, max(1, -(-len(directories) // options.children.num_workers)))
    numbers = list(directories)
    jobs = [
        ChildJob(
            name=f"check {half}",
            half=half,
            work="check",
            python=options.children.pythons[half],
            directories=tuple(directories[number] for number in numbers[start : start + size]),
            log=RunFolder(folders[numbers[start]]).log(half),
            paths=tuple(options.paths),
        )
        for start in range(0, len(numbers), size)
    ]
    failures = run_shown(jobs, options.children)
    errors: dict[int, InputError | RunError] = {}
    for failure in failures:
        for number, directory in directories.items():
            if directory in failure.job.directories and (
                error := _error(directory, failure, len(specs) == 1, options.out is not None)
            ):
                errors[number] = error
    return errors


def _bundle(spec: CheckSpec, folder: Path) -> Path:
    """What the port is compared with: the bundle that is named, or what the Keras half wrote."""
    own = RunFolder(folder.absolute()).half("keras").bundle
    return Path(spec.folder) / (spec.against or own)


def _error(
    directory: Path, failure: Failure, is_single: bool, is_kept: bool
) -> InputError | RunError | None:
    half = RunFolder(directory)
    if half.is_complete:
        return None
    if half.failure.exists():
        told = read_json(half.failure)
        if told["is_input"]:
            return InputError(told["message"])
        if not is_single:
            return RunError(told["message"])
    kept = "" if is_kept else "\n(--out DIR keeps the log)"
    return RunError(failure.reason + kept)


def _result(
    spec: CheckSpec, folder: Path, options: CheckOptions, error: Exception | None
) -> Result:
    told = spec.to_dict()
    if error is not None:
        result = Result(ERROR, told, mode="replayed", errors=(str(error),))
    else:
        with Bundle(_bundle(spec, folder)) as bundle:
            port = Trace(folder / "torch")
            levels = compare_levels(OF_PROBE, bundle, port, names=options.levels)
            told |= {name: bundle.spec[name] for name in RECORDED}
            result = Result(
                verdict=FAIL if any(level.status == FAIL for level in levels) else PASS,
                spec={k: v for k, v in told.items() if k not in ("against", "folder")},
                levels=levels,
                environment={"keras": bundle.environment, "torch": port.environment},
                mode="replayed",
            )
            result = name_causes(result, bundle, port)
    write_json(RunFolder(folder).result, result.to_json())
    return result
