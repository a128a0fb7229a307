"""The named runs: the programs of the article, and every cause and remedy that it names.

`SCENARIOS` is the one table of all. The first four are the programs of the article with all their
settings, on a small part of the embedded data; `parity run` compares them. The others show
behaviour: each has one cause of bad training, or a remedy for one, with enough data to make the
effect large compared with the noise between seeds. Their expected verdicts and the margins of
equivalence are defined here, and were fixed before any run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from parity.errors import InputError
from parity.programs.run_spec import Augmentation, EarlyStopping, ReduceLR, RunSpec

# The settings that `--full` changes: the size of the article.
FULL_DATA = {"data": "mnist", "train_size": None, "val_size": None}

_AUGMENTATION = Augmentation(
    rotation_range=10,
    width_shift_range=0.1,
    height_shift_range=0.1,
    shear_range=0.1,
    zoom_range=0.1,
    horizontal_flip=True,
)


@dataclass(frozen=True)
class Margins:
    """Largest differences within which the two halves count as equivalent.

    Attributes:
        accuracy: margin of the final validation accuracy.
        gap: margin of training minus validation accuracy, and of its reduction by a remedy.
        epochs: margin of the number of epochs to the plateau, as a fraction of all epochs.
        collapses: margin of the share of runs that do not train.
        loss: margin of the losses of a program without accuracy, as a fraction of their mean.
    """

    accuracy: float = 0.015
    gap: float = 0.02
    epochs: float = 0.1
    collapses: float = 0.1
    loss: float = 0.1


# "visible": what a user of the model notices. "strict": what a good port reaches.
MARGINS = ("visible", "strict")
STRICT = Margins(accuracy=0.005, gap=0.005, epochs=0.05, collapses=0.05, loss=0.03)


@dataclass(frozen=True)
class Scenario:
    """A named run.

    Attributes:
        summary: one sentence.
        spec: the run, with the size of the embedded data.
        expected: its verdict; None for the article's programs, which are compared step by step.
        cures: the scenario for which this one is the remedy, or None.
        full: the settings that `--full` changes.
        margins: margins of equivalence, unless they are to be strict.
        num_seeds: number of seeds of `parity sweep` with these margins: with them, a perfect port
            passes the whole default sweep in 80 % or more (docs/behaviour.md).
        num_seeds_strict: the same for the margins STRICT.
    """

    is_own: ClassVar[bool] = False  # whether it is a program of the user's

    summary: str
    spec: RunSpec
    expected: str | None = None
    cures: str | None = None
    full: Mapping[str, Any] = field(default_factory=lambda: FULL_DATA)
    margins: Margins = Margins()
    num_seeds: int = 24
    num_seeds_strict: int = 240

    def margins_of(self, margins: str) -> Margins:
        """Returns the margins of a name in MARGINS."""
        return STRICT if margins == "strict" else self.margins

    def num_seeds_of(self, margins: str) -> int:
        """Returns the number of seeds that the margins of a name in MARGINS need."""
        return self.num_seeds_strict if margins == "strict" else self.num_seeds


@dataclass(frozen=True)
class Terms:
    """How the runs of a program of the user's are judged, as its table says.

    Attributes:
        cures: the program for which this one is the remedy, or None.
        margins: margins of equivalence, unless they are to be strict.
        expected: its verdict; None: it has none.
    """

    is_own: ClassVar[bool] = True

    cures: str | None = None
    margins: Margins = Margins()
    expected: str | None = None

    def margins_of(self, margins: str) -> Margins:
        """Returns the margins of a name in MARGINS."""
        return STRICT if margins == "strict" else self.margins


Judged = Scenario | Terms


def _table(*scenarios: Scenario) -> dict[str, Scenario]:
    return {scenario.spec.scenario: scenario for scenario in scenarios}


def _spec(name: str, **settings: Any) -> RunSpec:
    """Returns a run that shows behaviour: many validation samples, to reduce noise cheaply."""
    return RunSpec(scenario=name, **{"val_size": 1000, **settings})


# A network large enough to memorise wrong labels, on data with some wrong labels.
_NOISY = {"train_size": 2500, "val_size": 2000, "label_noise": 0.3, "epochs": 10}
# --full keeps the settings that make the cause, so that only the remedy differs.
_FULL_20 = {**FULL_DATA, "epochs": 20}
_FULL_FEW = {"data": "mnist", "val_size": None}  # if the cause is the small number of images

PROGRAMS = _table(
    Scenario(
        "A network too small for the task: training and validation accuracy stagnate together.",
        RunSpec(scenario="underfit", model="underfit", epochs=20),
    ),
    Scenario(
        "Example 1: more filters and a hidden layer, Adam, ReduceLROnPlateau, 50 epochs.",
        RunSpec(
            scenario="capacity",
            model="capacity",
            epochs=50,
            reduce_lr=ReduceLR(monitor="val_loss", factor=0.1, patience=5),
        ),
    ),
    Scenario(
        "Example 2: the same network on ImageDataGenerator batches, 20 epochs.",
        RunSpec(scenario="augmentation", model="capacity", epochs=20, augmentation=_AUGMENTATION),
    ),
    Scenario(
        "Example 3: dropout of 0.25 after the first pool and 0.5 before the last Dense, 20 epochs.",
        RunSpec(scenario="dropout", model="dropout", epochs=20),
    ),
)

CAUSES = _table(
    Scenario(
        "Too little capacity: two and four filters and no hidden layer.",
        _spec("too_small", model="underfit", train_size=3000, epochs=4),
        expected="underfit",
        full=_FULL_20,
        num_seeds=100,
        num_seeds_strict=920,
    ),
    Scenario(
        "A learning rate of 1e-6: training is very slow.",
        _spec("slow", train_size=300, val_size=500, epochs=5, learning_rate=1e-6),
        expected="stagnant",
        num_seeds=140,
        num_seeds_strict=1230,
    ),
    Scenario(
        "Too few epochs: a good network after 32 steps, one pass over 2,000 images.",
        _spec("too_short", train_size=2000, batch_size=64, epochs=1),
        expected="underfit",
        full=_FULL_FEW,
        num_seeds=156,
        num_seeds_strict=1280,
    ),
    Scenario(
        "Too little data: 100 images.",
        _spec("little_data", train_size=100, epochs=20),
        expected="overfit",
        full=_FULL_FEW,
        num_seeds=40,
        num_seeds_strict=180,
    ),
    Scenario(
        "Noisy labels: half of them drawn at random; the network is too small to memorise them.",
        _spec(
            "noisy_labels",
            model="underfit",
            train_size=3500,
            val_size=2000,
            epochs=5,
            label_noise=0.5,
        ),
        expected="underfit",
        num_seeds=48,
        num_seeds_strict=390,
    ),
    Scenario(
        "A biased split: sorted by label, so that training lacks most classes of validation.",
        _spec("sorted_split", train_size=2000, epochs=4, split="sorted"),
        expected="suspicious",
        num_seeds=24,
        num_seeds_strict=60,
    ),
    Scenario(
        "An unsuitable architecture: four layers without a non-linearity.",
        _spec("linear", model="linear", train_size=3500, val_size=2000, epochs=8),
        expected="underfit",
        num_seeds=128,
        num_seeds_strict=830,
    ),
    Scenario(
        "Regularisation so strong that training stagnates: an L2 factor of 1.",
        _spec("too_strict", train_size=600, epochs=12, l2=1.0),
        expected="stagnant",
        num_seeds=24,
        num_seeds_strict=24,
    ),
    Scenario(
        "A network too large for its data: it memorises the wrong labels, three in ten.",
        _spec("too_large", **_NOISY),
        expected="overfit",
        full=_FULL_20,
        num_seeds=48,
        num_seeds_strict=290,
    ),
    Scenario(
        "Memorising noise: all labels drawn at random.",
        _spec("random_labels", train_size=200, epochs=60, label_noise=1.0),
        expected="overfit",
        full=_FULL_FEW,
        num_seeds=48,
        num_seeds_strict=240,
    ),
    Scenario(
        "Leakage: every validation image is also in the training set.",
        _spec("leak", train_size=600, val_size=500, epochs=30, learning_rate=5e-4, leakage=1.0),
        expected="suspicious",
        num_seeds=24,
        num_seeds_strict=24,
    ),
)


def _against_overfit(summary: str, spec: RunSpec, num_seeds: tuple[int, int]) -> Scenario:
    """A remedy for a network that is too large, with its seeds for visible and strict margins."""
    return Scenario(
        summary,
        spec,
        expected="good_fit",
        cures="too_large",
        full=_FULL_20,
        num_seeds=num_seeds[0],
        num_seeds_strict=num_seeds[1],
    )


REMEDIES = _table(
    Scenario(
        "Example 1 against too little capacity: more filters, a hidden layer, ReduceLROnPlateau.",
        _spec(
            "cured_by_capacity",
            train_size=3000,
            epochs=4,
            reduce_lr=ReduceLR(monitor="val_loss", factor=0.1, patience=1),
        ),
        expected="good_fit",
        cures="too_small",
        full=_FULL_20,
        num_seeds=100,
        num_seeds_strict=920,
    ),
    Scenario(
        "More data against too little data: 4,000 images instead of 100.",
        _spec("cured_by_data", train_size=4000, epochs=5),
        expected="good_fit",
        cures="little_data",
        num_seeds=40,
        num_seeds_strict=180,
    ),
    _against_overfit(
        "Example 2 against a network too large: augmented images.",
        _spec("cured_by_augmentation", augmentation=_AUGMENTATION, **_NOISY),
        num_seeds=(40, 260),
    ),
    _against_overfit(
        "Example 3 against a network too large: dropout.",
        _spec("cured_by_dropout", model="dropout", **_NOISY),
        num_seeds=(40, 260),
    ),
    _against_overfit(
        "Decoupled weight decay against a network too large.",
        _spec("cured_by_weight_decay", weight_decay=3.0, **_NOISY),
        num_seeds=(48, 260),
    ),
    _against_overfit(
        "L2 regularisers against a network too large.",
        _spec("cured_by_l2", l2=0.01, **_NOISY),
        num_seeds=(48, 260),
    ),
    _against_overfit(
        "Early stopping against a network too large: the weights of the best epoch.",
        _spec(
            "cured_by_early_stopping",
            early_stopping=EarlyStopping(patience=2, restore_best_weights=True),
            **_NOISY,
        ),
        num_seeds=(40, 290),
    ),
)

BEHAVIOUR = {**CAUSES, **REMEDIES}
SCENARIOS = {**PROGRAMS, **BEHAVIOUR}


def scenario(name: str) -> RunSpec:
    """Returns the spec of a named scenario.

    Raises:
        InputError: there is no scenario of that name.
    """
    return find(name).spec


def find(name: str) -> Scenario:
    """Returns a scenario by name.

    Raises:
        InputError: there is no scenario of that name.
    """
    if name not in SCENARIOS:
        raise InputError(f"unknown scenario {name!r}: expected one of {', '.join(SCENARIOS)}")
    return SCENARIOS[name]
