"""RunSpec: everything that decides a run, as one frozen value.

Both halves read the same spec, and nothing else decides what they compute: equal specs are the
same run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from parity.programs.settings import (
    AtLeast0,
    AtLeast1,
    Device,
    Fraction,
    NotNegative,
    Positive,
    Rule,
    Seed,
    Settings,
    one_of,
)

MODELS = ("underfit", "capacity", "dropout", "linear")
DTYPES = ("float32", "float64")
SPLITS = ("random", "last", "sorted")
MODES = ("seeded", "independent")
REGULARISED = ("capacity",)  # models whose kernels take an L2 regulariser

_Degrees = Annotated[float, Rule(lambda value: 0 <= value <= 360, "0 to 360")]
_Share = Annotated[float, Rule(lambda value: 0 <= value < 1, "0 to below 1")]
_Loss = Annotated[str, Rule(lambda value: value in ("loss", "val_loss"), "'loss' or 'val_loss'")]
_Factor = Annotated[float, Rule(lambda value: 0 < value < 1, "a number in (0, 1)")]
_Name = Annotated[
    str,
    Rule(
        lambda value: re.fullmatch(r"[A-Za-z0-9][\w.+-]*", value) is not None,
        "letters, digits, '.', '_', '+' and '-'",
    ),
]


@dataclass(frozen=True)
class Augmentation(Settings):
    """Arguments of Keras's ImageDataGenerator, by its own names and units.

    Attributes:
        rotation_range: degrees; theta is drawn from [-r, r].
        width_shift_range: fraction of the width, in [0, 1).
        height_shift_range: fraction of the height, in [0, 1).
        shear_range: degrees; the shear angle is drawn from [-s, s].
        zoom_range: z in [0, 1); each axis has its own factor from [1 - z, 1 + z].
        horizontal_flip: mirror left and right with probability 1/2.
    """

    GROUP: ClassVar[str] = "augmentation."
    NOUN: ClassVar[str] = "ImageDataGenerator arguments"

    rotation_range: _Degrees = 0.0
    width_shift_range: _Share = 0.0
    height_shift_range: _Share = 0.0
    shear_range: _Degrees = 0.0
    zoom_range: _Share = 0.0
    horizontal_flip: bool = False


@dataclass(frozen=True)
class ReduceLR(Settings):
    """Arguments of Keras's ReduceLROnPlateau, by its own names.

    Attributes:
        monitor: key of the history that is watched; a loss, so smaller is better.
        factor: new rate = rate × factor, in (0, 1).
        patience: epochs without improvement after which the rate is cut, at least 1.
        min_delta: an improvement is a decrease by more than this (absolute).
        cooldown: epochs after a cut in which no epoch counts as bad.
        min_lr: the rate is never cut below it.
    """

    GROUP: ClassVar[str] = "reduce_lr."
    NOUN: ClassVar[str] = "ReduceLROnPlateau arguments"

    monitor: _Loss = "val_loss"
    factor: _Factor = 0.1
    patience: AtLeast1 = 10
    min_delta: NotNegative = 1e-4
    cooldown: AtLeast0 = 0
    min_lr: NotNegative = 0.0


@dataclass(frozen=True)
class EarlyStopping(Settings):
    """Arguments of Keras's EarlyStopping, by its own names.

    Attributes:
        monitor: key of the history that is watched; a loss, so smaller is better.
        min_delta: an improvement is a decrease by more than this (absolute).
        patience: epochs without improvement after which training stops, at least 0.
        restore_best_weights: end with the weights of the best epoch.
        start_from_epoch: epochs, counted from 0, before which nothing is watched.
    """

    GROUP: ClassVar[str] = "early_stopping."
    NOUN: ClassVar[str] = "EarlyStopping arguments"

    monitor: _Loss = "val_loss"
    min_delta: NotNegative = 0.0
    patience: AtLeast0 = 0
    restore_best_weights: bool = False
    start_from_epoch: AtLeast0 = 0


@dataclass(frozen=True)
class RunSpec(Settings):
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
        perturbation: 0 for the run itself; k > 0 moves every initial weight by one unit in the
            last place, up or down as drawn from k. Such runs measure what rounding alone does.
    """

    scenario: _Name = "custom"
    model: Annotated[str, one_of(MODELS)] = "capacity"
    epochs: AtLeast1 = 20
    batch_size: AtLeast1 = 32
    learning_rate: Positive = 0.001
    weight_decay: NotNegative = 0.0
    l2: NotNegative = 0.0
    augmentation: Augmentation | None = None
    reduce_lr: ReduceLR | None = None
    early_stopping: EarlyStopping | None = None
    mode: Annotated[str, one_of(MODES)] = "seeded"
    seed: Seed = 42
    data: str = "embedded"
    train_size: AtLeast1 | None = 600
    val_size: AtLeast1 | None = 200
    split: Annotated[str, one_of(SPLITS)] = "random"
    label_noise: Fraction = 0.0
    leakage: Fraction = 0.0
    dtype: Annotated[str, one_of(DTYPES)] = "float32"
    device: Device = "cpu"
    threads: AtLeast1 = 1
    perturbation: AtLeast0 = field(default=0, repr=False)

    def check(self) -> None:
        """Refuses an L2 penalty for a model that has none."""
        has_l2 = self.l2 == 0 or self.model in REGULARISED
        self.require(has_l2, "l2", f"0 for the model {self.model!r}; one of {REGULARISED} has it")
