"""What runs and checks share: options, the plan of a half, the levels, the result's file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from parity.errors import InputError, RunError, UnfinishedError
from parity.files.json_io import read_json, write_json
from parity.halves.job import ChildOptions
from parity.ladder.result import ERROR, Result
from parity.programs.check_spec import CheckSpec
from parity.programs.halves import HALVES
from parity.programs.program_spec import ProgramSpec
from parity.programs.scenario_spec import ScenarioSpec
from parity.traces.folder import RunFolder

# --- RunOptions: how to carry out runs ------------------------------------------------------------


Unpack = Callable[[Path, RunFolder], None]


@dataclass(frozen=True)
class Recorded:
    """A recorded run in the place of the Keras half.

    Attributes:
        path: of the bundle.
        unpack: writes the folder of the Keras half: `parity.traces.bundle_run.unpack_run`.
        not_compared: {"what", "why"} of what is here and was not recorded.
    """

    path: Path
    unpack: Unpack
    not_compared: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True)
class RunOptions:
    """How to carry out runs; the options do not change what the runs compute.

    Attributes:
        out: folder for the run directories; it must not contain any of these runs yet.
        children: how to run the child processes.
        save_weights: whether to leave the final weights of both halves in the run directories.
        keeps_feed: whether what a user's program was fed stays in the folder of its Keras half.
        against: what stands for the Keras half of the only run, a user's program; see
            `parity.runs.against`.
    """

    out: Path
    children: ChildOptions = field(default_factory=ChildOptions)
    save_weights: bool = False
    keeps_feed: bool = False
    against: Recorded | None = None


# --- Steps that runs and checks share: plan a half, judge the levels, write the result ------------


def planned(half: RunFolder, spec: CheckSpec | ProgramSpec) -> Path:
    """Makes the folder of a half with the spec for its child, and returns its path."""
    half.path.mkdir(parents=True)
    write_json(half.spec, spec.to_dict())
    return half.path


def unfinished(
    spec: CheckSpec | ProgramSpec, reasons: Sequence[str], mode: str = "seeded"
) -> Result:
    """Returns the result of a run or check that could not be compared.

    Args:
        spec: spec of the run or check.
        reasons: the reasons, a paragraph each.
        mode: mode of the result.
    """
    settings = spec.told() if isinstance(spec, ScenarioSpec) else spec.to_dict()
    return Result(ERROR, settings, mode=mode, errors=tuple(reasons))


def written(run: RunFolder, result: Result) -> Result:
    """Writes a result, which makes its run complete, and returns it."""
    write_json(run.result, result.to_json())
    return result


def error_of(
    half: RunFolder, reason: str, *, prefers_message: bool = False
) -> InputError | RunError:
    """Returns why a half has failed.

    Args:
        half: its folder. Bad input is told in its own words.
        reason: of a crash, as it was seen from outside.
        prefers_message: whether a crash is told in those of the half, too, if it has any.
    """
    failure = read_json(half.failure) if half.failure.exists() else {}
    if failure.get("is_input"):
        return InputError(failure["message"])
    if failure.get("is_unfinished"):
        return UnfinishedError(failure["message"])
    return RunError(failure["message"] if failure and prefers_message else reason)


def is_bad_input(run: RunFolder) -> bool:
    """Whether a run has no result for bad input alone, by what its halves have written of it."""
    failures = []
    for half in map(run.half, HALVES):
        # The first is the half's own word; a half that could not go on is told in both places.
        places = [place.failure for place in (half, half.training) if place.failure.exists()]
        failures += [read_json(place) for place in places[:1]]
    return bool(failures) and all(each.get("is_input") is True for each in failures)
