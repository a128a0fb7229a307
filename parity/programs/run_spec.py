"""RunSpec: all settings of a run, as one frozen value.

Both halves read the same spec, and nothing else affects what they compute: equal specs give the
same run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from parity.files import ranges
from parity.programs import settings

MODELS = ("underfit", "capacity", "dropout", "linear")
SPLITS = ("random", "last", "sorted")
MODES = ("seeded", "independent")
REGULARISED = ("capacity",)  # models whose kernels take an L2 regulariser

_LOSSES = ("loss", "val_loss")
_Degrees = Annotated[float, ranges.Rule(lambda value: 0 <= value <= 360, "0 to 360", {"ge": 0})]
_Share = Annotated[float, ranges.Rule(lambda value: 0 <= value < 1, "0 to below 1", {"ge": 0})]
_Loss = Annotated[
    str, ranges.Rule(lambda value: value in _LOSSES, "'loss' or 'val_loss'", {"names": _LOSSES})
]
_Factor = Annotated[
    float, ranges.Rule(lambda value: 0 < value < 1, "a number in (0, 1)", {"gt": 0, "lt": 1})
]


@dataclass(frozen=True)
class Augmentation(settings.Settings):
    """Arguments of Keras's ImageDataGenerator, with the same names and units.

    Attributes:
        rotation_range: degrees; theta is drawn from [-r, r].
        width_shift_range: fraction of the width, in [0, 1).
        height_shift_range: fraction of the height, in [0, 1).
        shear_range: degrees; the shear angle is drawn from [-s, s].
        zoom_range: z in [0, 1); each axis has its own factor from [1 - z, 1 + z].
        horizontal_flip: swaps left and right with probability 1/2.
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
class ReduceLR(settings.Settings):
    """Arguments of Keras's ReduceLROnPlateau, with the same names.

    Attributes:
        monitor: key of the history to watch; a loss, so smaller is better.
        factor: new rate = rate × factor, in (0, 1).
        patience: number of epochs without improvement before the rate is reduced, at least 1.
        min_delta: an improvement is a decrease by more than this (absolute).
        cooldown: number of epochs after a reduction in which no epoch counts as bad.
        min_lr: the rate never falls below this.
    """

    GROUP: ClassVar[str] = "reduce_lr."
    NOUN: ClassVar[str] = "ReduceLROnPlateau arguments"

    monitor: _Loss = "val_loss"
    factor: _Factor = 0.1
    patience: ranges.AtLeast1 = 10
    min_delta: ranges.NotNegative = 1e-4
    cooldown: ranges.AtLeast0 = 0
    min_lr: ranges.NotNegative = 0.0


@dataclass(frozen=True)
class EarlyStopping(settings.Settings):
    """Arguments of Keras's EarlyStopping, with the same names.

    Attributes:
        monitor: key of the history to watch; a loss, so smaller is better.
        min_delta: an improvement is a decrease by more than this (absolute).
        patience: number of epochs without improvement before training stops, at least 0.
        restore_best_weights: whether training ends with the weights of the best epoch.
        start_from_epoch: first epoch to watch, counted from 0.
    """

    GROUP: ClassVar[str] = "early_stopping."
    NOUN: ClassVar[str] = "EarlyStopping arguments"

    monitor: _Loss = "val_loss"
    min_delta: ranges.NotNegative = 0.0
    patience: ranges.AtLeast0 = 0
    restore_best_weights: bool = False
    start_from_epoch: ranges.AtLeast0 = 0


@dataclass(frozen=True)
class RunSpec(settings.Settings):
    """One training run.

    Attributes:
        scenario: name of the run in results and in folder names.
        model: name of the network, a function of the same name in both `models.py`.
        epochs: number of passes over the training set, at least 1; fewer if `early_stopping` stops
            the training.
        batch_size: samples per step; the last batch of an epoch may be smaller and is kept.
        learning_rate: initial learning rate of Adam.
        weight_decay: decoupled weight decay of Adam: each step first subtracts learning_rate ×
            weight_decay × w from every weight w.
        l2: adds l2 × the sum of squares of each kernel to the loss; for the model "capacity".
        augmentation: arguments of ImageDataGenerator, whose `flow` then makes the batches; None =
            no augmentation.
        reduce_lr: arguments of ReduceLROnPlateau; None = not used.
        early_stopping: arguments of EarlyStopping; None = not used.
        mode: "seeded": the torch half reproduces Keras's random streams; "independent": it draws
            from the same distributions with torch's generators.
        seed: the integer given to `keras.utils.set_random_seed`; also draws the split.
        data: data source, as for `load_data`.
        train_size: number of training samples; None = all that the source has left.
        val_size: number of validation samples; None = a sixth of the source's training part.
        split: "random" (drawn from the seed), "last" (Keras's `validation_split` rule) or "sorted"
            (that rule on samples sorted by label, which is a mistake).
        label_noise: probability with which each label of training and validation is redrawn
            uniformly from all classes.
        leakage: fraction of the validation samples that are also in the training set.
        dtype: "float32" or "float64", for weights, activations and optimizer state.
        device: device of both halves: "cpu", "cuda", "cuda:1".
        threads: intra-op threads of each half; part of the spec, since the number of threads
            changes the order of additions.
    """

    scenario: settings.Name = "custom"
    model: Annotated[str, ranges.one_of(MODELS)] = "capacity"
    epochs: ranges.AtLeast1 = 20
    batch_size: ranges.AtLeast1 = 32
    learning_rate: settings.Positive = 0.001
    weight_decay: ranges.NotNegative = 0.0
    l2: ranges.NotNegative = 0.0
    augmentation: Augmentation | None = None
    reduce_lr: ReduceLR | None = None
    early_stopping: EarlyStopping | None = None
    mode: Annotated[str, ranges.one_of(MODES)] = "seeded"
    seed: settings.Seed = 42
    data: str = "embedded"
    train_size: ranges.AtLeast1 | None = 600
    val_size: ranges.AtLeast1 | None = 200
    split: Annotated[str, ranges.one_of(SPLITS)] = "random"
    label_noise: ranges.Fraction = 0.0
    leakage: ranges.Fraction = 0.0
    dtype: settings.Dtype = "float32"
    device: settings.Device = "cpu"
    threads: ranges.AtLeast1 = 1

    @property
    def name(self) -> str:
        """Name of the run: its scenario."""
        return self.scenario

    def steps_per_epoch(self, num_train: int) -> int:
        """Returns the number of batches of an epoch, the smaller last one included."""
        return -(-num_train // self.batch_size)

    def num_steps(self, num_train: int) -> int:
        """Returns the number of steps of all epochs."""
        return self.epochs * self.steps_per_epoch(num_train)

    def check(self) -> None:
        """Rejects an L2 penalty for a model that has none."""
        has_l2 = self.l2 == 0 or self.model in REGULARISED
        self.require(has_l2, "l2", f"0 for the model {self.model!r}; L2 works for {REGULARISED}")
