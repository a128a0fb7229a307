"""Names the cause of a check's first divergence."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from parity.divergences import recognised
from parity.divergences.evidence import Evidence
from parity.divergences.settings import differing_settings

if TYPE_CHECKING:
    from parity.ladder.result import Result
    from parity.traces.trace import Trace


def name_causes(result: Result, keras: Trace, port: Trace) -> Result:
    """Returns a result with the causes of its first divergence, and all different settings."""
    first = result.first_divergence
    if first is None:
        return result
    evidence = Evidence(keras, port, *first)
    # At later levels, no line of the forward pass is the reason.
    is_place = first[0].id in ("data", "structure", "forward")
    causes = tuple(
        {
            **{key: told for key, told in entry.to_json().items() if key != "slug"},
            "fix": match.fix or entry.fix,
            "confidence": match.confidence,
            "detail": match.detail,
            "where": evidence.call["where"] if evidence.call and is_place else "",
        }
        for entry, match in recognised(evidence)
    )
    return dataclasses.replace(
        result,
        causes=causes,
        place=_place(evidence),
        settings=tuple(map(dataclasses.asdict, differing_settings(keras, port, result.levels))),
    )


def _place(evidence: Evidence) -> dict[str, Any]:
    """Returns the first pair of layers that differs, and whether the error starts there."""
    return {
        "keras": evidence.node["name"] if evidence.node else None,
        "torch": evidence.call["name"] if evidence.call else None,
        "where": evidence.call["where"] if evidence.call else None,
        "introduced": evidence.is_own,
    }
