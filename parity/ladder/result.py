"""The result of comparing two runs: items in levels, levels in a result, and its JSON form.

Plain values only. `Result.to_json` is the published schema `parity.result/1`: strict JSON, where a
number that JSON lacks is one of the strings "NaN", "Infinity", "-Infinity".
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from parity.files.floats import encode_floats

SCHEMA = "parity.result/1"
PASS, FAIL, SKIPPED, NOT_REACHED = "pass", "fail", "skipped", "not_reached"
ERROR = "error"
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


@dataclass(frozen=True)
class Result:
    """What came of comparing one Keras run with one torch run.

    Attributes:
        verdict: "pass", "fail" or "error".
        spec: of the run.
        levels: the ladder, also those levels that were not reached.
        environment: {"keras": …, "torch": …}.
        data: {"source": …, "sha256": {array name: digest}}.
        mode: "seeded": the port drew every random number itself, from the seed alone.
        behaviour: {"keras": {"verdict": …}, "torch": {"verdict": …}}.
        history: {"keras": …, "torch": …}, Keras's keys.
        wall_s: {"keras": seconds of training, "torch": …}.
        envelope: how what float32 allows was measured; None in float64.
        errors: a paragraph for each half that did not deliver.
        causes: of the first divergence, the likeliest first: id, title, confidence, keras, torch,
            where, fix, source.
        settings: of paired layers, that differ: id, name, keras, torch, layers; hints, no verdict.
        place: of the first divergence: the pair of layers, the line of the port that calls its, and
            whether the error is introduced there or was inherited.
    """

    verdict: str
    spec: dict[str, Any]
    levels: tuple[Level, ...] = ()
    environment: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    mode: str = "seeded"
    behaviour: dict[str, Any] = field(default_factory=dict)
    history: dict[str, Any] = field(default_factory=dict)
    wall_s: dict[str, float] = field(default_factory=dict)
    envelope: dict[str, Any] | None = None
    errors: tuple[str, ...] = ()
    causes: tuple[dict[str, Any], ...] = ()
    place: dict[str, Any] | None = None
    settings: tuple[dict[str, Any], ...] = ()

    @property
    def first_divergence(self) -> tuple[Level, Item] | None:
        """The first item of the first level that fails."""
        for level in self.levels:
            if level.status == FAIL and level.first_failure is not None:
                return level, level.first_failure
        return None

    def to_json(self) -> dict[str, Any]:
        """Returns the result as `parity.result/1`, ready for `json.dumps(..., allow_nan=False)`."""
        first = None
        if self.first_divergence is not None:
            level, item = self.first_divergence
            first = {
                "level": level.id,
                "item": item.name,
                "epoch_number": item.epoch_number,
                "step": item.step,
                "index": item.index,
                "keras": item.keras,
                "torch": item.torch,
                "worst": item.worst,
                "allowed": item.allowed,
                "unit": item.unit,
                "note": item.note,
                "causes": list(self.causes),
                "place": self.place,
            }
        return encode_floats(
            {
                "schema": SCHEMA,
                "verdict": self.verdict,
                "mode": self.mode,
                "spec": self.spec,
                "environment": self.environment,
                "data": self.data,
                "levels": [level.to_json() for level in self.levels],
                "first_divergence": first,
                "settings": list(self.settings),
                "behaviour": self.behaviour,
                "history": self.history,
                "wall_s": self.wall_s,
                "envelope": self.envelope,
                "errors": list(self.errors),
            }
        )
