"""The JSON of `parity.result/1` and `parity.results/1`, as records.

The reader (`parity.ladder.result_file`) and the published schema both use these records.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType, field

from parity.behaviour.judgement_record import History, JudgementRecord
from parity.files import records
from parity.ladder.items import (
    ACCEPTED,
    DECIDES,
    DIFFERS,
    FAIL,
    LEVEL_IDS,
    NOT_REACHED,
    PASS,
    ROLES,
    SKIPPED,
    UNITS,
    Item,
    Level,
)
from parity.ladder.result import ALL_RESULTS, ERROR, INCOMPLETE, SCHEMA
from parity.programs.run_spec import MODES
from parity.programs.spec_record import ANY_SPEC

MAX_AXES = 64  # NumPy's limit

LevelId = Annotated[str, records.one_of(*LEVEL_IDS)]
Unit = Annotated[str, records.one_of(*UNITS)]
Index = Annotated[list[records.Count], Meta(max_length=MAX_AXES)]

_ENVIRONMENT = {
    "python": "Version of the interpreter.",
    "executable": "Path of the interpreter.",
    "system": "Operating system, from `platform.platform()`.",
    "machine": "Architecture, such as x86_64.",
    "processor": "Name of the processor.",
    "cores": "Number of cores of the machine.",
    "versions": "Version of each package by name; null: not installed.",
    "variables": "Environment variables that affect results or speed.",
    "framework": "keras or torch.",
    "device": "Device of the computation: cpu, cuda or cuda:N.",
    "devices": "Devices that the framework sees.",
    "threads": "Intra-op threads.",
    "jit_compile": "Keras: whether XLA was used.",
    "compile": "PyTorch: whether torch.compile was used.",
    "tf32": "Whether products may be rounded to TF32.",
    "wall_s": "Seconds of imports and of the check itself; only in a check.",
}
Environment = Annotated[
    dict[str, Any],
    Meta(
        description="The environment of a run, which its spec does not contain. There may be more "
        "keys; a bundle of `parity record` may have any.",
        extra_json_schema={
            "properties": {name: {"description": text} for name, text in _ENVIRONMENT.items()},
            "additionalProperties": True,
        },
    ),
]


@records.mirrors(Item, omit=("epoch", "accepted"))
class ItemRecord:
    """One quantity that was compared.

    Attributes:
        status: pass: something was compared, and worst is at most allowed; fail: the level fails
            for it; differs: it only says where a difference comes from, or that the port is written
            in another way; accepted: the user accepts it.
        epoch_number: counted from 1; null if the quantity belongs to no epoch.
        keras: the value there in the Keras half; null: no single value.
        torch: the value there in the torch half; null: no single value.
    """

    status: Annotated[str, records.one_of(PASS, FAIL, DIFFERS, ACCEPTED)]
    name: records.Name
    unit: Unit
    num_compared: records.Count
    epoch_number: records.AtLeastOne | None
    step: records.Count | None
    index: Index | None
    keras: records.Scalar
    torch: records.Scalar
    role: Annotated[str, records.one_of(*ROLES)] = DECIDES


class LeftOutRecord(records.Record):
    """A part of the models that was not compared; it does not affect the verdict.

    Attributes:
        what: the part.
        why: the reason.
    """

    what: records.Name
    why: str


class IncompleteRecord(records.Record):
    """A part of the models that could not be compared, and keeps the verdict open.

    Attributes:
        what: the part.
        why: the reason.
        do: what the user can do.
    """

    what: records.Name
    why: str
    do: str


@records.mirrors(Level)
class LevelRecord:
    """One level of the ladder, see docs/ladder.md.

    Attributes:
        id: name of the level.
        status: not_reached: a level before it failed; skipped: not compared, tolerance_source says
            why.
        worst: difference of the item that is closest to its limit, or exceeds it most; null without
            items.
        allowed: allowed difference of the same item.
        unit: unit of the same item.
        tolerance_source: the allowed difference and its reason, or why nothing was compared.
        not_compared: parts that were left out.
    """

    id: LevelId
    status: Annotated[str, records.one_of(PASS, FAIL, SKIPPED, NOT_REACHED)]
    worst: records.Number | None
    allowed: records.Number | None
    unit: Unit | None
    tolerance_source: str
    items: records.Many[ItemRecord]
    not_compared: records.Many[LeftOutRecord] = field(default_factory=list)
    applies: bool = True


class CauseRecord(records.Record):
    """A known divergence, as `parity explain ID` shows it, and the evidence for it here.

    Attributes:
        id: its short name, such as F2.
        title: the difference in one line.
        level: first level at which it is visible.
        keras: Keras's formula or default.
        torch: what the port does instead.
        source: where Keras defines its rule.
        fix: lines of code, or what to do.
        confidence: 0.99: its formula gives the port's numbers; 0.8: the port's settings show it;
            0.3: only the place suggests it.
        detail: the evidence.
        where: file and line of the port; empty: no single line causes it.
        tried: whether the fix was applied to the probe, and helped.
    """

    id: records.Name
    title: records.Name
    level: LevelId
    keras: str
    torch: str
    source: str
    fix: str
    confidence: records.Share
    detail: str
    where: records.Name
    tried: bool = False


class PlaceRecord(records.Record):
    """The first pair of layers that differs.

    Attributes:
        keras: name of Keras's layer.
        torch: name of the port's module, or of the function that it calls.
        where: file and line of the port that calls it.
        introduced: whether the layer makes the error (true) or its input already has it (false);
            null: unknown.
        module: class of the module; null: it is a function. Older files lack it.
        also: further pairs that show the same; without the key there are none.
    """

    keras: records.Name | None
    torch: records.Name | None
    where: records.Name | None
    introduced: bool | None
    module: records.Name | UnsetType | None = UNSET
    also: records.Many[PlaceRecord] | UnsetType = UNSET


class _Shown:
    """What both records of a divergence have, beside the fields of its item."""

    level: LevelId
    item: records.Name
    unit: Unit
    epoch_number: records.AtLeastOne | None
    step: records.Count | None
    index: Index | None
    keras: records.Scalar
    torch: records.Scalar
    causes: records.Many[CauseRecord]
    place: PlaceRecord | None


@records.mirrors(Item, omit=("name", "num_compared", "epoch", "role", "accepted"))
class FirstDivergenceRecord(_Shown):
    """The first divergence: in a check that of `divergences`, in a run the first item that fails.

    Attributes:
        level: name of the level.
        item: name of the item.
        epoch_number: counted from 1; null if the quantity belongs to no epoch.
        causes: known divergences that explain it, the most likely first; only in a check.
        place: its place in the two models; null for a run.
    """


@records.mirrors(Item, omit=("name", "num_compared", "epoch", "role", "accepted"))
class DivergenceRecord(_Shown):
    """One divergence of a check: a difference that is introduced at its place.

    Attributes:
        level: name of the level at which it is visible first.
        item: name of the first item that shows it.
        epoch_number: counted from 1; null if the quantity belongs to no epoch.
        causes: known divergences that explain it, the most likely first.
        place: its place in the two models.
        items: names of all items that show it.
        is_accepted: whether the user accepts it.
    """

    items: records.Many[records.Name]
    is_accepted: bool


class InheritedRecord(records.Record):
    """What differs at a level and shows no divergence of its own.

    Attributes:
        level: name of the level.
        items: names of the items.
    """

    level: LevelId
    items: records.Many[records.Name]


class SettingRecord(records.Record):
    """A different setting of both halves: a hint, which does not affect the verdict.

    Attributes:
        id: short name of the divergence.
        name: Keras's name of the setting.
        keras: its value in Keras.
        torch: its value in the port, in Keras's convention.
        layers: all pairs of layers with these values: Keras's name and the port's; or the classes
            of both optimizers, losses or schedules.
        module: class of the port's module of the first pair; empty: it is none. Older files lack
            it.
    """

    id: records.Name
    name: records.Name
    keras: Any
    torch: Any
    layers: Annotated[
        list[Annotated[list[records.Name], Meta(min_length=2, max_length=2)]], Meta(min_length=1)
    ]
    module: records.Name | UnsetType = UNSET


class DataRecord(records.Record):
    """The training data; empty for a check, and if nothing was compared.

    Attributes:
        source: name of the source in the spec.
        sha256: digest of each array by name.
    """

    source: records.Name | UnsetType = UNSET
    sha256: dict[str, records.Name] | UnsetType = UNSET


class AnchorsRecord(records.Record):
    """How far the port is from the reference after a few steps from recorded states.

    Attributes:
        num_steps: number of steps from each state; fewer at the end of a run.
        num_trained: number of steps of the whole Keras run.
        steps: number of steps before each state.
        difference: of the array that is nearest to its limit, or above it most, for each state:
            after steps in float64, relative to the largest value of the Keras array.
        allowed: the limit of that array.
        rounding: how much a step in float32 is rounded, for each state: of the weight that is
            rounded most, where 1 is as much as in Keras; empty for a run in float64.
    """

    num_steps: records.AtLeastOne
    num_trained: records.AtLeastOne
    steps: records.Many[records.Count]
    difference: records.Many[records.Number]
    allowed: records.Many[records.Amount]
    rounding: records.Many[records.Number]


class DriftRecord(records.Record):
    """How the weights of the two free runs part.

    Attributes:
        steps: steps after which both halves recorded their weights.
        difference: greatest difference of a weight after each of the steps.
        parted: the first of the steps after which a weight differs by more than 100 units in the
            last place of the largest one; null: there is none.
    """

    steps: records.Many[records.Count]
    difference: records.Many[records.Number]
    parted: records.Count | None


class ResultRecord(records.Record):
    """What `parity run --json` writes for one run, or `parity check --json`; also `result.json`.

    Attributes:
        schema: name and version of this schema.
        verdict: pass: parity holds, as far as it was compared; fail: it does not; incomplete:
            something could not be compared; error: a half failed, and nothing was compared.
        mode: source of the port's random numbers: seeded: drawn from the seed alone; replayed:
            those that Keras used; independent: torch's own.
        spec: all settings of the run or check.
        environment: the environment of each half; empty: nothing was compared.
        data: the training data; empty for a check, and if nothing was compared.
        levels: the ladder, including levels that were not reached; empty: nothing was compared.
        first_divergence: the first difference of the two runs; null: there is none.
        divergences: everything that was found to differ by itself, in the order of the levels; only
            in a check.
        inherited: what differs and shows no divergence of its own; only in a check.
        proven: what of it follows from the divergences: with the fixes of their causes applied to
            the port, it was gone. A result of an older version has none.
        settings: different settings of paired layers, the loss, the optimizer and the schedule,
            but for those where the values agree; only in a check that fails.
        incomplete: what could not be compared; only in a check.
        not_compared: what was left out; only in a check.
        tolerance: the user's own tolerance by level; an empty name stands for all levels.
        behaviour: the verdict on the fit of each half; empty for a check.
        history: the training history of each half; empty for a check.
        wall_s: seconds of training of each half; empty for a check.
        anchors: distances at recorded states; null: the run is compared as a whole.
        drift: how the weights of the two free runs part; null: nothing was compared, or a check.
        errors: a paragraph for each half that failed.
    """

    schema: Annotated[str, records.one_of(SCHEMA)]
    verdict: Annotated[str, records.one_of(PASS, FAIL, INCOMPLETE, ERROR)]
    mode: Annotated[str, records.one_of(*MODES, "replayed")]
    spec: Annotated[dict[str, Any], Meta(extra_json_schema=ANY_SPEC)]
    environment: dict[records.Half, Environment]
    data: Annotated[
        DataRecord,
        Meta(extra_json_schema={"dependentRequired": {"source": ["sha256"], "sha256": ["source"]}}),
    ]
    levels: Annotated[list[LevelRecord], Meta(max_length=len(LEVEL_IDS))]
    first_divergence: FirstDivergenceRecord | None
    settings: records.Many[SettingRecord]
    behaviour: dict[records.Half, JudgementRecord]
    history: dict[records.Half, History]
    wall_s: dict[records.Half, records.Number]
    anchors: AnchorsRecord | None
    drift: DriftRecord | None
    errors: records.Many[str]
    divergences: records.Many[DivergenceRecord] = field(default_factory=list)
    inherited: records.Many[InheritedRecord] = field(default_factory=list)
    proven: records.Many[InheritedRecord] = field(default_factory=list)
    incomplete: records.Many[IncompleteRecord] = field(default_factory=list)
    not_compared: records.Many[LeftOutRecord] = field(default_factory=list)
    tolerance: dict[str, records.Number] = field(default_factory=dict)


class ResultsRecord(records.Record):
    """What `--json` of `parity run` and `parity check` writes for several runs or checks.

    Attributes:
        schema: name and version of this schema.
        verdict: error if one of the runs has no result, incomplete if one is not decided, else fail
            if one fails, else pass.
        results: the result of each, in the order of the command line.
    """

    schema: Annotated[str, records.one_of(ALL_RESULTS)]
    verdict: Annotated[str, records.one_of(PASS, FAIL, INCOMPLETE, ERROR)]
    results: Annotated[list[ResultRecord], Meta(min_length=2)]
