"""Divergences of the losses of several outputs, and of the weights of samples in a loss.

Losses that are Keras's with other weights are told by the gradient by each output.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from parity.divergences.divergence import NUMBERS, Match, Recogniser
from parity.divergences.output_factors import SAME, array_in, factors_of
from parity.divergences.sample_losses import weights_of_another
from parity.divergences.training import confident, is_near, total
from parity.ladder.loss_items import OF_KERAS
from parity.traces.trace import keyed

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence


def _weights(evidence: Evidence) -> Match | None:
    """Recognises losses that are Keras's, with other weights."""
    keras, port = evidence.keras, evidence.port
    told: Mapping[str, Any] = (keras.facts["loss"] or {}).get("outputs") or {}
    if evidence.level.id != "loss" or not told:
        return None
    factors = {name: f for name, f in factors_of(keras, port).items() if name in told}
    if not factors or any(factor is None for factor in factors.values()):
        return None
    weights = {name: float(told[name]["weight"]) for name in factors}
    ours = {name: weights[name] * float(f or 0.0) for name, f in factors.items()}
    if all(is_near(weights[name], ours[name]) for name in weights):
        return None
    said, given = (", ".join(f"{n} {w:.6g}" for n, w in each.items()) for each in (weights, ours))
    text = f"weights of the losses: {said} in Keras, {given} in the port{_told(weights, ours)}"
    return Match(NUMBERS, text, fix=f"Port(loss={{...}}, loss_weights={weights!r})")


def _told(weights: Mapping[str, float], ours: Mapping[str, float]) -> str:
    """Returns in words what a port does with the weights; "" if it is nothing known."""
    number = len(weights)
    if all(is_near(weight, 1.0) for weight in ours.values()):
        return ": it has none"
    if all(is_near(ours[name], weights[name] / number) for name in weights):
        return ": it takes a mean over the outputs, Keras a sum"
    if all(is_near(ours[name], weights[name] / sum(weights.values())) for name in weights):
        return ": it divides by their sum"
    missing = [name for name in weights if abs(ours[name]) < SAME]
    if missing:
        return f": it lacks the loss of {', '.join(missing)}"
    same = sorted(weights.values()), sorted(ours.values())
    if all(is_near(a, b) for a, b in zip(*same, strict=True)):
        return ": they are exchanged"
    return ""


def _sample_weights(evidence: Evidence) -> Match | None:
    """Recognises weights of samples that do not count, or count relative to their sum."""
    whole, keras = evidence.once(total), evidence.keras
    plain = array_in(keras, "loss/confident/unweighted")
    if whole is None or plain is None or (keras.facts["loss"] or {}).get("class_weight"):
        return None
    if is_near(float(plain) - whole.penalty, whole.torch) or is_near(float(plain), whole.torch):
        return Match(NUMBERS, "the port's loss ignores the weights of the samples")
    found = evidence.once(confident)
    name = found.name if found is not None else ""
    weights = array_in(keras, keyed("weight/confident", name))
    weights = array_in(keras, "weight/confident") if weights is None else weights
    if found is None or weights is None or not weights.sum():
        return None
    if found.gives(found.value * weights.size / float(weights.sum())):
        told = "the port divides by the sum of the weights, Keras by the number of samples"
        return Match(NUMBERS, told)
    if found.gives(found.value * weights.size):
        return Match(NUMBERS, "the port takes a sum over the weighted samples")
    return None


def _missing_in_training(evidence: Evidence) -> Match | None:
    """Recognises a loss of one output that counts in eval mode alone."""
    keras, item = evidence.keras, evidence.item
    told: Mapping[str, Any] = (keras.facts["loss"] or {}).get("outputs") or {}
    if evidence.level.id != "loss" or item.name != OF_KERAS or item.keras is None:
        return None
    beyond = float(item.torch) - float(item.keras)
    for name, each in told.items():
        part = array_in(keras, f"loss/of/{name}")
        if part is not None and is_near(beyond, -float(each["weight"]) * float(part)):
            return Match(NUMBERS, f"in train mode, the port lacks the loss of {name}")
    return None


RULES: dict[str, Recogniser] = {
    "I7": lambda evidence: _weights(evidence) or _missing_in_training(evidence),
    "D18": lambda evidence: _sample_weights(evidence) or weights_of_another(evidence),
}
