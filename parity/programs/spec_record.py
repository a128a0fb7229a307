"""The specs of runs and checks in result files."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from parity.files.records import Amount, AtLeastOne, Count, Name, Seed, Share, mirrors, one_of
from parity.programs.check_spec import CheckSpec
from parity.programs.program_spec import ProgramSpec
from parity.programs.run_spec import (
    MODELS,
    MODES,
    SPLITS,
    Augmentation,
    EarlyStopping,
    ReduceLR,
    RunSpec,
)
from parity.programs.settings import DTYPES

Device = Annotated[str, Meta(pattern=r"^cpu$|^cuda(:(0|[1-9][0-9]*))?$")]
Monitor = Annotated[str, one_of("loss", "val_loss")]


@mirrors(Augmentation)
class AugmentationRecord:
    rotation_range: Amount
    width_shift_range: Amount
    height_shift_range: Amount
    shear_range: Amount
    zoom_range: Amount


@mirrors(ReduceLR)
class ReduceLRRecord:
    monitor: Monitor
    factor: Annotated[float, Meta(gt=0, lt=1)]
    patience: AtLeastOne
    min_delta: Amount
    cooldown: Count
    min_lr: Amount


@mirrors(EarlyStopping)
class EarlyStoppingRecord:
    monitor: Monitor
    min_delta: Amount
    patience: Count
    start_from_epoch: Count


@mirrors(RunSpec)
class RunSpecRecord:
    """All settings of a run of `parity run`: parity.RunSpec."""

    scenario: Name
    model: Annotated[str, one_of(*MODELS)]
    epochs: AtLeastOne
    batch_size: AtLeastOne
    learning_rate: Annotated[float, Meta(gt=0)]
    weight_decay: Amount
    l2: Amount
    mode: Annotated[str, one_of(*MODES)]
    seed: Seed
    train_size: AtLeastOne | None
    val_size: AtLeastOne | None
    split: Annotated[str, one_of(*SPLITS)]
    label_noise: Share
    leakage: Share
    dtype: Annotated[str, one_of(*DTYPES)]
    device: Device
    threads: AtLeastOne


@mirrors(ProgramSpec)
class ProgramSpecRecord:
    """All settings of a whole training of a user's program: ProgramSpec.

    Attributes:
        keras: factory of the Keras half, or its training script.
        torch: factory of the port.
        folder: folder in which the command was called; only in a run without a result.
    """

    program: Name
    keras: Name
    torch: Name
    data: Name | None
    arguments: list[Name]
    epochs: AtLeastOne | None
    batch_size: AtLeastOne | None
    train_size: AtLeastOne | None
    val_size: AtLeastOne | None
    seed: Seed
    dtype: Annotated[str, one_of(*DTYPES)]
    device: Device
    threads: AtLeastOne
    max_feed: AtLeastOne
    folder: str | UnsetType = UNSET


@mirrors(CheckSpec)
class CheckSpecRecord:
    """All settings of a check of `parity check`: parity.programs.check_spec.CheckSpec.

    Attributes:
        keras: factory of the Keras model, MODULE:FUNCTION; null: a bundle replaced it, and the
            check has no result.
        torch: factory of the port, MODULE:FUNCTION.
        arguments: command line of a training script; older results lack it.
        against: path of the bundle; only in a check without a result.
        brief: whether large arrays of layers are left out; only in a check without a result.
        draws: whether the port was built as often as its initial weights need; likewise.
        described: whether the trace says what a port is written of; likewise.
        folder: folder in which the command was called; only in a check without a result.
        dtype: of the port; older results lack it, whose checks are in float64.
    """

    keras: Name | None
    torch: Name
    arguments: list[Name] | UnsetType = UNSET
    against: Name | UnsetType | None = UNSET
    data: Name | None
    dtype: Annotated[str, one_of(*DTYPES)] | UnsetType = UNSET
    seed: Seed
    steps: AtLeastOne | None
    batch_size: Annotated[int, Meta(ge=2)]
    device: Device
    threads: AtLeastOne
    brief: bool | UnsetType = UNSET
    draws: bool | UnsetType = UNSET
    described: bool | UnsetType = UNSET
    folder: str | UnsetType = UNSET


# The schema of the spec of a result, which is of one of three kinds.
ANY_SPEC = {
    "if": {"required": ["scenario"]},
    "then": {"$ref": "#/$defs/RunSpecRecord"},
    "else": {
        "if": {"required": ["program"]},
        "then": {"$ref": "#/$defs/ProgramSpecRecord"},
        "else": {"$ref": "#/$defs/CheckSpecRecord"},
    },
}
