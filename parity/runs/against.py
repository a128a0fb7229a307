"""Which bundle stands for the Keras half of a check or of a training that is asked for.

One rule for both: what is asked for has to be as recorded, and what is not is as recorded. A bundle
of a run has the probes of a check, and stands for either.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from parity.errors import InputError
from parity.programs.check_spec import CheckSpec
from parity.programs.factories import check_reference
from parity.programs.program_spec import ProgramSpec
from parity.programs.scenario_spec import ScenarioSpec, of_run
from parity.programs.user_files import user_files
from parity.traces.bundle_spec import SUFFIX, factory_parts, read_run, read_spec

# Settings that do not decide what the Keras half computes, or that name it.
_NOT_COMPARED = frozenset(
    ("program", "keras", "torch", "folder", "device", "threads", "max_feed", "sets_seed", "run")
) | frozenset(("against", "brief", "draws", "described"))


# A bundle, with what it was recorded, and what of that is not asked for.
_Found = tuple[Path, CheckSpec | ProgramSpec, dict[str, Any]]


class _OtherProgram(InputError):
    """A bundle of another program."""


def check_against(
    spec: CheckSpec,
    place: Path,
    asked: Collection[str] = (),
    root: Path | None = None,
    name: str = "",
) -> CheckSpec:
    """Returns the spec of a check of a port against a bundle, of a check or of a run.

    Args:
        spec: what is asked for; without `keras`, any bundle is of its program.
        place: a bundle, or a folder in and below which it is searched.
        asked: settings that are asked for though they have their default value; the others that
            have it are as recorded.
        root: folder of the project, from which factories are named; by default that of the spec.
        name: file name that comes before others of the folder.

    Raises:
        InputError: a bundle cannot be read, is of another program, or was recorded with other
            settings; or a folder has several, or none.
    """
    path, _, changes = _found(spec, place, asked, root or Path(spec.folder), name)
    # The bundle has the samples and the dtype.
    of_keras = {"keras": None, "arguments": (), "data": None, "dtype": CheckSpec.dtype}
    return spec.replace(**{**changes, **of_keras, "against": str(path.resolve())})


def run_against(
    spec: ProgramSpec,
    place: Path,
    asked: Collection[str] = (),
    root: Path | None = None,
    name: str = "",
) -> tuple[Path, ProgramSpec]:
    """Returns the bundle of a run, and the spec of the training of a port against it.

    Args:
        spec: what is asked for; of a scenario, only what `asked` names.
        place: see `check_against`.
        asked: likewise.
        root: likewise.
        name: likewise.

    Raises:
        InputError: see `check_against`; or the factory of the port cannot be there.
    """
    if spec.torch is None:
        raise InputError("--torch is missing: expected the factory of the port")
    check_reference("--torch", spec.torch, spec.folder)
    path, recorded, changes = _found(spec, place, asked, root or Path(spec.folder), name)
    if isinstance(recorded, ScenarioSpec):
        run = recorded.run.replace(device=spec.device, threads=spec.threads)
        return path, of_run(run)
    assert isinstance(recorded, ProgramSpec)
    keras = spec.keras or recorded.keras
    return path, spec.replace(**changes, keras=keras, sets_seed=recorded.sets_seed)


def _found(
    spec: CheckSpec | ProgramSpec, place: Path, asked: Collection[str], root: Path, name: str
) -> _Found:
    """Returns a bundle, with what it was recorded, and what of that is not asked for."""
    if not place.is_dir():
        return place, *_taken(spec, place, asked, root)[1:]
    problems: list[str] = []
    fitting: list[tuple[tuple[int, ...], _Found]] = []
    for path in sorted(place.rglob(f"*{SUFFIX}")):
        try:
            nearness, recorded, changes = _taken(spec, path, asked, root)
        except _OtherProgram:
            continue
        except InputError as error:
            problems.append(str(error))
            continue
        rank = path.name == name, *nearness, -len(path.parts)
        fitting.append((rank, (path, recorded, changes)))
    best = [found for rank, found in fitting if rank == max(rank for rank, _ in fitting)]
    if len(best) == 1:
        return best[0]
    wanted = f"a {'run' if isinstance(spec, ProgramSpec) else 'check'} of {_named(spec)}"
    if best:
        shown = ", ".join(str(path) for path, *_ in best[:5])
        raise InputError(f"{place}: several bundles are of {wanted}: {shown}; keep or name one")
    why = "; ".join(problems[:5]) or _record(spec)
    raise InputError(f"{place}: there is no bundle of {wanted}; {why}")


def _taken(
    spec: CheckSpec | ProgramSpec, path: Path, asked: Collection[str], root: Path
) -> tuple[tuple[int, int], CheckSpec | ProgramSpec, dict[str, Any]]:
    """Returns how near a bundle is, with what it was recorded, and what of that is not asked for.

    It is nearer if fewer settings differ from the defaults, and if more of its factory's name is
    the same.

    Raises:
        InputError: it cannot stand for the Keras half.
    """
    changed_ns = path.stat().st_mtime_ns if path.is_file() else 0
    recorded = _recorded(path, isinstance(spec, ProgramSpec), changed_ns)
    shared = _shared(spec, recorded, root)
    if not shared:
        raise _OtherProgram(
            f"{path}: it is of {_named(recorded)}, and {_named(spec)} is asked for; name the "
            f"bundle of this program, or {_record(spec)}"
        )
    ours, changes = _settings(spec), {}
    default = ours if isinstance(spec, ScenarioSpec) else _settings(type(spec)())
    for name, theirs in _settings(recorded).items():
        if name not in asked and ours[name] == default[name]:
            changes[name] = theirs
        elif (was := _setting(name, theirs, recorded)) != (wanted := _setting(name, ours[name])):
            raise InputError(
                f"{path}: it was recorded with {_text(name, was)}, and {_text(name, wanted)} is "
                f"asked for; {_record(spec)}, or leave it as recorded"
            )
    num_others = sum(theirs != ours[name] for name, theirs in changes.items())
    return (-num_others, shared), recorded, changes


@functools.lru_cache(maxsize=1_000)
def _recorded(path: Path, is_run: bool, changed_ns: int) -> CheckSpec | ProgramSpec:
    """Returns with what a bundle was recorded."""
    return read_run(path).spec if is_run else read_spec(path)


def _settings(spec: CheckSpec | ProgramSpec) -> dict[str, Any]:
    """Returns what decides what a Keras half computes, beside the program."""
    found = spec.run if isinstance(spec, ScenarioSpec) else spec
    return {name: getattr(found, name) for name in found.to_dict() if name not in _NOT_COMPARED}


def _named(spec: CheckSpec | ProgramSpec) -> str:
    return spec.program if isinstance(spec, ScenarioSpec) else spec.keras or "any program"


def _record(spec: CheckSpec | ProgramSpec) -> str:
    option = " --run" if isinstance(spec, ProgramSpec) else ""
    return f"record one with `parity record{option}` where TensorFlow is installed"


def _shared(spec: CheckSpec | ProgramSpec, recorded: CheckSpec | ProgramSpec, root: Path) -> int:
    """Returns how many last parts the names of two programs share, 0 if they are not the same.

    One of them may be named from a folder further down: `models.build` is `tests.models.build`.
    """
    if isinstance(spec, ScenarioSpec) or isinstance(recorded, ScenarioSpec):
        return int((type(spec), _named(spec)) == (type(recorded), _named(recorded)))
    if spec.keras is None:
        return 1
    # A bundle does not say from which folder it names a file.
    ours = factory_parts(spec.keras, root, Path(spec.folder))
    theirs = factory_parts(recorded.keras or "", root)
    num = min(len(ours), len(theirs))
    return num if ours[-num:] == theirs[-num:] else 0


def _setting(name: str, value: Any, spec: CheckSpec | ProgramSpec | None = None) -> Any:
    """Returns what of a setting is compared: the name of a file, None for a script's own seeds."""
    if name == "data" and value is not None:
        return Path(value).name
    is_own = isinstance(spec, ProgramSpec) and spec.is_script and not spec.sets_seed
    return None if name == "seed" and is_own else value


def _text(name: str, value: Any) -> str:
    shown = " ".join(map(str, value)) or "none" if isinstance(value, tuple) else value
    label = name.replace("_", " ")
    return f"the program's own {label}" if value is None else f"{label} {shown}"


def changed_files(spec: ProgramSpec, path: Path) -> Iterator[dict[str, str]]:
    """Yields {"what", "why"} for files of the Keras half that are here and were others.

    Raises:
        InputError: the bundle cannot be read.
    """
    recorded = read_run(path).files
    here = user_files(spec, "keras")
    if changed := [name for name, digest in here.items() if recorded.get(name, digest) != digest]:
        shown = ", ".join(changed[:5]) + (", ..." if len(changed) > 5 else "")
        yield {
            "what": f"the present {shown}",
            "why": f"{path.name} was recorded before it was changed; record it again if that "
            "changes what is computed",
        }
