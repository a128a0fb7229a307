"""The result of comparing two runs, and its JSON form.

It has plain values only. `Result.to_json` follows the published schema `parity.result/1`: strict
JSON, in which NaN and the infinities are the strings "NaN", "Infinity", "-Infinity".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from parity.files.floats import encode_floats
from parity.ladder.items import FAIL, PASS, Item, Level

SCHEMA = "parity.result/1"
ALL_RESULTS = "parity.results/1"  # of several runs
ERROR, INCOMPLETE = "error", "incomplete"


@dataclass(frozen=True)
class Found:
    """One divergence of a check: a difference that is introduced at its place.

    Attributes:
        level: name of the level at which it is visible first.
        item: the first item that shows it.
        items: names of all items that show it.
        causes: known divergences that explain it, the most likely first: id, title, confidence,
            keras, torch, where, fix, source, tried.
        place: the pair of layers, the line of the port that calls the torch layer, and whether the
            error starts there; None for a run.
        is_accepted: whether the user accepts it.
    """

    level: str
    item: Item
    items: tuple[str, ...] = ()
    causes: tuple[dict[str, Any], ...] = ()
    place: dict[str, Any] | None = None
    is_accepted: bool = False

    def to_json(self) -> dict[str, Any]:
        """Returns the divergence as in `parity.result/1`."""
        item = self.item
        return {
            "level": self.level,
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
            "items": list(self.items),
            "is_accepted": self.is_accepted,
        }


@dataclass(frozen=True)
class Result:
    """The result of comparing one Keras run with one torch run.

    Attributes:
        verdict: "pass", "fail", "incomplete" or "error".
        spec: spec of the run.
        levels: the ladder, including levels that were not reached.
        environment: {"keras": …, "torch": …}.
        data: {"source": …, "sha256": {array name: digest}}.
        mode: "seeded": the port drew every random number itself, only from the seed.
        behaviour: {"keras": {"verdict": …}, "torch": {"verdict": …}}.
        history: {"keras": …, "torch": …}, with Keras's keys.
        wall_s: {"keras": seconds of training, "torch": …}.
        anchors: how far the port is from the reference at each recorded state, see
            `anchors_record`; None for a run that is compared as a whole.
        drift: how the weights of the two free runs part, see `drift_record`; None if nothing was
            compared.
        errors: a paragraph for each half that failed.
        divergences: what was found to differ by itself, in the order of the levels: a `Found` each.
        inherited: (level, names of items) of what differs and shows no divergence of its own.
        proven: (level, names of items) of these that were gone with the fixes applied to the port:
            they follow from the divergences.
        settings: different settings of both halves: id, name, keras, torch, layers; hints, which
            do not affect the verdict.
        incomplete: {"what", "why", "do"} of what could not be compared and keeps the verdict open.
        not_compared: {"what", "why"} of what was left out, and does not affect the verdict.
        tolerance: the user's own, by level; "" is all levels; empty: the project's.
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
    anchors: dict[str, Any] | None = None
    drift: dict[str, Any] | None = None
    errors: tuple[str, ...] = ()
    divergences: tuple[Found, ...] = ()
    inherited: tuple[tuple[str, tuple[str, ...]], ...] = ()
    proven: tuple[tuple[str, tuple[str, ...]], ...] = ()
    settings: tuple[dict[str, Any], ...] = ()
    incomplete: tuple[dict[str, str], ...] = ()
    not_compared: tuple[dict[str, str], ...] = ()
    tolerance: dict[str, float] = field(default_factory=dict)

    @property
    def unaccepted(self) -> tuple[Found, ...]:
        """The divergences that the user does not accept."""
        return tuple(found for found in self.divergences if not found.is_accepted)

    @property
    def accepted(self) -> tuple[Found, ...]:
        """The divergences that the user accepts."""
        return tuple(found for found in self.divergences if found.is_accepted)

    @property
    def first(self) -> Found | None:
        """The first divergence of a check that is not accepted; None if there is none."""
        return next(iter(self.unaccepted), None)

    @property
    def causes(self) -> tuple[dict[str, Any], ...]:
        """The causes of the first divergence, the most likely first."""
        return () if self.first is None else self.first.causes

    @property
    def place(self) -> dict[str, Any] | None:
        """The place of the first divergence."""
        return None if self.first is None else self.first.place

    @property
    def first_divergence(self) -> tuple[Level, Item] | None:
        """The first divergence, else the first item of the first level that fails."""
        if self.first is not None:
            return next(lvl for lvl in self.levels if lvl.id == self.first.level), self.first.item
        for level in self.levels:
            if level.status == FAIL and level.first_failure is not None:
                return level, level.first_failure
        return None

    def to_json(self) -> dict[str, Any]:
        """Returns the result as `parity.result/1`, ready for `json.dumps(..., allow_nan=False)`."""
        first = None
        if self.first_divergence is not None:
            level, item = self.first_divergence
            first = (self.first or Found(level.id, item)).to_json()
            first = {key: first[key] for key in first if key not in ("items", "is_accepted")}
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
                "divergences": [found.to_json() for found in self.divergences],
                "inherited": [{"level": id_, "items": list(n)} for id_, n in self.inherited],
                "proven": [{"level": id_, "items": list(n)} for id_, n in self.proven],
                "settings": list(self.settings),
                "incomplete": list(self.incomplete),
                "not_compared": list(self.not_compared),
                "tolerance": self.tolerance,
                "behaviour": self.behaviour,
                "history": self.history,
                "wall_s": self.wall_s,
                "anchors": self.anchors,
                "drift": self.drift,
                "errors": list(self.errors),
            }
        )


def verdict_of(levels: Sequence[Level], incomplete: Sequence[Any] = ()) -> str:
    """Returns "fail" if a level fails, else "incomplete" or "pass".

    Args:
        levels: the compared levels.
        incomplete: what could not be compared.
    """
    if any(level.status == FAIL for level in levels):
        return FAIL
    return INCOMPLETE if incomplete else PASS
