"""States that a recurrent layer keeps from batch to batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.divergences.divergence import NUMBERS, Match
from parity.ladder.comparers.forward import STATES

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence


def forgotten(evidence: Evidence) -> Match | None:
    """Recognises states that a stateful layer keeps from batch to batch, and the port does not."""
    nodes = evidence.keras.facts["nodes"]
    if evidence.item.name == STATES:
        stateful = [node["name"] for node in nodes if _is_stateful(node["config"])]
        told = f"the states of {', '.join(stateful)} are not kept"
        return Match(NUMBERS, f"in eval mode, the same batch twice makes the same output: {told}")
    if evidence.level.id != "trajectory":
        return None
    names = [node["name"] for node in nodes if _is_stateful(node["config"])]
    key = "trajectory/losses"
    if not names or key not in evidence.keras or "trajectory/loss/1" not in evidence.port:
        return None
    first = evidence.port["trajectory/loss/1"]
    if not evidence.is_close(np.asarray(first).reshape(1), evidence.keras[key][:1]):
        return None
    return Match(NUMBERS, f"the first batch agrees, the second does not: states of {names[0]}")


def _is_stateful(config: Mapping[str, Any]) -> bool:
    inner = config.get("layer")
    return bool(config.get("stateful")) or (
        isinstance(inner, Mapping) and _is_stateful(inner.get("config", {}))
    )
