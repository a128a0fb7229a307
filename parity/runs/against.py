"""A recorded run in the place of the Keras half: whether it is that of the training asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from parity.errors import InputError
from parity.programs.factories import check_reference
from parity.programs.program_spec import ProgramSpec
from parity.programs.scenario_spec import ScenarioSpec, of_run
from parity.programs.user_files import user_files
from parity.traces.bundle_spec import are_same_factory, read_run

# Settings that decide what the Keras half computes.
_SETTINGS = ("data", "arguments", "epochs", "batch_size", "train_size", "val_size", "dtype")


def recorded_spec(
    spec: ProgramSpec, path: Path, asked: Collection[str] = ("dtype",)
) -> ProgramSpec:
    """Returns the spec of a training against a recorded run: with what is left out as recorded.

    Args:
        spec: what is asked for; None: as recorded.
        path: of the bundle.
        asked: of "seed" and "dtype", which are never None, those that are asked for.

    Raises:
        InputError: the bundle cannot be read, is of another program, or was recorded with other
            settings; or the factory of the port cannot be there.
    """
    recorded = read_run(path).spec
    assert recorded.keras is not None
    if spec.torch is None:
        raise InputError("--torch is missing: expected the factory of the port")
    check_reference("--torch", spec.torch, spec.folder)
    if spec.keras is not None and not are_same_factory(spec.keras, recorded.keras):
        raise InputError(
            f"{path}: it is of {recorded.keras}, and {spec.program} has {spec.keras}; name the "
            "bundle of this program, or record one with `parity record --run`"
        )
    changes = {"keras": spec.keras or recorded.keras}
    for name in (*_SETTINGS, "seed"):
        theirs, ours = getattr(recorded, name), getattr(spec, name)
        is_asked = name in asked if name in ("seed", "dtype") else ours not in (None, ())
        if name == "data" and is_asked and theirs is not None:
            is_same = Path(ours).name == Path(theirs).name
        else:
            is_same = ours == theirs
        if is_asked and not is_same:
            option = f"--{name.replace('_', '-')}"
            raise InputError(
                f"{path}: it was recorded with {_setting_text(name, theirs)}, and "
                f"{_setting_text(name, ours)} is asked for; record it again with `parity record "
                f"--run`, or give {option} as recorded"
            )
        if not is_asked:
            changes[name] = theirs
    if "seed" in asked and recorded.is_script and not recorded.sets_seed:
        raise InputError(
            f"{path}: it was recorded with the seeds of the script, and seed {spec.seed} is asked "
            "for; leave --seed out, or record it with `parity record --run --seed`"
        )
    return spec.replace(**changes, sets_seed=recorded.sets_seed)


def recorded_scenario(spec: ScenarioSpec, path: Path, asked: Collection[str]) -> ScenarioSpec:
    """Returns the spec of a training of a scenario's port against a recorded run of it.

    Args:
        spec: what is asked for.
        path: of the bundle.
        asked: names of the settings that are asked for; the others are as recorded.

    Raises:
        InputError: the bundle cannot be read, is of another program, or was recorded with other
            settings.
    """
    recorded = read_run(path).spec
    name = spec.run.scenario
    if not isinstance(recorded, ScenarioSpec) or recorded.run.scenario != name:
        raise InputError(
            f"{path}: it is of {recorded.program}, and {name} is asked for; name the bundle of "
            "this scenario, or record one with `parity record --run`"
        )
    for each in asked:
        theirs, ours = (getattr(run, each) for run in (recorded.run, spec.run))
        if each not in ("device", "threads") and theirs != ours:
            raise InputError(
                f"{path}: it was recorded with {each}={theirs!r}, and {ours!r} is asked for; "
                "record it again with `parity record --run`, or leave the option out"
            )
    return of_run(recorded.run.replace(device=spec.device, threads=spec.threads))


def _setting_text(name: str, value: object) -> str:
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
