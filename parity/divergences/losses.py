"""Divergences of the form of a loss: its threshold, and targets that it cannot take."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from parity.divergences.divergence import NUMBERS, Match, Recogniser
from parity.divergences.evidence import Evidence
from parity.divergences.training import confident


def _threshold(evidence: Evidence) -> Match | None:
    """Recognises Huber with another delta, or torch's smooth L1, which divides by it."""
    found = confident(evidence)
    if found is None or found.facts["name"] != "huber" or found.prediction is None:
        return None
    error = np.abs(found.y.reshape(found.prediction.shape) - found.prediction)
    said = float(found.settings.get("delta") or 1.0)
    for text, value in _forms(error, said):
        if found.gives(value):
            return Match(NUMBERS, f"Huber(delta={said:g}) in Keras, {text} in the port")
    return None


def _forms(error: np.ndarray, said: float) -> Iterator[tuple[str, float]]:
    for number in dict.fromkeys((said, 1.0, 0.5, 2.0, 0.1, 1.5, 0.25, 5.0)):
        huber = np.where(error <= number, error**2 / 2, number * (error - number / 2))
        if number != said:
            yield f"delta={number:g}", float(huber.mean())
        if number != 1.0:
            yield f"SmoothL1Loss(beta={number:g})", float(huber.mean()) / number
    yield "half of the squared error", float((error**2).mean()) / 2
    yield "the squared error", float((error**2).mean())
    yield "the absolute error", float(error.mean())


def _raises(evidence: Evidence) -> Match | None:
    item = evidence.item
    if item.name in ("loss raises", "gradient raises", "trajectory raises"):
        targets = evidence.keras["target/probe"]
        told = f"for targets {targets.dtype} {targets.shape}: {item.torch}"
        return Match(NUMBERS, told) if item.name == "loss raises" else None
    return None


RULES: dict[str, Recogniser] = {"D14": _threshold, "D15": _raises}
