"""Normalisations of each sample alone: their formula, with another epsilon or at another place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from parity.divergences.divergence import NUMBERS, Match
from parity.divergences.evidence import Evidence, is_close

NORMS = ("layer_norm", "group_norm", "rms_norm")
# Of torch's RMSNorm without an epsilon: the spacing of the dtype at 1.
_EPSILONS = (1e-3, 1e-5, 1e-6, 1e-7, 1e-8, 1e-12, 1e-4, 1e-2, 2.0**-52, 2.0**-23, 0.0)


def normalised(
    evidence: Evidence, node: Mapping[str, Any], x: np.ndarray, changes: Mapping[str, Any]
) -> np.ndarray | None:
    """Returns what a normalisation of Keras makes of x, over the last axis or groups of it.

    Args:
        evidence: has the weights.
        node: the layer.
        x: its input, channels last.
        changes: settings in the place of its own: "epsilon", "groups".

    Returns:
        None if the layer is no such normalisation.
    """
    if node["kind"] not in NORMS:
        return None
    settings = {**node["config"], **changes}
    epsilon = float(settings["epsilon"])
    weights = {
        name.rpartition(".")[2]: evidence.keras[f"weights/{name}"] for name in node["weights"]
    }
    if node["kind"] == "rms_norm":
        y = x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon)
        return np.asarray(y * weights.get("scale", np.ones(())))
    shaped = x
    axes: tuple[int, ...] = (-1,)
    if node["kind"] == "group_norm":
        shaped = x.reshape(*x.shape[:-1], int(settings["groups"]), -1)
        axes = (*range(1, x.ndim - 1), -1)
    mean = shaped.mean(axis=axes, keepdims=True)
    variance = shaped.var(axis=axes, keepdims=True)
    y = ((shaped - mean) / np.sqrt(variance + epsilon)).reshape(x.shape)
    y = y * weights.get("gamma", np.ones(()))
    return np.asarray(y + weights.get("beta", np.zeros(())))


def tried_epsilons(evidence: Evidence) -> Match | None:
    """Recognises another epsilon of a layer by numbers, where the port does not say it."""
    node, x = evidence.node, evidence.keras_input()
    if node is None or x is None:
        return None
    theirs = float(evidence.config["epsilon"])
    said = evidence.settings.get("eps", evidence.settings.get("epsilon"))
    for value in dict.fromkeys([said, *_EPSILONS]):
        if value is None or value == theirs:
            continue
        if evidence.gives(normalised(evidence, node, x, {"epsilon": value})):
            return Match(NUMBERS, f"epsilon {theirs:g} in Keras, {value:g} in the port")
    return None


def tried_epsilons_before(evidence: Evidence) -> Match | None:
    """Recognises another epsilon of a normalisation by hand, in front of a layer."""
    found = evidence.failing_input()
    before = None if found is None else evidence.source(found[0])
    if found is None or before is None or before["kind"] not in NORMS:
        return None
    x = evidence.keras[f"forward/{evidence.mode}/{before['name']}/input/0"]
    theirs = float(before["config"]["epsilon"])
    for value in _EPSILONS:
        if value == theirs:
            continue
        made = normalised(evidence, before, x, {"epsilon": value})
        if is_close(made, found[2], evidence.close) and not is_close(
            made, found[1], evidence.close
        ):
            told = f"epsilon of {before['name']}: {theirs:g} in Keras, {value:g} in the port"
            return Match(NUMBERS, told)
    return None


def normalised_before(evidence: Evidence, theirs: np.ndarray, ours: np.ndarray) -> Match | None:
    """Recognises a normalisation in front of a layer where Keras has it elsewhere."""
    if evidence.node is None or theirs.shape != ours.shape:
        return None
    for node in evidence.keras.facts["nodes"]:
        made = normalised(evidence, node, theirs, {}) if _fits(evidence, node, theirs) else None
        if made is not None and is_close(made, ours, evidence.close):
            where = f"in front of {evidence.node['name']} in the port alone"
            return Match(NUMBERS, f"{node['name']} stands {where}")
    return None


def _fits(evidence: Evidence, node: Mapping[str, Any], x: np.ndarray) -> bool:
    shapes = [evidence.keras[f"weights/{name}"].shape for name in node["weights"]]
    return node["kind"] in NORMS and all(shape == x.shape[-1:] for shape in shapes)
