"""Divergences of gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from parity.divergences import trials
from parity.divergences.divergence import NUMBERS, PLACE, SETTINGS, Match, Recogniser
from parity.divergences.evidence import Evidence
from parity.divergences.places import FORCED, REACHES


def _not_frozen(evidence: Evidence) -> Match | None:
    """The port trains what Keras does not."""
    weight = evidence.keras.facts["weights"].get(evidence.item.name)
    if evidence.level.id not in ("optimizer", "trajectory") or weight is None:
        return None
    return (
        None
        if weight["trainable"]
        else Match(NUMBERS, f"{evidence.item.name} is not trained in Keras")
    )


def _cut(evidence: Evidence) -> Match | None:
    if evidence.level.id != "gradient":
        return None
    failed = evidence.failed
    if any(item.torch == "no gradient" for item in failed):
        names = [i.name.removeprefix(REACHES) for i in failed if i.torch == "no gradient"]
        return Match(NUMBERS, f"no gradient reaches {', '.join(names[:3])}")
    weights = dict.fromkeys(item.name.removesuffix(FORCED) for item in failed)
    zero = [
        name
        for name in weights
        if f"gradient/{name}" in evidence.port and not evidence.port[f"gradient/{name}"].any()
    ]
    return Match(NUMBERS, f"the gradient of {', '.join(zero[:3])} is zero") if zero else None


def _branch_cut(evidence: Evidence) -> Match | None:
    """Recognises one of several layers behind an output through which no gradient passes."""
    name = evidence.item.name.removeprefix(REACHES)
    ours, theirs = f"forced/arrived/{name}", f"output_gradient/{name}"
    nodes = evidence.keras.facts["nodes"]
    if evidence.level.id != "gradient" or ours not in evidence.port or theirs not in evidence.keras:
        return None
    number = next(n for n, node in enumerate(nodes) if node["name"] == name)
    for node in nodes:
        key, kernels = f"output_gradient/{node['name']}", _kernels(node)
        if number not in node["sources"] or key not in evidence.keras or not kernels:
            continue
        part = evidence.keras[key] @ evidence.keras[f"weights/{kernels[0]}"].T
        if evidence.is_close(evidence.keras[theirs] - part, evidence.port[ours]):
            return Match(NUMBERS, f"no gradient passes from {node['name']} back to {name}")
    return None


def _kernels(node: Mapping[str, Any]) -> list[str]:
    """Returns the names of the kernel of a dense layer; none for other layers."""
    is_dense = node["kind"] == "dense"
    return [name for name in node["weights"] if is_dense and name.endswith(".kernel")]


def _gradient_cut(evidence: Evidence) -> Match | None:
    """Recognises the layer whose output no gradient reaches any more."""
    names = [
        item.name.removeprefix(REACHES)
        for item in evidence.failed
        if item.torch == "no gradient" and item.name.startswith(REACHES)
    ]
    if evidence.level.id != "gradient" or not names:
        return None
    return Match(NUMBERS, f"no gradient reaches the output of {names[0]}")


def _other_gradient(evidence: Evidence) -> Match | None:
    return Match(PLACE, "outputs and loss agree") if evidence.level.id == "gradient" else None


def _scaled_gradient(evidence: Evidence) -> Match | None:
    """All gradients are one multiple of Keras's."""
    if evidence.level.id != "gradient":
        return None
    factors = []
    for item in evidence.failed:
        key = f"gradient/{item.name.removesuffix(FORCED)}"
        if key not in evidence.keras or key not in evidence.port:
            return None
        a, b = evidence.keras[key].reshape(-1), evidence.port[key].reshape(-1)
        largest = int(np.argmax(np.abs(a)))
        if not a[largest]:
            return None
        factor = float(b[largest] / a[largest])
        if not evidence.is_close(a * factor, b):
            return None
        factors.append(factor)
    if factors and evidence.is_close(factors, np.ones(len(factors)), 1e-6):
        return None
    if factors and max(factors) - min(factors) < 1e-9 * abs(factors[0]):
        return Match(SETTINGS, f"every gradient is {factors[0]:.6g} times Keras's")
    return None


RULES: dict[str, Recogniser] = {
    "E9": lambda evidence: _gradient_cut(evidence) or _branch_cut(evidence),
    "E6": lambda evidence: _cut(evidence) or _not_frozen(evidence),
    "E3": lambda evidence: _scaled_gradient(evidence) or trials.changed("E3")(evidence),
    "E7": _other_gradient,
}
