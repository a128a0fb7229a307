"""The named runs: the three programs of the document, and the one that Example 1 answers.

A scenario is a function that returns a whole RunSpec; `SCENARIOS` is the one table of them, in the
order in which `parity run` runs and `parity list` lists them. Epochs and settings are the
document's own; sizes are those of the default run on the embedded data.
"""

from __future__ import annotations

from collections.abc import Callable

from parity.errors import InputError
from parity.spec import Augmentation, ReduceLR, RunSpec


def underfit() -> RunSpec:
    """A network too small for the task: training and validation accuracy stagnate together."""
    return RunSpec(scenario="underfit", model="underfit", epochs=20)


def capacity() -> RunSpec:
    """Example 1: more filters and a hidden layer, Adam, ReduceLROnPlateau, 50 epochs."""
    return RunSpec(
        scenario="capacity",
        model="capacity",
        epochs=50,
        reduce_lr=ReduceLR(monitor="val_loss", factor=0.1, patience=5),
    )


def augmentation() -> RunSpec:
    """Example 2: the same network on ImageDataGenerator batches, 20 epochs."""
    return RunSpec(
        scenario="augmentation",
        model="capacity",
        epochs=20,
        augmentation=Augmentation(
            rotation_range=10,
            width_shift_range=0.1,
            height_shift_range=0.1,
            shear_range=0.1,
            zoom_range=0.1,
            horizontal_flip=True,
        ),
    )


def dropout() -> RunSpec:
    """Example 3: dropout of 0.25 after the first pool and 0.5 before the last Dense, 20 epochs."""
    return RunSpec(scenario="dropout", model="dropout", epochs=20)


SCENARIOS: dict[str, Callable[[], RunSpec]] = {
    "underfit": underfit,
    "capacity": capacity,
    "augmentation": augmentation,
    "dropout": dropout,
}


def scenario(name: str) -> RunSpec:
    """Returns the spec of a named scenario.

    Raises:
        InputError: there is no scenario of that name.
    """
    if name not in SCENARIOS:
        raise InputError(f"unknown scenario {name!r}: expected one of {', '.join(SCENARIOS)}")
    return SCENARIOS[name]()
