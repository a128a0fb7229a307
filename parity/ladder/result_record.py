"""What the JSON of `parity.result/1` and `parity.results/1` may be.

The reader (`parity.ladder.result_file`) and the published schema are both made of these records.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from parity.behaviour.judgement_record import History, JudgementRecord
from parity.files.records import (
    Amount,
    AtLeastOne,
    Count,
    Half,
    Many,
    Name,
    Number,
    Record,
    Scalar,
    Share,
    mirrors,
    one_of,
)
from parity.ladder.items import FAIL, NOT_REACHED, PASS, SKIPPED, UNITS, Item, Level
from parity.ladder.levels import LEVEL_IDS
from parity.ladder.result import ERROR, SCHEMA
from parity.programs.run_spec import MODES

MAX_AXES = 64  # as of NumPy's arrays
ALL_RESULTS = "parity.results/1"

LevelId = Annotated[str, one_of(*LEVEL_IDS)]
Unit = Annotated[str, one_of(*UNITS)]
Index = Annotated[list[Count], Meta(max_length=MAX_AXES)]

_ENVIRONMENT = {
    "python": "Version of the interpreter.",
    "executable": "Path of the interpreter.",
    "system": "Operating system, as `platform.platform()` tells it.",
    "machine": "Architecture, such as x86_64.",
    "processor": "Its name.",
    "cores": "Number of cores of the machine.",
    "versions": "Version of each package by name; null: it is not installed.",
    "variables": "Environment variables that change what is computed, or how fast.",
    "framework": "keras or torch.",
    "device": "Where it computed: cpu, cuda or cuda:N.",
    "devices": "Devices that the framework sees.",
    "threads": "Threads of an operation.",
    "jit_compile": "Keras: whether XLA compiles.",
    "compile": "PyTorch: whether torch.compile was used.",
    "tf32": "Whether products may be rounded to TF32.",
    "wall_s": "Of a check: seconds of imports and of the check itself.",
}
Environment = Annotated[
    dict[str, Any],
    Meta(
        description="What a run depends on besides its spec. More may be told; a bundle of "
        "`parity record` may say anything.",
        extra_json_schema={
            "properties": {name: {"description": text} for name, text in _ENVIRONMENT.items()},
            "additionalProperties": True,
        },
    ),
]


@mirrors(Item, omit=("epoch",))
class ItemRecord:
    """One quantity that was compared.

    Attributes:
        status: pass: something was compared, and worst is at most allowed.
        epoch_number: counted from 1; null where the quantity belongs to no epoch.
        keras: the value there in the Keras half; null: no single one.
        torch: the value there in the torch half; null: no single one.
    """

    status: Annotated[str, one_of(PASS, FAIL)]
    name: Name
    unit: Unit
    num_compared: Count
    epoch_number: AtLeastOne | None
    step: Count | None
    index: Index | None
    keras: Scalar
    torch: Scalar


@mirrors(Level)
class LevelRecord:
    """One level of the ladder, see docs/ladder.md.

    Attributes:
        id: which level it is.
        status: not_reached: a level before it failed; skipped: it was not compared, and
            tolerance_source says
            why.
        worst: of the item that comes closest to its limit, or exceeds it most; null without items.
        allowed: of the same item.
        unit: of the same item.
        tolerance_source: what is allowed here, and why that much; or why nothing was compared.
    """

    id: LevelId
    status: Annotated[str, one_of(PASS, FAIL, SKIPPED, NOT_REACHED)]
    worst: Number | None
    allowed: Number | None
    unit: Unit | None
    tolerance_source: str
    items: Many[ItemRecord]


class CauseRecord(Record):
    """A known divergence, as `parity explain ID` tells it, and what speaks for it here.

    Attributes:
        id: its short name, such as F2.
        title: what differs.
        level: the level at which it is first visible.
        keras: Keras's formula or default.
        torch: what the port does instead.
        source: where Keras's rule stands.
        fix: a line of code, or what to do.
        confidence: 0.99: its formula gives the port's numbers; 0.8: the port's settings say so;
            0.3: only the place speaks for it.
        detail: what was seen.
        where: file and line of the port; empty: no single line is to blame.
    """

    id: Name
    title: Name
    level: LevelId
    keras: str
    torch: str
    source: str
    fix: str
    confidence: Share
    detail: str
    where: Name


class PlaceRecord(Record):
    """The pair of layers at which the halves part.

    Attributes:
        keras: name of Keras's layer.
        torch: name of the port's module.
        where: file and line of the port that calls it.
        introduced: whether the error is the layer's own (true) or came with its input (false);
            null: not known.
    """

    keras: Name | None
    torch: Name | None
    where: Name | None
    introduced: bool | None


@mirrors(Item, omit=("name", "num_compared", "epoch"))
class FirstDivergenceRecord:
    """The first item of the first level that fails.

    Attributes:
        level: the level.
        item: name of the item.
        epoch_number: counted from 1; null where the quantity belongs to no epoch.
        causes: known divergences that explain it, the likeliest first; of a check only.
        place: where in the two models it is; null for a run.
    """

    level: LevelId
    item: Name
    unit: Unit
    epoch_number: AtLeastOne | None
    step: Count | None
    index: Index | None
    keras: Scalar
    torch: Scalar
    causes: Many[CauseRecord]
    place: PlaceRecord | None


class SettingRecord(Record):
    """A setting of paired layers that differs: a hint, and no verdict.

    Attributes:
        id: short name of the divergence that it is.
        name: Keras's name of the setting.
        keras: its value there.
        torch: its value in the port, in Keras's convention.
        layers: all pairs of layers with these values: Keras's name, and the port's.
    """

    id: Name
    name: Name
    keras: Any
    torch: Any
    layers: Annotated[
        list[Annotated[list[Name], Meta(min_length=2, max_length=2)]], Meta(min_length=1)
    ]


class DataRecord(Record):
    """What was trained on; empty for a check, and where nothing was compared.

    Attributes:
        source: as the spec names it.
        sha256: digest of each array by name.
    """

    source: Name | UnsetType = UNSET
    sha256: dict[str, Name] | UnsetType = UNSET


class SensitivityRecord(Record):
    """Greatest ratio of the difference of a loss to that of the weights, among perturbed runs.

    Attributes:
        loss: of the running loss of training.
        val_loss: of the validation loss.
    """

    loss: Number
    val_loss: Number


class EnvelopeRecord(Record):
    """How what float32 allows was measured, see docs/ladder.md.

    Attributes:
        num_perturbations: Keras runs whose initial weights were moved by one unit in the last
            place.
        factor: how many times as far as these runs the port may be.
        steps: the steps at which weights were compared.
        max_difference_by_step: greatest difference of any weight between any two of these runs, up
            to each of the steps.
        sensitivity: greatest ratio of the difference of a loss to that of the weights, among these
            runs.
    """

    num_perturbations: AtLeastOne
    factor: Amount
    steps: Many[AtLeastOne]
    max_difference_by_step: Many[Number]
    sensitivity: SensitivityRecord


class ResultRecord(Record):
    """What `parity run --json` writes for one run, or `parity check --json`; also `result.json`.

    Attributes:
        schema: name and version of this schema.
        verdict: pass: parity holds; fail: it does not; error: a half did not deliver, and nothing
            was compared.
        mode: where the port's random numbers come from: seeded: drawn from the seed alone;
            replayed: those that Keras used; independent: torch's own.
        spec: all that decides what was computed.
        environment: what each half depends on besides its spec; empty: nothing was compared.
        data: what was trained on; empty for a check, and where nothing was compared.
        levels: the ladder, also those levels that were not reached; empty: nothing was compared.
        first_divergence: where the two runs part; null: nowhere.
        settings: settings of paired layers that differ; of a check that fails only.
        behaviour: the verdict on the fit of each half; empty for a check.
        history: the training history of each half; empty for a check.
        wall_s: seconds of training of each half; empty for a check.
        envelope: how what the trajectory allows was measured; null: it is a fixed number.
        errors: a paragraph for each half that did not deliver.
    """

    schema: Annotated[str, one_of(SCHEMA)]
    verdict: Annotated[str, one_of(PASS, FAIL, ERROR)]
    mode: Annotated[str, one_of(*MODES, "replayed")]
    spec: Annotated[
        dict[str, Any],
        Meta(
            extra_json_schema={
                "if": {"required": ["scenario"]},
                "then": {"$ref": "#/$defs/RunSpecRecord"},
                "else": {"$ref": "#/$defs/CheckSpecRecord"},
            }
        ),
    ]
    environment: dict[Half, Environment]
    data: Annotated[
        DataRecord,
        Meta(extra_json_schema={"dependentRequired": {"source": ["sha256"], "sha256": ["source"]}}),
    ]
    levels: Annotated[list[LevelRecord], Meta(max_length=len(LEVEL_IDS))]
    first_divergence: FirstDivergenceRecord | None
    settings: Many[SettingRecord]
    behaviour: dict[Half, JudgementRecord]
    history: dict[Half, History]
    wall_s: dict[Half, Number]
    envelope: EnvelopeRecord | None
    errors: Many[str]


class ResultsRecord(Record):
    """What `parity run --json` writes for several runs.

    Attributes:
        schema: name and version of this schema.
        verdict: error if one of the runs has no result, otherwise fail if one fails, otherwise
            pass.
        results: one for each run, in the order in which they were asked for.
    """

    schema: Annotated[str, one_of(ALL_RESULTS)]
    verdict: Annotated[str, one_of(PASS, FAIL, ERROR)]
    results: Annotated[list[ResultRecord], Meta(min_length=2)]
