"""The result of comparing two runs, and its JSON form.

It has plain values only. `Result.to_json` follows the published schema `parity.result/1`: strict
JSON, in which NaN and the infinities are the strings "NaN", "Infinity", "-Infinity".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from parity.files.floats import encode_floats
from parity.ladder.items import FAIL, Item, Level

SCHEMA = "parity.result/1"
ALL_RESULTS = "parity.results/1"  # of several runs
ERROR = "error"


@dataclass(frozen=True)
class Result:
    """The result of comparing one Keras run with one torch run.

    Attributes:
        verdict: "pass", "fail" or "error".
        spec: spec of the run.
        levels: the ladder, including levels that were not reached.
        environment: {"keras": …, "torch": …}.
        data: {"source": …, "sha256": {array name: digest}}.
        mode: "seeded": the port drew every random number itself, only from the seed.
        behaviour: {"keras": {"verdict": …}, "torch": {"verdict": …}}.
        history: {"keras": …, "torch": …}, with Keras's keys.
        wall_s: {"keras": seconds of training, "torch": …}.
        envelope: the measured tolerance of float32; None in float64.
        errors: a paragraph for each half that failed.
        causes: causes of the first divergence, the most likely first: id, title, confidence,
            keras, torch, where, fix, source.
        settings: different settings of both halves: id, name, keras, torch, layers; hints, which
            do not affect the verdict.
        place: place of the first divergence: the pair of layers, the line of the port that calls
            the torch layer, and whether the error starts there or comes with its input.
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
