"""Divergences of the losses of several outputs, and of the weights of samples in a loss.

The gradient of the loss by each output says how each loss counts: if it is a multiple of Keras's,
the loss is Keras's with another weight.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.divergences.divergence import NUMBERS, Match, Recogniser
from parity.divergences.training import array_in, confident, is_near, total
from parity.ladder.loss_items import GRADIENT, output_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from parity.divergences.evidence import Evidence
    from parity.ladder.items import Item
    from parity.traces.trace import Trace

_SAME = 1e-6  # relative: a weight of a loss that a port keeps in float32 is off by 6e-8


def by_output(items: Sequence[Item], keras: Trace, port: Trace) -> list[tuple[Item, ...]]:
    """Returns the items of the level "loss" that show a divergence each.

    Outputs whose loss is another one show one each. If all are Keras's with other weights, this is
    one together. What is about all outputs belongs to the first.

    Args:
        items: that fail.
        keras: the results of Keras.
        port: the results of the port.
    """
    factors = factors_of(keras, port)
    found: dict[str, list[Item]] = {}
    rest = []
    for item in items:
        if name := output_of(item.name):
            found.setdefault(name, []).append(item)
        else:
            rest.append(item)
    weighted, groups = [], []
    for name, own in found.items():
        is_weight = factors.get(name) is not None and all(
            item.name.startswith(GRADIENT) for item in own
        )
        if is_weight:
            weighted += own
        else:
            groups.append(own)
    if weighted:
        groups.append(weighted)
    if not groups:
        return [tuple(rest)] if rest else []
    groups[0] = [*groups[0], *rest]
    return [tuple(group) for group in groups]


def factors_of(keras: Trace, port: Trace) -> dict[str, float | None]:
    """Returns which multiple of Keras's gradient by each output the port's is; None: it is none."""
    found: dict[str, float | None] = {}
    for each in keras.facts.get("outputs") or []:
        key = f"loss/confident/gradient/{each['name']}"
        theirs, ours = array_in(keras, key), array_in(port, key)
        if theirs is None or ours is None or theirs.shape != ours.shape or not theirs.any():
            continue
        factor = float((theirs * ours).sum() / (theirs * theirs).sum())
        rest = float(np.abs(ours - factor * theirs).max())
        is_multiple = rest <= _SAME * max(float(np.abs(ours).max()), abs(factor))
        found[str(each["name"])] = factor if is_multiple else None
    return found


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
    return Match(
        NUMBERS,
        f"weights of the losses: {said} in Keras, {given} in the port{_told(weights, ours)}",
    )


def _told(weights: Mapping[str, float], ours: Mapping[str, float]) -> str:
    """Returns in words what a port does with the weights; "" if it is nothing known."""
    number = len(weights)
    if all(is_near(weight, 1.0) for weight in ours.values()):
        return ": it has none"
    if all(is_near(ours[name], weights[name] / number) for name in weights):
        return ": it takes a mean over the outputs, Keras a sum"
    if all(is_near(ours[name], weights[name] / sum(weights.values())) for name in weights):
        return ": it divides by their sum"
    missing = [name for name in weights if abs(ours[name]) < _SAME]
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
    weights = array_in(keras, f"weight/confident/{name}" if name else "weight/confident")
    weights = array_in(keras, "weight/confident") if weights is None else weights
    if found is None or weights is None or not weights.sum():
        return None
    if found.gives(found.value * weights.size / float(weights.sum())):
        told = "the port divides by the sum of the weights, Keras by the number of samples"
        return Match(NUMBERS, told)
    if found.gives(found.value * weights.size):
        return Match(NUMBERS, "the port takes a sum over the weighted samples")
    return None


RULES: dict[str, Recogniser] = {"I7": _weights, "D18": _sample_weights}
