"""Divergences of metrics: what the torch half found to give the port's numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from parity.divergences.divergence import NUMBERS, PLACE, SETTINGS, Match, Recogniser
from parity.ladder.metric_items import NAME, metric_of

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence


def _trial(evidence: Evidence) -> Mapping[str, Any] | None:
    """Returns what was found about the metric that differs; None at other levels."""
    if evidence.level.id != "metrics" or evidence.item.name.startswith(NAME):
        return None
    trials = evidence.port.facts.get("metric_trials") or {}
    found: Mapping[str, Any] = trials.get(metric_of(evidence.item.name)) or {}
    return found


def _definition(evidence: Evidence) -> Match | None:
    found = _trial(evidence)
    if found is None:
        return None
    fix = str(found.get("definition") or "")
    if found.get("id") == "I1":
        return Match(NUMBERS, str(found["told"]), fix=fix)
    return Match(PLACE, fix=fix)


def _batch_means(evidence: Evidence) -> Match | None:
    found = _trial(evidence)
    if not found or found.get("id") != "I2":
        return None
    told = f"{found['told']}, as if the smaller last batch were as large as the others"
    fix = str(found.get("definition") or "")
    return Match(NUMBERS, told, fix=f"count each batch by its samples: {fix}" if fix else "")


def _name(evidence: Evidence) -> Match | None:
    item = evidence.item
    if evidence.level.id != "metrics" or not item.name.startswith(NAME):
        return None
    return Match(SETTINGS, f"{item.keras} in Keras's history, {item.torch} in the port's")


RULES: dict[str, Recogniser] = {"I1": _definition, "I2": _batch_means, "I6": _name}
