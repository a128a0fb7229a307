"""RunSpec: everything that decides a run, as one frozen value.

Both halves read the same spec, and nothing else decides what they compute: equal specs are the
same run. It travels as JSON (`to_dict`, `from_dict`), and an unknown key or a value out of range
is an InputError that names the key, so that no setting is ever dropped in silence.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from parity.errors import InputError

MODELS = ("underfit", "capacity", "dropout", "linear")
DTYPES = ("float32", "float64")
SPLITS = ("random", "last", "sorted")
MODES = ("seeded", "independent")
REGULARISED = ("capacity",)  # models whose kernels take an L2 regulariser


@dataclass(frozen=True)
class Augmentation:
    """Arguments of Keras's ImageDataGenerator, by its own names and units.

    Attributes:
        rotation_range: degrees; theta is drawn from [-r, r].
        width_shift_range: fraction of the width, in [0, 1).
        height_shift_range: fraction of the height, in [0, 1).
        shear_range: degrees; the shear angle is drawn from [-s, s].
        zoom_range: z in [0, 1); each axis has its own factor from [1 - z, 1 + z].
        horizontal_flip: mirror left and right with probability 1/2.
    """

    rotation_range: float = 0.0
    width_shift_range: float = 0.0
    height_shift_range: float = 0.0
    shear_range: float = 0.0
    zoom_range: float = 0.0
    horizontal_flip: bool = False

    def __post_init__(self) -> None:
        _require_types(self, "augmentation.")
        for name in ("rotation_range", "shear_range"):
            _require(0 <= getattr(self, name) <= 360, f"augmentation.{name}", self, "0 to 360")
        for name in ("width_shift_range", "height_shift_range", "zoom_range"):
            _require(0 <= getattr(self, name) < 1, f"augmentation.{name}", self, "0 to below 1")


@dataclass(frozen=True)
class ReduceLR:
    """Arguments of Keras's ReduceLROnPlateau, by its own names.

    Attributes:
        monitor: key of the history that is watched; a loss, so smaller is better.
        factor: new rate = rate × factor, in (0, 1).
        patience: epochs without improvement after which the rate is cut, at least 1.
        min_delta: an improvement is a decrease by more than this (absolute).
        cooldown: epochs after a cut in which no epoch counts as bad.
        min_lr: the rate is never cut below it.
    """

    monitor: str = "val_loss"
    factor: float = 0.1
    patience: int = 10
    min_delta: float = 1e-4
    cooldown: int = 0
    min_lr: float = 0.0

    def __post_init__(self) -> None:
        _require_types(self, "reduce_lr.")
        _require(
            self.monitor in ("loss", "val_loss"), "reduce_lr.monitor", self, "'loss' or 'val_loss'"
        )
        _require(0 < self.factor < 1, "reduce_lr.factor", self, "a number in (0, 1)")
        _require(self.patience >= 1, "reduce_lr.patience", self, "an integer of at least 1")
        _require(self.cooldown >= 0, "reduce_lr.cooldown", self, "an integer of at least 0")
        _require(self.min_delta >= 0, "reduce_lr.min_delta", self, "a number of at least 0")
        _require(self.min_lr >= 0, "reduce_lr.min_lr", self, "a number of at least 0")


@dataclass(frozen=True)
class EarlyStopping:
    """Arguments of Keras's EarlyStopping, by its own names.

    Attributes:
        monitor: key of the history that is watched; a loss, so smaller is better.
        min_delta: an improvement is a decrease by more than this (absolute).
        patience: epochs without improvement after which training stops, at least 0.
        restore_best_weights: end with the weights of the best epoch.
        start_from_epoch: epochs, counted from 0, before which nothing is watched.
    """

    monitor: str = "val_loss"
    min_delta: float = 0.0
    patience: int = 0
    restore_best_weights: bool = False
    start_from_epoch: int = 0

    def __post_init__(self) -> None:
        prefix = "early_stopping."
        _require_types(self, prefix)
        is_loss = self.monitor in ("loss", "val_loss")
        _require(is_loss, f"{prefix}monitor", self, "'loss' or 'val_loss'")
        _require(self.min_delta >= 0, f"{prefix}min_delta", self, "a number of at least 0")
        for name in ("patience", "start_from_epoch"):
            _require(getattr(self, name) >= 0, prefix + name, self, "an integer of at least 0")


@dataclass(frozen=True)
class RunSpec:
    """One training run.

    Attributes:
        scenario: the name under which results are listed and kept: part of a folder's name.
        model: name of the network, a function of the same name in both `models.py`.
        epochs: passes over the training set, at least 1; fewer if `early_stopping` ends them.
        batch_size: samples a step; the last batch of an epoch may be smaller and is kept.
        learning_rate: of Adam, at the start.
        weight_decay: of Adam, decoupled: each step first takes learning_rate × weight_decay × w off
            every weight w.
        l2: adds l2 × the sum of the squares of a kernel to the loss, for every kernel; for the
            model "capacity".
        augmentation: None, or what ImageDataGenerator gets; then batches come from its `flow`.
        reduce_lr: None, or what ReduceLROnPlateau gets.
        early_stopping: None, or what EarlyStopping gets.
        mode: "seeded": the torch half reproduces Keras's random streams; "independent": it draws
            the same distributions from torch's own.
        seed: the integer given to `keras.utils.set_random_seed`; also draws the split.
        data: source as `load_data` takes it.
        train_size: training samples; None = all that the source has left.
        val_size: validation samples; None = a sixth of the source's training part.
        split: "random" (drawn from the seed), "last" (Keras's `validation_split` rule) or "sorted"
            (that rule on samples sorted by label, which is a mistake).
        label_noise: each label of training and validation is redrawn with this probability, all
            classes alike.
        leakage: fraction of the validation samples that are also put into the training set.
        dtype: "float32" or "float64", of weights, activations and optimizer alike.
        device: where the torch half and Keras compute: "cpu", "cuda", "cuda:1".
        threads: intra-op threads of each half; part of the spec, since another number of threads
            adds in another order.
        nudge: 0 for the run itself; k > 0 moves every initial weight by one unit in the last
            place, up or down as drawn from k. Such runs measure what rounding alone does.
    """

    scenario: str = "custom"
    model: str = "capacity"
    epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 0.001
    weight_decay: float = 0.0
    l2: float = 0.0
    augmentation: Augmentation | None = None
    reduce_lr: ReduceLR | None = None
    early_stopping: EarlyStopping | None = None
    mode: str = "seeded"
    seed: int = 42
    data: str = "embedded"
    train_size: int | None = 600
    val_size: int | None = 200
    split: str = "random"
    label_noise: float = 0.0
    leakage: float = 0.0
    dtype: str = "float32"
    device: str = "cpu"
    threads: int = 1
    nudge: int = field(default=0, repr=False)

    def __post_init__(self) -> None:
        # JSON hands the nested groups over as plain mappings.
        for name, kind in GROUPS.items():
            value = getattr(self, name)
            if isinstance(value, Mapping):
                object.__setattr__(self, name, _build(kind, value, f"{name}."))
        _require_types(self, "")
        is_name = re.fullmatch(r"[A-Za-z0-9][\w.+-]*", self.scenario) is not None
        _require(is_name, "scenario", self, "letters, digits, '.', '_', '+' and '-'")
        _require(self.model in MODELS, "model", self, f"one of {MODELS}")
        _require(self.dtype in DTYPES, "dtype", self, f"one of {DTYPES}")
        _require(self.split in SPLITS, "split", self, f"one of {SPLITS}")
        _require(self.mode in MODES, "mode", self, f"one of {MODES}")
        is_device = re.fullmatch(r"cpu|cuda(:(0|[1-9][0-9]*))?", self.device) is not None
        _require(is_device, "device", self, "'cpu', 'cuda' or 'cuda:N'")
        # numpy.random.seed, which set_random_seed calls, takes 32 bits.
        _require(0 <= self.seed < 2**32, "seed", self, "an integer in [0, 2**32 - 1]")
        for name in ("epochs", "batch_size", "threads"):
            _require(getattr(self, name) >= 1, name, self, "an integer of at least 1")
        for name in ("train_size", "val_size"):
            value = getattr(self, name)
            _require(value is None or value >= 1, name, self, "an integer of at least 1, or None")
        _require(self.learning_rate > 0, "learning_rate", self, "a number above 0")
        for name in ("weight_decay", "l2"):
            _require(getattr(self, name) >= 0, name, self, "a number of at least 0")
        has_l2 = self.l2 == 0 or self.model in REGULARISED
        _require(has_l2, "l2", self, f"0 for the model {self.model!r}; one of {REGULARISED} has it")
        for name in ("label_noise", "leakage"):
            _require(0 <= getattr(self, name) <= 1, name, self, "a fraction in [0, 1]")
        _require(self.nudge >= 0, "nudge", self, "an integer of at least 0")

    def replace(self, **changes: Any) -> RunSpec:
        """Returns a copy with some fields changed.

        Raises:
            InputError: a key is unknown or a value is out of range.
        """
        return _build(RunSpec, {**_shallow(self), **changes}, "")

    def to_dict(self) -> dict[str, Any]:
        """Returns the spec as JSON-ready values; `from_dict` is its inverse."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunSpec:
        """Builds a spec from `to_dict`'s values; missing keys take their defaults.

        Raises:
            InputError: a key is unknown or a value is out of range.
        """
        return _build(cls, values, "")


# The settings that are groups of settings.
GROUPS = {"augmentation": Augmentation, "reduce_lr": ReduceLR, "early_stopping": EarlyStopping}


def _shallow(spec: RunSpec) -> dict[str, Any]:
    return {f.name: getattr(spec, f.name) for f in dataclasses.fields(spec)}


def _build(kind: Any, values: Mapping[str, Any], prefix: str) -> Any:
    if not isinstance(values, Mapping):
        raise InputError(f"spec={values!r}: expected a mapping from settings to values")
    known = [f.name for f in dataclasses.fields(kind)]
    for key in values:
        if key not in known:
            raise InputError(
                f"unknown setting {prefix + str(key)!r}: the settings are {', '.join(known)}"
            )
    return kind(**values)


def _require(holds: bool, name: str, owner: Any, expected: str) -> None:
    if not holds:
        value = getattr(owner, name.rsplit(".", 1)[-1])
        raise InputError(f"{name}={value!r}: expected {expected}")


_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "str": ((str,), "a string"),
    "int": ((int,), "an integer"),
    "int | None": ((int, type(None)), "an integer or None"),
    "float": ((float, int), "a finite number"),
    "bool": ((bool,), "True or False"),
    "Augmentation | None": ((Augmentation, type(None)), "ImageDataGenerator arguments or None"),
    "EarlyStopping | None": (
        (EarlyStopping, type(None)),
        "EarlyStopping arguments or None",
    ),
    "ReduceLR | None": ((ReduceLR, type(None)), "ReduceLROnPlateau arguments or None"),
}


def _require_types(owner: Any, prefix: str) -> None:
    for part in dataclasses.fields(owner):
        value = getattr(owner, part.name)
        kinds, expected = _TYPES[str(part.type)]
        fits = isinstance(value, kinds)
        if isinstance(value, bool) and bool not in kinds:  # True is an int to Python
            fits = False
        if part.type == "float":
            fits = fits and _is_finite(value)
        _require(fits, prefix + part.name, owner, expected)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer that no float can hold
        return False
