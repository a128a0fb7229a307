"""Divergences of the penalties in a loss: of kernels, biases and activities."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from parity.data.weight_names import short_name
from parity.divergences.divergence import NUMBERS, SETTINGS, Match, Recogniser
from parity.divergences.training import is_near, total

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence
    from parity.divergences.training import Total


def _no_penalty(evidence: Evidence) -> Match | None:
    found = evidence.once(total)
    if found is None or found.penalty == 0:
        return None
    for told, size in _parts(evidence, found):
        if is_near(found.keras - size, found.torch):
            return Match(NUMBERS, f"the port's loss lacks Keras's {told} of {size:.4g}")
    return None


def _other_penalty(evidence: Evidence) -> Match | None:
    found = evidence.once(total)
    if found is None:
        return None
    extra = found.torch - found.value
    if found.penalty and abs(extra) > 1e-12:
        factors = (0.5, 2.0, 0.1, 10.0, -1.0, *_of_activities(evidence), *_of_sums(evidence))
        for told, size in _parts(evidence, found):
            own = found.torch - (found.keras - size)
            for factor in factors:
                if is_near(size * factor, own):
                    return Match(NUMBERS, f"the port's {told} is {factor:g} times Keras's")
        for text, value in _other_parts(evidence):
            if is_near(value, extra):
                return Match(NUMBERS, f"the port's penalty {text}")
    beyond = found.torch - found.keras
    for squares, name in _squares(evidence):
        for factor in _factors(evidence):
            if any(is_near(factor * share * squares, extra) for share in (1.0, 0.5)):
                return Match(NUMBERS, f"the port penalises {name}")
    for squares, name in _squares_beyond(evidence):
        if any(is_near(factor * squares, beyond) for factor in _factors(evidence)):
            return Match(NUMBERS, f"the port penalises {name}, too")
    has_same_slope = found.gradient is not None and found.slope is not None
    if has_same_slope and abs(beyond) > 1e-12 and evidence.is_close(found.slope, found.gradient):
        text = f"the losses differ by {beyond:.4g}, whatever the outputs are"
        return Match(SETTINGS, text + _of_what(evidence, found, extra))
    return None


def _of_what(evidence: Evidence, found: Total, ours: float) -> str:
    """Returns in words what is added to the loss, if that is not a penalty of weights."""
    layers = list(evidence.keras.facts.get("added_losses") or [])
    if not found.penalty or any(True for _ in _regularised(evidence)):
        return ""
    for node in evidence.keras.facts["nodes"]:
        if node["config"].get("activity_regularizer") is not None:
            layers.append(node["name"])
    if not layers:
        return ""
    names = ", ".join(dict.fromkeys(layers))
    return f": {names} adds {found.penalty:.4g} in Keras, and the port {ours:.4g}"


def _of_activities(evidence: Evidence) -> Iterator[float]:
    """Yields the factors of a mean over the outputs of a penalised layer, or a sum of samples."""
    for node in evidence.keras.facts["nodes"]:
        if node["config"].get("activity_regularizer") is not None:
            samples, *sides = node["output_shape"]
            yield from (1 / math.prod(sides), float(samples), samples / math.prod(sides))


def _of_sums(evidence: Evidence) -> Iterator[float]:
    """Yields the factors of a sum in the place of a mean, and the reverse, in an added loss.

    The mean may be over the samples, over the values of a sample that a layer makes, or over both.
    """
    if not evidence.keras.facts.get("added_losses"):
        return
    shapes = {tuple(node["output_shape"]) for node in evidence.keras.facts["nodes"]}
    for samples, *sides in sorted(shape for shape in shapes if len(shape) > 1):
        for size in (samples, math.prod(sides), samples * math.prod(sides)):
            yield from (float(size), 1 / size)


def _parts(evidence: Evidence, found: Total) -> Iterator[tuple[str, float]]:
    """Yields what is added to the loss, and how much: all of it, and what `add_loss` gets."""
    names = evidence.keras.facts.get("added_losses") or []
    told = f"add_loss of {', '.join(names)}" if names else "penalty"
    if found.added and not is_near(found.added, found.penalty):
        yield "penalty", found.penalty
        yield told, found.added
    else:
        yield told, found.penalty


def _other_parts(evidence: Evidence) -> Iterator[tuple[str, float]]:
    """Yields the penalty with a mean instead of a sum as its l1 or l2 part, or without one."""
    parts = {"l1": {"sum": 0.0, "mean": 0.0}, "l2": {"sum": 0.0, "mean": 0.0}}
    for _, factors, w in _regularised(evidence):
        for part, size in (("l1", np.abs(w)), ("l2", w * w)):
            for name, value in (("sum", size.sum()), ("mean", size.mean())):
                parts[part][name] += factors.get(part, 0.0) * float(value)
    for part, other in (("l1", "l2"), ("l2", "l1")):
        if parts[part]["sum"]:
            yield f"takes the mean of its {part} part", parts[part]["mean"] + parts[other]["sum"]
            if parts[other]["sum"]:
                yield f"has no {part} part", parts[other]["sum"]
    if parts["l1"]["sum"] and parts["l2"]["sum"]:
        yield "takes the mean of both parts", parts["l1"]["mean"] + parts["l2"]["mean"]


def _regularised(evidence: Evidence) -> Iterator[tuple[str, dict[str, float], np.ndarray]]:
    """Yields each regularised weight: name, factors, values; a shared weight occurs once."""
    seen = set()
    for node in evidence.keras.facts["nodes"]:
        for name, value in node["config"].items():
            if not name.endswith("_regularizer") or not isinstance(value, dict):
                continue
            variable = name.removesuffix("_regularizer")
            given = value.get("config", {})
            factors = {k: float(given[k]) for k in ("l1", "l2") if given.get(k)}
            for weight in node["weights"]:
                is_its = short_name(weight) in (variable, f"{variable}_kernel")
                if factors and is_its and weight not in seen:
                    seen.add(weight)
                    yield weight, factors, evidence.keras[f"weights/{weight}"]


def _factors(evidence: Evidence) -> list[float]:
    """Returns the factors of all L2 regularisers of the Keras model."""
    found = set()
    for node in evidence.keras.facts["nodes"]:
        for name, value in node["config"].items():
            if name.endswith("regularizer") and isinstance(value, dict):
                l2 = value.get("config", {}).get("l2")
                if isinstance(l2, int | float) and l2:
                    found.add(float(l2))
    return sorted(found)


def _squares(evidence: Evidence) -> Iterator[tuple[float, str]]:
    weights = {
        name: float((evidence.keras[f"weights/{name}"] ** 2).sum())
        for name, entry in evidence.keras.facts["weights"].items()
        if entry["trainable"]
    }
    yield sum(weights.values()), "all parameters, biases too"
    kernels = {n: v for n, v in weights.items() if n.endswith("kernel")}
    yield sum(kernels.values()), "all kernels"
    penalised = [
        weights.get(name, 0.0)
        for node in evidence.keras.facts["nodes"]
        if any(node["config"].get(f"{part}_regularizer") for part in ("kernel", "depthwise"))
        for name in node["weights"]
    ]
    yield sum(penalised), "the biases of penalised layers too"


def _squares_beyond(evidence: Evidence) -> Iterator[tuple[float, str]]:
    """Yields the sums of squares of weights that Keras does not penalise, beside its penalties."""
    keras = evidence.keras
    penalised = {name for name, _, _ in _regularised(evidence)}
    kept = {
        name: float((keras[f"weights/{name}"] ** 2).sum())
        for name, entry in keras.facts["weights"].items()
        if entry["trainable"] and name not in penalised
    }
    yield sum(kept.values()), "all other parameters"
    yield sum(v for n, v in kept.items() if short_name(n) == "bias"), "all biases"
    for name, squares in kept.items():
        yield squares, name


RULES: dict[str, Recogniser] = {
    "C9": _no_penalty,
    "C8": _other_penalty,
}
