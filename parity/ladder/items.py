"""What the ladder finds: one compared quantity, and the level that such quantities make up."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

PASS, FAIL, SKIPPED, NOT_REACHED = "pass", "fail", "skipped", "not_reached"
# A p value below what is allowed fails, so that its logarithm stands for a distance.
UNITS = ("abs", "rel", "ulp", "count", "-log10 p")


@dataclass(frozen=True)
class Item:
    """One compared quantity.

    Attributes:
        name: what it is: "conv1.kernel", "val_loss", "running loss".
        worst: greatest difference found, in `unit`.
        allowed: greatest difference that still passes.
        unit: one of UNITS: "abs", "rel" (to the largest value of the Keras tensor), "ulp" (units in
            the last place), "count" (unequal values) or "-log10 p" (of a test of distributions).
        num_compared: number of values compared; an item that compares nothing does not pass.
        epoch: counted from 0, as histories are indexed; None where the quantity belongs to no
            epoch. Whatever a person reads has `epoch_number`.
        step: optimizer steps done, counted over the whole run; None as above.
        index: where in the array the worst difference is.
        keras: the value there in the Keras half.
        torch: the value there in the torch half.
        note: what else there is to say, such as two shapes that differ.
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

    @property
    def status(self) -> str:
        """Pass if something was compared and no difference is above what is allowed."""
        # Not `worst > allowed`: a NaN must not pass.
        return PASS if self.num_compared > 0 and self.worst <= self.allowed else FAIL

    @property
    def epoch_number(self) -> int | None:
        """The epoch counted from 1."""
        return None if self.epoch is None else self.epoch + 1

    @property
    def ratio(self) -> float:
        """Worst in units of allowed; an exceeded zero, or a NaN, counts as infinite."""
        if self.worst == 0 and self.allowed >= 0:
            return 0.0
        ratio = self.worst / self.allowed if self.allowed > 0 else math.inf
        return math.inf if math.isnan(ratio) else ratio

    def to_json(self) -> dict[str, Any]:
        """Returns the item as in `parity.result/1`, its epoch counted from 1."""
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
        }


@dataclass(frozen=True)
class Level:
    """One rung of the ladder.

    Attributes:
        id: one of LEVEL_IDS.
        status: "pass", "fail", "skipped" or "not_reached".
        tolerance_source: what is allowed here and why that much.
        items: what was compared, in the order in which a run computes it.
    """

    id: str
    status: str
    tolerance_source: str
    items: tuple[Item, ...] = ()

    @property
    def worst(self) -> Item | None:
        """The item that comes closest to its limit, or exceeds it most; None without items."""
        return max(self.items, key=lambda item: (item.status == FAIL, item.ratio), default=None)

    @property
    def first_failure(self) -> Item | None:
        """The first item in time that fails."""
        failed = [item for item in self.items if item.status == FAIL]
        return min(failed, key=lambda item: -1 if item.step is None else item.step, default=None)

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
        }
