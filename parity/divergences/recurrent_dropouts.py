"""Divergences of the dropouts inside of recurrent layers: missing ones, and other masks."""

from __future__ import annotations

from parity.divergences.divergence import NUMBERS, Match
from parity.divergences.evidence import Evidence

_KINDS = ("lstm", "gru", "simple_rnn", "conv_lstm", "bidirectional")


def drawn_by_step(evidence: Evidence) -> Match | None:
    """Recognises masks that are drawn anew in each step, or shared by the gates."""
    item = evidence.item
    if not evidence.is_forward():
        return None
    if item.name.endswith(" drops") and item.keras == "the same in all steps":
        return Match(NUMBERS, f"{item.keras} in Keras, {item.torch} in the port")
    inner = _inner_names(evidence)
    paired = dict(evidence.port.facts["pairs"])
    if item.keras == "absent" and str(item.torch).startswith("dropout"):
        places = [_line(evidence, paired[name]) for name in inner if name in paired]
        line = str(item.torch).partition(" at ")[2]
        if line and line in places:
            return Match(NUMBERS, f"the line {line} draws more masks than Keras")
    if item.keras == "dropout" and item.torch == "absent" and item.name in inner:
        beside = [
            n for n in inner if n != item.name and n.split(".")[:-1] == item.name.split(".")[:-1]
        ]
        if any(name in paired for name in beside):
            return Match(NUMBERS, "Keras draws a mask for each gate, the port fewer")
    return None


def not_dropped(evidence: Evidence) -> Match | None:
    """Recognises a recurrent layer of the port that drops no inputs, or no states."""
    item = evidence.item
    if not evidence.is_forward() or item.name.removesuffix(".rate") not in _inner_names(evidence):
        return None
    name = item.name.removesuffix(".rate")
    what = "states" if "recurrent_dropout" in name else "inputs"
    is_off = item.name.endswith(".rate") and item.torch == 0
    is_missing = item.keras == "dropout" and item.torch == "absent"
    if not (is_off or is_missing):
        return None
    return Match(NUMBERS, f"the port does not drop the {what} of {name.partition('.')[0]}")


def _inner_names(evidence: Evidence) -> list[str]:
    """Returns the names of dropouts inside of recurrent layers."""
    nodes = evidence.keras.facts["nodes"]
    layers = tuple(f"{n['name']}." for n in nodes if n["kind"] in _KINDS)
    return [n["name"] for n in nodes if n["kind"] == "dropout" and n["name"].startswith(layers)]


def _line(evidence: Evidence, name: str) -> str:
    calls = {call["name"]: call for call in evidence.port.facts["nodes"]}
    return str(calls.get(name, {}).get("where", ""))
