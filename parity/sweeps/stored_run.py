"""The record of a finished run, as a store has it: it may be damaged, or be that of another run.

In: a record out of a store, and the task that it is to be of. Out: a `StoredRun`, of which every
value has been checked: that it is what a child writes (`parity.sweeps.child` and
`program_child`), that its history is one that such a run can have, and that half and settings are
those of the task. `parity.sweeps.sweep` runs a task again whose record is refused.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from parity.behaviour.judgement_record import History
from parity.behaviour.rules import ACCURACIES, ROUNDING, Judgement
from parity.errors import RunError
from parity.files import records
from parity.programs.program_spec import ProgramSpec
from parity.programs.run_spec import RunSpec
from parity.programs.spec_record import ProgramSpecRecord, RunSpecRecord
from parity.sweeps.batch import spec_from
from parity.sweeps.rows import deciding, judge_record
from parity.sweeps.store import Store

if TYPE_CHECKING:
    from parity.sweeps.task import Task
    from parity.sweeps.unfinished import Place

LARGEST = 1e300  # of a finite loss: a mean of a few is a number, too
# Of a scenario, for every epoch.
ALL_EPOCHS = ("loss", "accuracy", "val_loss", "val_accuracy", "eval_loss", "eval_accuracy")

Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


class TimesRecord(records.Record):
    """When and where a run was trained.

    Attributes:
        wall_s: seconds of training.
        started: seconds since 1970.
    """

    wall_s: records.Amount
    started: records.Amount
    total_s: records.Amount | UnsetType = UNSET
    host: records.Name | UnsetType = UNSET
    process: records.Count | UnsetType = UNSET


class StoredRecord(records.Record):
    """The record of a finished run.

    Attributes:
        num_classes: of a scenario.
        outputs: of a program with several, their names.
        data_sha256: of a scenario: digest of each array that the half was fed.
        fed_sha256: of a program: digest of what `fit` was fed; null: no arrays.
    """

    key: Digest
    half: records.Half
    spec: dict[str, Any]
    history: History
    num_train: records.AtLeastOne | None
    num_val: records.AtLeastOne | None
    run: TimesRecord
    num_classes: Annotated[int, Meta(ge=2)] | UnsetType = UNSET
    outputs: records.Many[records.Name] | UnsetType = UNSET
    data_sha256: dict[str, Digest] | UnsetType = UNSET
    weights_sha256: Digest | UnsetType = UNSET
    fed_sha256: Digest | UnsetType | None = UNSET
    versions: dict[str, str | None] | UnsetType = UNSET


UNLIKE_FED = (
    "its data are not those that Keras was fed: what `fit` gets differs from one call of the "
    "program to the next, or for some of the seeds alone, or the source of the data has changed; "
    "draw the data from the seed, or always in the same way, and run it again"
)


@dataclass(frozen=True)
class StoredRun:
    """What the record of a finished run says.

    Attributes:
        spec: of the run.
        half: "keras" or "torch".
        judgement: the verdict on its history.
        wall_s: seconds of training.
        started: seconds since 1970.
        versions: of Python and packages by name; None: not known.
        fed: digests of what `fit` was fed; None: it had no arrays.
    """

    spec: RunSpec | ProgramSpec
    half: str
    judgement: Judgement
    wall_s: float
    started: float
    versions: dict[str, str | None] | None
    fed: dict[str, str] | str | None


def stored_run(store: Store, key: str) -> StoredRun:
    """Returns the run of a key.

    Raises:
        RunError: the record is missing, or it is no record of a finished run.
    """
    record = store.get(key)
    try:
        return _run(records.checked(StoredRecord, record), record)
    except records.UNUSABLE as error:
        raise RunError(str(records.refusal(StoredRecord, key, error))) from None


def run_of(task: Task, store: Store) -> StoredRun:
    """Returns the run of a task, which has finished.

    Raises:
        RunError: the record is missing, damaged, or that of another run.
    """
    found = stored_run(store, task.key)
    if problem := unlike(found, task.half, task.spec):
        raise RunError(f"{task.key} is the record of another run: {problem}")
    return found


def unlike_fed(runs: Mapping[Place, StoredRun]) -> list[Place]:
    """Returns the ports that were fed other data than their Keras half, among finished runs.

    What a program's `fit` gets is recorded for two seeds, and is the same for all if it is the same
    for these. Every Keras run says what it was really fed.
    """
    found = []
    for (name, seed, half), run in runs.items():
        other = runs.get((name, seed, "keras"), run)
        if half == "torch" and None not in (run.fed, other.fed) and run.fed != other.fed:
            found.append((name, seed, half))
    return found


def unlike(found: StoredRun, half: str, spec: RunSpec | ProgramSpec) -> str:
    """Returns what tells a run from the one that a task stands for; "": nothing.

    Args:
        found: the run.
        half: of the task.
        spec: of the task; settings that do not change what the half computes may differ.
    """
    if found.half == half and found.spec == spec:
        return ""
    if found.half != half:
        return f"half is {found.half!r}; expected {half!r}"
    if type(found.spec) is not type(spec):
        return "it is of a scenario" if isinstance(found.spec, RunSpec) else "it is of a program"
    there, here = deciding(found.spec, half), deciding(spec, half)
    for name in here:
        if there[name] != here[name]:
            return f"{name} is {records.shown(there[name])}; expected {records.shown(here[name])}"
    return ""


def _run(found: StoredRecord, record: Mapping[str, Any]) -> StoredRun:
    is_program = "program" in found.spec
    records.checked(ProgramSpecRecord if is_program else RunSpecRecord, found.spec, "spec")
    spec = _seed_0(msgspec.json.encode({**found.spec, "seed": 0})).replace(seed=found.spec["seed"])
    history = found.history
    if isinstance(spec, RunSpec):
        _check_sizes(found, spec)
        _check_scenario(history, spec)
    else:
        _check_program(history, spec)
    judgement, wall_s = judge_record({**record, "history": history}, spec)
    return StoredRun(
        spec=spec,
        half=found.half,
        judgement=judgement,
        wall_s=wall_s,
        started=found.run.started,
        versions=None if isinstance(found.versions, UnsetType) else found.versions,
        fed=_fed(found, spec),
    )


@functools.lru_cache
def _seed_0(content: bytes) -> RunSpec | ProgramSpec:
    """Returns the spec of a seed, which is that of many runs but for theirs."""
    return spec_from(msgspec.json.decode(content))


def _fed(found: StoredRecord, spec: RunSpec | ProgramSpec) -> dict[str, str] | str | None:
    name = "data_sha256" if isinstance(spec, RunSpec) else "fed_sha256"
    digests: dict[str, str] | str | UnsetType | None = getattr(found, name)
    if isinstance(digests, UnsetType):
        raise ValueError(f"the file has no {name!r}")
    return digests


def _check_sizes(found: StoredRecord, spec: RunSpec) -> None:
    """Checks the numbers of samples and classes of a scenario."""
    if isinstance(found.num_classes, UnsetType):
        raise ValueError("the file has no 'num_classes'")
    for name, asked in (("num_train", spec.train_size), ("num_val", spec.val_size)):
        value = getattr(found, name)
        if value is None or value != (asked or value):
            raise ValueError(f"{name} is {value}; expected {asked or 'a number'}, as spec says")


def _check_scenario(history: Mapping[str, list[float]], spec: RunSpec) -> None:
    """Checks the history of a scenario: every value is measured in every epoch."""
    for name in ALL_EPOCHS:
        if name not in history:
            raise ValueError(f"history has no {name!r}")
    number = len(history["loss"])
    stops = spec.early_stopping is not None
    if not (number == spec.epochs or (stops and 1 <= number < spec.epochs)):
        most = "at most " if stops else ""
        raise ValueError(f"history.loss has {number} epochs; expected {most}{spec.epochs}")
    for name, column in history.items():
        if len(column) != number:
            raise ValueError(f"history.{name} has {len(column)} epochs, and loss {number}")
        if name in ACCURACIES:
            _check_range(name, column, 1.0, may_lack=False)
        else:
            _check_losses(name, column)
            if min(column) < 0:
                raise ValueError(f"history.{name} has {min(column):.3g}; expected 0 or more")
    for epoch, (loss, val) in enumerate(zip(history["loss"], history["val_loss"], strict=True)):
        if math.isnan(loss) and math.isfinite(val):  # the weights are NaN after such an epoch
            raise ValueError(f"history.loss is NaN in epoch {epoch + 1}, and val_loss is {val:.3g}")


def _check_program(history: Mapping[str, list[float]], spec: ProgramSpec) -> None:
    """Checks the history of a program: it may validate in some epochs only."""
    number = len(history.get("loss", ()))
    if not 1 <= number <= (spec.epochs or number):
        expected = f"1 to {spec.epochs}" if spec.epochs else "at least 1"
        raise ValueError(f"history.loss has {number} epochs; expected {expected}")
    for name, column in history.items():
        least = 1 if name.startswith("val_") else number
        if not least <= len(column) <= number:
            raise ValueError(f"history.{name} has {len(column)} epochs, and loss {number}")
        if name in ACCURACIES:
            _check_range(name, column, 100.0 + ROUNDING, may_lack=True)  # or percent
        else:
            _check_losses(name, column, returns=True)


def _check_range(name: str, column: list[float], most: float, *, may_lack: bool) -> None:
    for number, value in enumerate(column, start=1):
        if not (0 <= value <= most or (may_lack and math.isnan(value))):
            raise ValueError(
                f"history.{name} is {value:.6g} in epoch {number}; expected 0 to {most:g}"
            )


def _check_losses(name: str, column: list[float], *, returns: bool = False) -> None:
    """Checks values that diverge with the training.

    Args:
        name: of the column.
        column: a value for each epoch.
        returns: whether a number may follow NaN; weights that are NaN stay so.
    """
    if large := [value for value in column if math.isfinite(value) and abs(value) > LARGEST]:
        raise ValueError(f"history.{name} has {large[0]:.3g}; expected at most {LARGEST:g}")
    for number, (before, value) in enumerate(itertools.pairwise(column), start=1):
        if math.isnan(before) and not math.isnan(value) and not returns:
            raise ValueError(f"history.{name} is NaN in epoch {number}, and a number after it")
