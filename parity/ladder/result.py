"""The result of comparing two runs, and its JSON form.

Plain values only. `Result.to_json` is the published schema `parity.result/1`: strict JSON, where a
number that JSON lacks is one of the strings "NaN", "Infinity", "-Infinity".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from parity.files.floats import encode_floats
from parity.ladder.items import FAIL, Item, Level

SCHEMA = "parity.result/1"
ERROR = "error"


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
