"""Constraints of weights that Keras applies after each step, and the port does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.data.weight_names import constraint_of
from parity.divergences.divergence import NUMBERS, SETTINGS, Match

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence
    from parity.ladder.items import Item

_EPSILON = 1e-7  # of Keras's backend
# Keras's class -> its settings, with their defaults.
SETTINGS_OF: dict[str, dict[str, Any]] = {
    "NonNeg": {},
    "UnitNorm": {"axis": 0},
    "MaxNorm": {"max_value": 2, "axis": 0},
    "MinMaxNorm": {"min_value": 0.0, "max_value": 1.0, "rate": 1.0, "axis": 0},
}


def missing_constraint(evidence: Evidence) -> Match | None:
    """Recognises weights that Keras constrains after each step, and the port does not.

    The fix is the line for all of these weights.
    """
    if evidence.level.id != "optimizer":
        return None
    found = list(_constrained(evidence))
    if not found:
        return None
    item, given = found[0]
    sure = [item.name for item, given in found if _gives(evidence, item, given)]
    fix = _line(evidence, {item.name: given for item, given in found})
    name = given["class_name"]
    if sure:
        return Match(NUMBERS, f"{name} of the port's weights gives Keras's", fix=fix)
    return Match(SETTINGS, f"{name} of {item.name} in Keras", fix=fix)


def as_code(name: str, config: Mapping[str, Any]) -> str:
    """Returns a constraint as code, with the settings that are not defaults; "" if not known."""
    if name not in SETTINGS_OF:
        return ""
    given = {key: config[key] for key in SETTINGS_OF[name] if key in config}
    given = {key: value for key, value in given.items() if value != SETTINGS_OF[name][key]}
    listed = ", ".join(f"{key}={value!r}" for key, value in given.items())
    return f"torch_impl.constraints.{name}({listed})"


def _constrained(evidence: Evidence) -> Iterator[tuple[Item, Mapping[str, Any]]]:
    """Yields the weights that differ and have a constraint in Keras, each once."""
    nodes = {name: node for node in evidence.keras.facts["nodes"] for name in node["weights"]}
    seen = set()
    for item in evidence.failed:
        node = nodes.get(item.name)
        if node is None or item.name in seen or item.step is None:
            continue
        if (given := constraint_of(node["config"], item.name)) is not None:
            seen.add(item.name)
            yield item, given


def _gives(evidence: Evidence, item: Item, given: Mapping[str, Any]) -> bool:
    """Whether the constraint of the port's weight is Keras's weight."""
    key = f"optimizer/{item.step}/weights/{item.name}"
    shape = evidence.keras.facts["weights"][item.name]["shape"]
    if key not in evidence.port or key not in evidence.keras:
        return False
    ours = evidence.port[key]
    if ours.size != np.prod(shape):
        return False
    value = _applied(str(given.get("class_name")), given.get("config", {}), ours.reshape(shape))
    if value is None or evidence.is_close(ours, evidence.keras[key], 1e-6):
        return False
    return evidence.is_close(value.reshape(ours.shape), evidence.keras[key], 1e-6)


def _applied(name: str, config: Mapping[str, Any], w: np.ndarray) -> np.ndarray | None:
    if name == "NonNeg":
        return w * (w >= 0)
    if name not in SETTINGS_OF:
        return None
    s = {**SETTINGS_OF[name], **config}
    axes = s["axis"]
    norm = np.sqrt((w * w).sum(axis=tuple(axes) if isinstance(axes, list) else axes, keepdims=True))
    wanted: Any = 1.0
    if name == "MaxNorm":
        wanted = np.clip(norm, 0, s["max_value"])
    elif name == "MinMaxNorm":
        wanted = s["rate"] * np.clip(norm, s["min_value"], s["max_value"]) + (1 - s["rate"]) * norm
    return np.asarray(w * wanted / (norm + _EPSILON))


def _line(evidence: Evidence, given: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns the line that constrains weights of the port as Keras does, or ""."""
    pairs = dict(map(tuple, evidence.port.facts["pairs"]))
    entries = []
    for weight, constraint in given.items():
        layer, _, variable = weight.partition(".")
        module = pairs.get(layer, "").partition("#")[0]
        code = as_code(str(constraint.get("class_name")), constraint.get("config", {}))
        if not module or "()" in module or not code:
            return ""
        entries.append(f"{module + '.' + variable!r}: {code}")
    return f"torch_impl.constraints.constrain(module, optimizer, {{{', '.join(entries)}}})"
