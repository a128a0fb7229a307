"""Findings of the ladder: an item is one compared quantity, a level has several items."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

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
