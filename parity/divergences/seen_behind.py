"""Recurrent layers by hand that are known to be wrong, and what is seen behind them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from parity.divergences.handed_states import on_the_way

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence
    from parity.ladder.result import Found

UNKNOWN = ("N1", "N2")  # say where something differs, not what
CELL = "R8"  # says that a cell is wrong, and not by which formula: no numbers prove it
_BY_HAND = ("R1", "R2", "R3", "A14c", "A29", "A64")  # of recurrent layers


def wrong_by_hand(found: Found, evidence: Evidence, least: float) -> Iterator[str]:
    """Yields the layer before an input that is known to be wrong, if it has no call of its own.

    Args:
        found: a divergence.
        evidence: of it.
        least: confidence of a cause that is proven.
    """
    sure = [
        cause
        for cause in found.causes[:1]
        if cause["id"] == CELL or (cause["id"] in _BY_HAND and cause["confidence"] >= least)
    ]
    failing = evidence.failing_input()
    if failing is None or not sure:
        return
    source = evidence.source(failing[0])
    if source is not None and evidence.is_by_hand(source):
        yield str(source["name"])


def comes_of(found: Found, evidence: Evidence, by_hand: Collection[str]) -> bool:
    """Whether an unknown difference of an input comes of a layer that is known to be wrong."""
    failing = evidence.failing_input()
    is_known = any(cause["id"] not in UNKNOWN for cause in found.causes)
    if failing is None or evidence.node is None or is_known:
        return False
    paired = dict(map(tuple, evidence.port.facts["pairs"]))
    before = on_the_way(evidence.keras.facts["nodes"], paired, evidence.node, failing[0])
    return any(node["name"] in by_hand for node in before)


def unused_states(found: Found, evidence: Evidence, least: float) -> Iterator[str]:
    """Yields the layers whose states a recurrent layer should begin with, and does not.

    Args:
        found: a divergence.
        evidence: of it.
        least: confidence of a cause that is proven.
    """
    is_first_state = any(
        cause["id"] == "R1" and cause["confidence"] >= least for cause in found.causes[:1]
    )
    nodes = evidence.keras.facts["nodes"]
    for source in evidence.node["sources"][1:] if is_first_state and evidence.node else ():
        if source is not None and source >= 0:
            yield str(nodes[source]["name"])


def is_cut_by(found: Found, evidence: Evidence, unused: Collection[str]) -> bool:
    """Whether no gradient reaches layers since their states are not used."""
    if not found.causes or found.causes[0]["id"] != "E6":
        return False
    layers = {
        name: node["name"] for node in evidence.keras.facts["nodes"] for name in node["weights"]
    }
    return all(layers.get(item.name) in unused for item in evidence.failed)
