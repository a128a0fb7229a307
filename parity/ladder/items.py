"""Findings of the ladder: levels, their items, and what a comparer leaves out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# --- Findings of the ladder: an item is one compared quantity, a level has several items ----------


PASS, FAIL, SKIPPED, NOT_REACHED = "pass", "fail", "skipped", "not_reached"
# Of an item that is above its limit, and does not fail its level.
DIFFERS, ACCEPTED = "differs", "accepted"
# What an item is for. An item that does not decide only says where a difference comes from:
# "introduced": by what is seen there alone, with Keras's values before it; "follows": the port's
# own values, which may differ because of something earlier; "style": the port is written in
# another way there, and agrees behind it.
ROLES = DECIDES, INTRODUCED, FOLLOWS, STYLE = ("decides", "introduced", "follows", "style")
# A p value below the limit fails, so its negative logarithm serves as a difference.
LOG_P, ROUNDINGS = "-log10 p", "roundings"
UNITS = ("abs", "rel", "ulp", "count", LOG_P, ROUNDINGS)


@dataclass(frozen=True)
class Item:
    """One compared quantity.

    Attributes:
        name: name of the quantity: "conv1.kernel", "val_loss", "running loss".
        worst: greatest difference found, in `unit`.
        allowed: greatest difference that still passes.
        unit: one of UNITS: "abs", "rel" (relative to the largest value of the Keras tensor), "ulp"
            (units in the last place), "count" (unequal values), "-log10 p" (of a statistical test)
            or "roundings" (of the reference to float32).
        num_compared: number of values compared; an item that compares nothing does not pass.
        epoch: counted from 0, as histories are indexed; None if the quantity belongs to no epoch.
            Reports and JSON show `epoch_number`.
        step: number of finished optimizer steps of the whole run; None as above.
        index: index of the worst difference in the array.
        keras: the value at this index in the Keras half.
        torch: the value at this index in the torch half.
        note: further information, such as two different shapes.
        role: one of ROLES; only an item that decides can fail its level.
        accepted: whether the user accepts its difference.
    """

    name: str
    worst: float
    allowed: float
    unit: str
    num_compared: int
    epoch: int | None = None
    step: int | None = None
    index: tuple[int, ...] | None = None
    keras: Any = None
    torch: Any = None
    note: str = ""
    role: str = DECIDES
    accepted: bool = False

    @property
    def agrees(self) -> bool:
        """Whether something was compared and no difference is above the limit."""
        # Not `worst > allowed`: a NaN must not pass.
        return self.num_compared > 0 and self.worst <= self.allowed

    @property
    def status(self) -> str:
        """PASS if it agrees; else FAIL, ACCEPTED, or DIFFERS if the item does not decide."""
        if self.agrees:
            return PASS
        if self.accepted:
            return ACCEPTED
        return FAIL if self.role == DECIDES else DIFFERS

    @property
    def epoch_number(self) -> int | None:
        """The epoch counted from 1."""
        return None if self.epoch is None else self.epoch + 1

    @property
    def ratio(self) -> float:
        """`worst` divided by `allowed`; infinite for an exceeded 0 or a NaN."""
        if self.worst == 0 and self.allowed >= 0:
            return 0.0
        ratio = self.worst / self.allowed if self.allowed > 0 else math.inf
        return math.inf if math.isnan(ratio) else ratio

    def to_json(self) -> dict[str, Any]:
        """Returns the item as in `parity.result/1`, with the epoch counted from 1."""
        return {
            "status": self.status,
            "name": self.name,
            "worst": self.worst,
            "allowed": self.allowed,
            "unit": self.unit,
            "num_compared": self.num_compared,
            "epoch_number": self.epoch_number,
            "step": self.step,
            "index": self.index,
            "keras": self.keras,
            "torch": self.torch,
            "note": self.note,
            "role": self.role,
        }


@dataclass(frozen=True)
class Level:
    """One level of the ladder.

    Attributes:
        id: one of LEVEL_IDS.
        status: "pass", "fail", "skipped" or "not_reached".
        tolerance_source: the allowed difference and its reason.
        items: the compared quantities, in the order in which a run computes them.
        not_compared: (what, why) of parts that were left out.
        applies: whether there is anything that could be compared, such as a schedule.
    """

    id: str
    status: str
    tolerance_source: str
    items: tuple[Item, ...] = ()
    not_compared: tuple[tuple[str, str], ...] = ()
    applies: bool = True

    @property
    def worst(self) -> Item | None:
        """The deciding item that is closest to its limit, or exceeds it most; None without any.

        How a half rounds is no difference: it counts if it fails, or if there is nothing else.
        """
        deciding = [item for item in self.items if item.role == DECIDES]
        return max(
            deciding,
            key=lambda item: (item.status == FAIL, item.unit != ROUNDINGS, item.ratio),
            default=None,
        )

    @property
    def first_failure(self) -> Item | None:
        """The first item that shows why the level fails, in the order of the run, or None.

        It need not decide: the layer at which a difference begins comes before the output.
        """
        if not any(item.status == FAIL for item in self.items):
            return None
        failed = [item for item in self.items if item.status in (FAIL, DIFFERS)]
        telling = [item for item in failed if item.role not in (FOLLOWS, STYLE)]
        return min(telling, key=lambda item: -1 if item.step is None else item.step)

    def to_json(self) -> dict[str, Any]:
        """Returns the level as in `parity.result/1`."""
        worst = self.worst
        return {
            "id": self.id,
            "status": self.status,
            "worst": worst.worst if worst else None,
            "allowed": worst.allowed if worst else None,
            "unit": worst.unit if worst else None,
            "tolerance_source": self.tolerance_source,
            "items": [item.to_json() for item in self.items],
            "not_compared": [{"what": what, "why": why} for what, why in self.not_compared],
            "applies": self.applies,
        }


# --- Names of the items of the level "loss", and of what is left out with it ----------------------


CONFIDENT = "loss of confident outputs"
GRADIENT = "its gradient"
OF_KERAS = "loss of Keras's outputs"  # in train mode
BROADCAST = "shapes that meet in the loss"
UNKNOWN_TARGETS = "the loss"  # what is left open if no targets of it are known
UNUSED = "the loss does not depend on it"  # why a gradient is not compared


def of_output(label: str, name: str) -> str:
    """Returns the name of the item of one of several outputs: "its gradient (main)"."""
    return f"{label} ({name})"


def output_of(item: str) -> str:
    """Returns the name of the output that an item is about; "" if it is about all of them."""
    for label in (CONFIDENT, GRADIENT, "loss"):
        if item.startswith(f"{label} (") and item.endswith(")"):
            return item[len(label) + 2 : -1]
    return ""


# --- Names of the items of the level "metrics" ----------------------------------------------------


# Part of the keys -> how its items end. The given outputs come first: they show metrics alone.
PARTS = {"given": " (given outputs)", "eval": " (eval)", "train": " (train)"}
NAME = "name of "  # starts the name of an item


def metric_of(item: str) -> str:
    """Returns the name of the metric of an item."""
    name = item.removeprefix(NAME)
    for ending in PARTS.values():
        name = name.removesuffix(ending)
    return name


# --- Names of what is left out at the level "trajectory" ------------------------------------------


_BEFORE, _AFTER = "training of ", " by repeated rows"


def by_rows(weight: str) -> str:
    """Returns the name of the steps of a weight whose rows occur several times in a batch."""
    return f"{_BEFORE}{weight}{_AFTER}"


def weights_by_rows(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """Returns the weights that are named so among the entries of a fact `not_compared`."""
    names = [str(entry["what"]) for entry in entries]
    return [
        name.removeprefix(_BEFORE).removesuffix(_AFTER)
        for name in names
        if name.startswith(_BEFORE) and name.endswith(_AFTER)
    ]


# --- The levels of the ladder: the one table of their names and their order -----------------------
#
# It imports nothing slow, since the shell uses it to complete names of levels.


@dataclass(frozen=True)
class LevelRow:
    """One level.

    Attributes:
        id: its name on the command line, in the JSON and in reports.
        title: heading of its table in a report.
        compares: what it compares, in a probe or a whole training.
    """

    id: str
    title: str
    compares: str


LEVELS = (
    LevelRow("data", "Data", "the data, and the input of the first layer"),
    LevelRow("structure", "Structure", "layers, parameters and their shapes"),
    LevelRow("init", "Initial weights", "initial weights, or how they are drawn"),
    LevelRow("forward", "Output of every layer", "dropout masks, output of every layer"),
    LevelRow("loss", "Loss", "the loss and its penalties"),
    LevelRow("metrics", "Metrics", "metrics after one batch and after several"),
    LevelRow("gradient", "Gradient of every parameter", "gradient of every parameter"),
    LevelRow(
        "optimizer",
        "Optimizer state and weights after a step",
        "steps of the optimizer and its state",
    ),
    LevelRow("trajectory", "Trajectory", "weights and losses of a training"),
    LevelRow("schedule", "Learning rates", "learning rates, and the last epoch"),
    LevelRow("behaviour", "Behaviour", "the verdict on the fit"),
)
LEVEL_IDS = tuple(row.id for row in LEVELS)


# --- The outcome of a comparer, before the engine adds the name of the level ----------------------


@dataclass(frozen=True)
class Outcome:
    """The outcome of one level.

    Attributes:
        status: "pass", "fail" or "skipped".
        tolerance_source: the allowed difference and its reason, or why the level was skipped.
        items: the compared quantities, in the order in which a run computes them.
        not_compared: (what, why) of parts that were left out.
        applies: whether there is anything that could be compared.
    """

    status: str
    tolerance_source: str
    items: tuple[Item, ...] = ()
    not_compared: tuple[tuple[str, str], ...] = ()
    applies: bool = True


def judged(
    tolerance_source: str, items: Iterable[Item], not_compared: Iterable[tuple[str, str]] = ()
) -> Outcome:
    """Returns an outcome that passes if there are items and none of them fails."""
    found = tuple(items)
    is_whole = bool(found) and not any(item.status == FAIL for item in found)
    return Outcome(PASS if is_whole else FAIL, tolerance_source, found, tuple(not_compared))


def judged_if_any(
    tolerance_source: str, items: Iterable[Item], not_compared: Iterable[tuple[str, str]] = ()
) -> Outcome:
    """Does the same for a port that may lack parts: without items, the level is skipped."""
    found = tuple(items)
    if not found:
        return Outcome(SKIPPED, "there is nothing to compare", (), tuple(not_compared))
    return judged(tolerance_source, found, not_compared)


def skipped(why: str, *, applies: bool = True) -> Outcome:
    """Returns the outcome of a level that was not compared.

    Args:
        why: the reason.
        applies: False if the Keras model has nothing to compare at this level.
    """
    return Outcome(SKIPPED, why, applies=applies)
