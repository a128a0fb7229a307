"""Bundles of a project: their names, and which of them stands for a Keras model.

`pytest --parity-record DIR` writes one for each Keras model, `parity record` one of any name.
`pytest --parity-against PATH` finds them by what they say of themselves: the factory and the
settings that they were recorded with.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

from parity.errors import InputError
from parity.programs.check_spec import NUM_STEPS, CheckSpec

SUFFIX = ".parity"
SETTINGS = ("dtype", "seed", "steps", "batch_size")  # that have to be those of the check


def bundle_name(spec: CheckSpec, root: Path) -> str:
    """Returns the file name of a bundle in a folder of bundles: factory, seed, steps, samples.

    "tests.models.build-seed0.parity" is of the function `build` in `tests/models.py`. Tests
    of one Keras model share a bundle.

    Args:
        spec: of the check, with the factory of the Keras model.
        root: folder of the project.
    """
    name = f"{'.'.join(_parts(spec, root))}-seed{spec.seed}"
    if spec.steps is not None:
        name += f"-steps{spec.steps}"
    if spec.batch_size != CheckSpec.batch_size:
        name += f"-batch{spec.batch_size}"
    if spec.dtype != CheckSpec.dtype:
        name += f"-{spec.dtype}"
    if spec.data is not None:
        name += f"-{Path(spec.data).stem}"
    return re.sub(r"[^\w.-]", "_", name) + SUFFIX


def _parts(spec: CheckSpec, root: Path) -> list[str]:
    """Returns the modules and the function that name a factory; a file below `root` from there."""
    module, _, function = (spec.keras or "").rpartition(":")
    if not module.endswith(".py"):
        return [*module.split("."), function]
    path = (Path(spec.folder) / module).resolve().with_suffix("")
    return [*(path.relative_to(root).parts if path.is_relative_to(root) else [path.name]), function]


def _recorded_parts(spec: CheckSpec, root: Path) -> list[str]:
    """Returns the same of a bundle, which does not say from which folder it names a file."""
    module, _, function = (spec.keras or "").rpartition(":")
    if not module.endswith(".py") or Path(module).is_absolute():
        return _parts(spec, root)
    path = Path(module).with_suffix("")
    return [*(part for part in path.parts if part not in (".", "..")), function]


def find_bundle(place: Path, spec: CheckSpec, root: Path) -> Path:
    """Returns the path of the bundle that stands for the Keras model of a check.

    Args:
        place: a bundle, or a folder in and below which bundles are searched.
        spec: of the check, with the factory of the Keras model.
        root: folder of the project.

    Raises:
        InputError: none is of this factory and these settings, or several are.
    """
    paths = [place] if place.is_file() else sorted(place.rglob(f"*{SUFFIX}"))
    parts, told, fitting = _parts(spec, root), [], []
    for path in paths:
        recorded, problem = _recorded(path, path.stat().st_mtime_ns)
        if recorded is None:
            told.append(problem)
            continue
        shared = _shared(parts, _recorded_parts(recorded, root))
        if not shared:
            continue
        differs = [
            f"{name} {'by default' if (value := getattr(recorded, name)) is None else value}"
            for name in SETTINGS
            if _value(recorded, name) != _value(spec, name)
        ]
        if _file_name(recorded.data) != _file_name(spec.data):
            differs.append(f"data {_file_name(recorded.data)}")
        if differs:
            told.append(f"{path} is of this factory, but with {', '.join(differs)}")
        else:
            # The name decides between files of the same name in several folders.
            fitting.append((path.name == bundle_name(spec, root), shared, path))
    best = [path for *rank, path in fitting if rank == list(max(fitting)[:2])]
    if len(best) == 1:
        return best[0]
    steps = "" if spec.steps is None else f"steps {spec.steps}, "
    wanted = f"{spec.keras} with seed {spec.seed}, {steps}batch size {spec.batch_size}"
    if best:
        shown = ", ".join(map(str, best[:5]))
        raise InputError(f"{place}: several bundles are of {wanted}: {shown}; keep one of them")
    raise InputError(
        f"{place}: there is no bundle of {wanted}; record it where TensorFlow is installed, with "
        "parity record or pytest --parity-record" + "".join(f"; {line}" for line in told[:5])
    )


def _value(spec: CheckSpec, name: str) -> Any:
    """Returns a setting; older bundles say the number of steps that None stands for."""
    value = getattr(spec, name)
    return None if name == "steps" and value == NUM_STEPS else value


def are_same_factory(ours: str, theirs: str) -> bool:
    """Whether two references may name one factory, or one script, from different folders."""
    return _shared(*map(_named_parts, (ours, theirs))) > 0


def _named_parts(reference: str) -> list[str]:
    """Returns the parts of "module:function", "file.py:function" or "train.py"."""
    module, _, function = reference.rpartition(":")
    if not module.endswith(".py") and not reference.endswith(".py"):
        return [*module.split("."), function]
    path = Path(module if module.endswith(".py") else reference)
    parts = [part for part in path.with_suffix("").parts if part not in (".", "..", path.anchor)]
    return [*parts, function] if module.endswith(".py") else [*parts, ".py"]


def _file_name(path: str | None) -> str | None:
    return None if path is None else Path(path).name


def _shared(ours: list[str], theirs: list[str]) -> int:
    """Returns how many last parts two factories share, 0 if they are not the same.

    One of them may be named from a folder further down: `models.build` is `tests.models.build`.
    """
    num = min(len(ours), len(theirs))
    return num if ours[-num:] == theirs[-num:] else 0


@functools.lru_cache(maxsize=1_000)
def _recorded(path: Path, changed_ns: int) -> tuple[CheckSpec | None, str]:
    """Returns the spec of a bundle, or why it has none."""
    from parity.traces.bundle_spec import read_spec

    try:
        return read_spec(path), ""
    except InputError as error:
        return None, str(error)
