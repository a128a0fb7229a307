"""assert_parity: a check as an assertion, in any test runner or none.

    assert_parity(keras=build_keras_model, torch=build_port)

Under pytest, the options of the plugin (`keras_torch_parity`) give defaults for arguments that a
call leaves out. The properties of the result go to test reports, such as JUnit XML.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parity.errors import InputError, ParityError
from parity.files.atomic import private_folder
from parity.files.log_text import log_text
from parity.runs.against import check_against
from parity.testing.program_assertion import (
    RUN,
    SWEEP,
    bundle_of,
    check_spec_of,
    of_check,
    sweep,
    train,
)
from parity.traces.bundle_spec import bundle_name

if TYPE_CHECKING:
    from parity.ladder.result import Result
    from parity.programs.check_spec import CheckSpec
    from parity.programs.factories import Factory
    from parity.sweeps.result import SweepResult


@dataclass(frozen=True)
class Settings:
    """Defaults for arguments that a call of `assert_parity` leaves out.

    Attributes:
        folder: folder of the test, in which relative names are searched first, before the working
            directory.
        root: folder of the project; bundles are named by their path from here.
        seed: see `parity.check`; None: the test names none.
        steps: see `parity.check`.
        levels: see `parity.check`.
        tolerance: see `parity.check`; None = what [tool.parity] of the project says.
        accept: see `parity.check`.
        keras_python: interpreter of the Keras half.
        torch_python: interpreter of the torch half.
        against: a bundle, or a folder with bundles, that replace the Keras models, see
            `parity.runs.against`.
        record: folder to which bundles are written.
        out: returns a folder for traces and logs of one check; None = nothing is kept.
        tell: called with the number of the check and the properties of its result.
    """

    folder: Path | None = None
    root: Path | None = None
    seed: int | None = None
    steps: int | None = None
    levels: Sequence[str] = ()
    tolerance: float | Mapping[str, float] | None = None
    accept: Sequence[str] = ()
    keras_python: str = sys.executable
    torch_python: str = sys.executable
    against: Path | None = None
    record: Path | None = None
    out: Callable[[], Path | None] = lambda: None
    tell: Callable[[dict[str, Any]], None] = lambda properties: None


_settings: ContextVar[Settings | None] = ContextVar("settings", default=None)


@contextmanager
def settings(given: Settings) -> Iterator[None]:
    """Applies settings inside a block."""
    token = _settings.set(given)
    try:
        yield
    finally:
        _settings.reset(token)


def _in_force() -> Settings:
    """Returns the settings of a block, else those of the test that pytest runs, else the defaults.

    The plugin is not imported here: it is there if pytest runs, and nobody else needs pytest.
    """
    settings_of_test = getattr(sys.modules.get("keras_torch_parity"), "settings", None)
    return _settings.get() or (settings_of_test() if settings_of_test else Settings())


def assert_parity(
    *,
    keras: Factory | str | None = None,
    torch: Factory | str | None = None,
    data: Path | str | None = None,
    against: Path | str | None = None,
    levels: Sequence[str] | None = None,
    seed: int | None = None,
    steps: int | None = None,
    dtype: str | None = None,
    batch_size: int | None = None,
    device: str = "cpu",
    tolerance: float | Mapping[str, float] | None = None,
    accept: Sequence[str] | None = None,
    program: str | None = None,
    level: str = "check",
    seeds: int | Sequence[int] | None = None,
    out: Path | str | None = None,
) -> Any:
    """Asserts that a PyTorch port computes in every step what its Keras original computes.

    Each half runs in its own process, which finds the same modules as this process. A factory is a
    function at the top level of a module, or its name, "package.module:function" or
    "file.py:function"; a named module is not imported here.

    Args:
        keras: factory of a compiled Keras model.
        torch: factory of a torch module or a `torch_impl.Port`.
        data: .npz with the user's x and y, instead of random samples.
        against: a bundle instead of `keras`, or instead of the Keras half of a program; or a folder
            with bundles. What is not asked for is as it was recorded.
        levels: levels that decide the verdict; all by default.
        seed: seed for weights, inputs and masks; 0 by default.
        steps: number of training steps of the trajectory; see `parity.check`.
        dtype: see `parity.check`; None: of a program, what its table says.
        batch_size: number of samples in a probe batch, 4 by default; in a training, samples per
            step, by default the program's.
        device: device of the torch half: cpu, cuda or cuda:N.
        tolerance: allowed relative difference, for all levels or by level, instead of what follows
            from rounding; by default, what [tool.parity] in pyproject.toml says.
        accept: IDs or names of divergences that are known, beside those of [tool.parity].
        program: a program of [tool.parity.programs], instead of `keras` and `torch`.
        level: of a program: "check"; "run": it is trained whole; "sweep": both halves train by
            their own random numbers, and have to behave alike.
        seeds: of trainings: how many from 0 on, or which; None: one, with the program's own seed;
            of a sweep 5, which are too few to pass: six are the least.
        out: folder for bundle, trace and logs; by default nothing is kept.

    Returns:
        The result, whose verdict is "pass"; of several trainings the last one; of a sweep a
        `parity.sweeps.result.SweepResult`.

    Raises:
        AssertionError: parity does not hold; the message is the report.
        InputError: a factory, the bundle or the data cannot be used.
        RunError: a half crashed.
    """
    __tracebackhide__ = True
    given = _in_force()
    given = replace(
        given,
        seed=given.seed if seed is None else seed,
        steps=given.steps if steps is None else steps,
        levels=given.levels if levels is None else levels,
        tolerance=given.tolerance if tolerance is None else tolerance,
        accept=given.accept if accept is None else accept,
        out=given.out if out is None else lambda: Path(out),
    )
    folder = given.folder or Path.cwd()
    asked: dict[str, Any] = {
        "data": None if data is None else os.fspath(_located(data, folder)),
        **{"dtype": dtype, "batch_size": batch_size, "device": device},
    }
    asked = {name: value for name, value in asked.items() if value is not None}
    place = given.against if against is None else _located(against, folder)
    kept: Path | None = None
    try:
        kept = given.out()
        if program is not None and level == SWEEP:
            if against is not None:
                raise InputError(f"against={against}: a sweep has no bundle; expected level='run'")
            return _checked_sweep(sweep(program, seeds, given, kept), given, kept)
        if program is not None and level == RUN:
            from parity.traces.bundle_run import unpack_run

            results = train(program, seeds, asked, given, kept, place, unpack_run)
        elif program is not None:
            spec = check_spec_of(program, level, seeds, asked, given, place)
            results = [_check(spec, given, kept)]
        else:
            spec = _spec_of_pair(keras, torch, against, place, asked | of_check(given), given)
            results = [_check(spec, given, kept, import_paths())]
    except ParityError as error:
        given.tell({"verdict": "error", "error": str(error)})
        # Without the frames in between, which show nothing useful.
        raise type(error)(str(error)) from None
    for result in results:
        given.tell(properties(result))
        if result.verdict != "pass":
            raise AssertionError(failure_text(result, kept))
    return results[-1]


def assert_program(name: str) -> Any:
    """Asserts that a program of the table is right, as `pytest --parity` does.

    A program that has a bundle is compared with it: trained whole if the bundle is of a run. It is
    that of the option `--parity-against`, or else the one that the table names.

    Args:
        name: of the program.

    Returns:
        The result.

    Raises:
        AssertionError, InputError, RunError: see `assert_parity`.
    """
    __tracebackhide__ = True
    given = _in_force()
    bundle, level = bundle_of(name, given)
    return assert_parity(program=name, level=level, against=bundle)


def _checked_sweep(result: SweepResult, given: Settings, out: Path | None) -> SweepResult:
    """Tells the verdict of a sweep; raises an AssertionError unless it is "pass"."""
    from parity.report.pages.sweep_page import sweep_page
    from parity.report.sweep_sentences import sentence
    from parity.report.text.page import page_lines

    __tracebackhide__ = True
    given.tell({"verdict": result.verdict, "runs": result.num_runs})
    if result.verdict == "pass":
        return result
    head = "no parity" if result.verdict == "fail" else "not decided"
    lines = ["".join(text for text, _ in line).rstrip() for line in page_lines(sweep_page(result))]
    if out is not None:
        lines.append(f"  results in {out}")
    found = [f"{head}: {sentence(result)}", *[line for line in lines if line]]
    raise AssertionError(log_text("\n".join(found)))


def failure_text(result: Result, out: Path | None = None) -> str:
    """Returns the message of a failed check: its divergences in a line each, then the report."""
    from parity.report import sentences
    from parity.report.page import plain
    from parity.report.pages.runs_page import result_page
    from parity.report.text.page import page_lines

    lines = ["".join(text for text, _ in line).rstrip() for line in page_lines(result_page(result))]
    if out is not None:
        lines += [f"  results in {out}"]
    texts = [plain(text) for text in sentences.found_texts(result)]
    texts += [
        plain(f"could not be compared: {entry['what']}: {entry['do']}")
        for entry in result.incomplete
    ]
    head = "no parity" if result.verdict == "fail" else "not decided"
    if len(texts) == 1:
        head, texts = f"{head}: {texts[0]}", []
    elif texts:
        head = f"{head} in {len(texts)} places"
    whole = [head, *(f"  {text}" for text in texts), *[line for line in lines if line]]
    return log_text("\n".join(whole))


def properties(result: Result) -> dict[str, Any]:
    """Returns the properties of a check for test reports: plain values by name."""
    found: dict[str, Any] = {"verdict": result.verdict}
    if (first := result.first_divergence) is not None:
        level, item = first
        found |= {"level": level.id, "item": item.name}
    if ids := [str(each.causes[0]["id"]) for each in result.unaccepted if each.causes]:
        found |= {"cause": ids[0], "causes": ", ".join(ids)}
    if result.accepted:
        found["accepted"] = ", ".join(str(each.causes[0]["id"]) for each in result.accepted)
    if result.incomplete:
        found["incomplete"] = ", ".join(entry["what"] for entry in result.incomplete)
    for level in result.levels:
        found[f"{level.id}.status"] = level.status
        if (worst := level.worst) is not None:
            numbers = {"worst": float(worst.worst), "allowed": float(worst.allowed)}
            found |= {f"{level.id}.{name}": number for name, number in numbers.items()}
    return found


def _spec_of_pair(
    keras: Factory | str | None,
    torch: Factory | str | None,
    against: Path | str | None,
    place: Path | None,
    asked: Mapping[str, Any],
    given: Settings,
) -> CheckSpec:
    """Returns the spec of a check of a pair that a test names.

    Args:
        keras: see `assert_parity`.
        torch: likewise.
        against: likewise; the test names it.
        place: the same, or that of the settings of the test; None: the Keras half runs.
        asked: settings that are asked for.
        given: settings of the test.

    Raises:
        InputError: a factory or a setting cannot be used, or no bundle is of this check.
    """
    from parity.programs.check_spec import CheckSpec
    from parity.programs.factories import reference_of

    folder = given.folder or Path.cwd()
    spec = CheckSpec(
        keras=_located_factory(reference_of("keras", keras), folder),
        torch=_located_factory(reference_of("torch", torch), folder),
        against=None if against is None else os.fspath(against),
        folder=os.fspath(folder),
        **asked,
    )
    if place is None or (keras is not None and against is not None):
        return spec
    root = given.root or Path.cwd()
    return check_against(spec, place, asked, root=root, name=bundle_name(spec, root))


def _check(
    spec: CheckSpec, given: Settings, out: Path | None, paths: Sequence[Path] = ()
) -> Result:
    """Returns the result of a check, whose Keras half is recorded if the test is to do so.

    Args:
        spec: of the check.
        given: settings of the test.
        out: folder for traces and logs; None: nothing is kept.
        paths: folders in which modules of factories are found, beside that of the spec.
    """
    from parity.halves.job import ChildOptions
    from parity.runs.check import check_all
    from parity.runs.check_halves import CheckOptions, allowed_by_user
    from parity.traces.bundle import pack
    from parity.traces.folder import RunFolder

    root = given.root or Path.cwd()
    options = CheckOptions(
        out=out,
        children=ChildOptions(given.keras_python, given.torch_python),
        levels=given.levels,
        paths=paths,
        **allowed_by_user(root, given.tolerance, given.accept),
    )
    if spec.keras is None or given.record is None:
        return check_all([spec], options)[0]
    with private_folder("record") as temporary:
        kept = temporary / "check" if out is None else out
        try:
            return check_all([spec], replace(options, out=kept, whole=True))[0]
        finally:  # Keras is recorded even if the port fails or cannot be run
            if (half := RunFolder(kept).half("keras")).is_complete:
                pack(half.path, given.record / bundle_name(spec, root))


def _located_factory(reference: str | None, folder: Path) -> str | None:
    """Returns a reference with the path of its file relative to a folder, if the file is in it."""
    if reference is None or ".py:" not in reference:
        return reference
    file, _, name = reference.rpartition(":")
    path = _located(file, folder)
    is_below = path.is_relative_to(folder.resolve())
    return f"{path.relative_to(folder.resolve()) if is_below else path}:{name}"


def _located(path: Path | str, folder: Path) -> Path:
    """Returns the absolute path of a file: in a folder if it is there, else in the working one."""
    beside = folder / path
    return (beside if beside.exists() else Path(path)).resolve()


def import_paths() -> tuple[Path, ...]:
    """Returns the folders in which this process finds modules, except those of its interpreter.

    Another interpreter has its own standard library and packages.
    """
    standard = {Path(path).resolve() for path in sysconfig.get_paths().values()}
    standard |= {path / "lib-dynload" for path in standard}
    found = [Path(path).resolve() for path in sys.path]
    return tuple(dict.fromkeys(p for p in found if p.is_dir() and p not in standard))
