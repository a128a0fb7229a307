"""Divergences of normalisations: their epsilon, and their moving statistics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from parity.divergences import arithmetic
from parity.divergences.divergence import NUMBERS, Match, Recogniser
from parity.divergences.evidence import Evidence, is_close
from parity.divergences.places import STATE

# --------------------------------------------------------------------------------------------------
#
# Normalisations of each sample alone: their formula, with another epsilon or at another place.


NORMS = ("layer_norm", "group_norm", "rms_norm")
# Of torch's RMSNorm without an epsilon: the spacing of the dtype at 1.
_EPSILONS_OF_SAMPLE_NORMS = (
    1e-3,
    1e-5,
    1e-6,
    1e-7,
    1e-8,
    1e-12,
    1e-4,
    1e-2,
    2.0**-52,
    2.0**-23,
    0.0,
)


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
    for value in dict.fromkeys([said, *_EPSILONS_OF_SAMPLE_NORMS]):
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
    for value in _EPSILONS_OF_SAMPLE_NORMS:
        if value == theirs:
            continue
        made = normalised(evidence, before, x, {"epsilon": value})
        if is_close(made, found[2], evidence.close) and not is_close(
            made, found[1], evidence.close
        ):
            text = f"epsilon of {before['name']}: {theirs:g} in Keras, {value:g} in the port"
            return Match(NUMBERS, text)
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


# --- Divergences of normalisations: their epsilon, and their moving statistics --------------------


_EPSILONS = (1e-3, 1e-5, 1e-6, 1e-7, 1e-8, 1e-12, 1e-2, 1e-4, 0.0)


def _norm_epsilon(evidence: Evidence) -> Match | None:
    if not evidence.is_forward("batch_norm"):
        return None
    x, epsilon = evidence.keras_input(), evidence.config.get("epsilon")
    mean, variance = evidence.weight("moving_mean"), evidence.weight("moving_variance")
    if x is None or mean is None or variance is None:
        return None
    if evidence.mode == "train":
        mean, variance, _ = arithmetic.batch_statistics(x)
    gamma, beta = evidence.weight("gamma"), evidence.weight("beta")
    said = evidence.settings.get("eps", evidence.settings.get("epsilon"))
    for value in dict.fromkeys([said, *_EPSILONS]):
        if value is None or value == epsilon:
            continue
        if evidence.gives(arithmetic.batch_norm(x, mean, variance, gamma, beta, float(value))):
            return Match(NUMBERS, f"epsilon {epsilon:g} in Keras, {value:g} in the port")
    return None


def _norm_statistics(evidence: Evidence) -> Match | None:
    """Recognises halves that normalise with the batch and with moving statistics."""
    if not evidence.is_forward("batch_norm"):
        return None
    x, epsilon = evidence.keras_input(), evidence.config.get("epsilon", 1e-3)
    mean, variance = evidence.weight("moving_mean"), evidence.weight("moving_variance")
    if x is None or mean is None or variance is None:
        return None
    gamma, beta = evidence.weight("gamma"), evidence.weight("beta")
    batch = arithmetic.batch_statistics(x)[:2]
    for name, values in (("the batch", batch), ("moving statistics", (mean, variance))):
        for value in (epsilon, 1e-5):
            given = arithmetic.batch_norm(x, *values, gamma, beta, value)
            is_other = not evidence.is_close(given, evidence.keras_output())
            if is_other and value == epsilon and evidence.gives(given):
                return Match(NUMBERS, f"in {evidence.mode} mode the port normalises with {name}")
    return None


def _moving(evidence: Evidence) -> tuple[np.ndarray, np.ndarray, np.ndarray, int, str] | None:
    """Returns (start, Keras's batch statistic, the port's value, values per channel, statistic)."""
    name = evidence.item.name
    if evidence.level.id != "forward" or not name.endswith(STATE):
        return None
    weight = name.partition(" (")[0]
    x = evidence.keras_input("train")
    key = f"forced/state/{weight}"  # for Keras's input
    if x is None or key not in evidence.port:
        return None
    mean, variance, count = arithmetic.batch_statistics(x)
    statistic = variance if weight.endswith("moving_variance") else mean
    start, ours = evidence.keras[f"weights/{weight}"], evidence.port[key]
    return start, statistic, ours, count, weight.rpartition(".")[2]


def _kept(evidence: Evidence) -> tuple[float, bool] | None:
    """Returns (share of the old value that the port keeps, whether its variance is unbiased)."""
    found = _moving(evidence)
    if found is None:
        return None
    start, statistic, ours, count, name = found
    scales = [(1.0, False)]
    if name == "moving_variance":
        scales.append((count / max(count - 1, 1), True))
    for scale, is_unbiased in scales:
        rate, _ = _rate(evidence, start, scale * statistic, ours)
        if rate:  # that of a layer that is frozen is 0
            return 1 - rate, is_unbiased
    return None


def _rate(
    evidence: Evidence, start: np.ndarray, statistic: np.ndarray, ours: np.ndarray
) -> tuple[float, int]:
    """Returns by which share a statistic moves the port's value in all channels, 0 if it does not.

    And the number of channels that show it.
    """
    change = statistic - start
    usable = np.abs(change) > 1e3 * evidence.close
    if not usable.any():
        return 0.0, 0
    rates = (ours - start)[usable] / change[usable]
    rate = float(np.median(rates))
    is_one = np.abs(rates - rate).max() < 1e2 * evidence.close
    return (rate, int(usable.sum())) if is_one else (0.0, 0)


def _joined(evidence: Evidence) -> Match | None:
    """Recognises the statistics of one batch of all that Keras's layer normalises in several."""
    name = evidence.item.name
    weight = name.partition(" (")[0]
    if evidence.level.id != "forward" or not name.endswith(STATE):
        return None
    stem = weight.removesuffix("variance").removesuffix("mean")
    keys = [f"batches/{stem}{part}" for part in ("mean", "variance")]
    if any(key not in evidence.keras for key in keys) or f"state/{weight}" not in evidence.port:
        return None
    means, variances = (evidence.keras[key] for key in keys)
    is_variance = weight.endswith("variance")
    statistic = means.mean(axis=0)
    if is_variance:  # Keras's batches have as many samples each
        statistic = (variances + means**2).mean(axis=0) - statistic**2
    start, ours = evidence.keras[f"weights/{weight}"], evidence.port[f"state/{weight}"]
    suffix = ""
    rate, channels = _rate(evidence, start, statistic, ours)
    if not rate and is_variance:
        rate, channels, suffix = *_unbiased_rate(evidence, start, statistic, ours), ", unbiased"
    if not 0 < rate <= 1 or channels < 2:  # one channel has a rate for any number
        return None
    number, size = len(means), len(evidence.keras["input/probe/0"])
    return Match(
        NUMBERS,
        f"{stem.rpartition('/')[0] or stem.rpartition('.')[0]}: Keras normalises {number} batches "
        f"of {size}, the port one of {number * size}; it keeps {1 - rate:.6g} of the old value and "
        f"takes the {'variance' if is_variance else 'mean'} of that batch{suffix}",
    )


def _unbiased_rate(
    evidence: Evidence, start: np.ndarray, statistic: np.ndarray, ours: np.ndarray
) -> tuple[float, int]:
    """Returns the same of a variance that is divided by n - 1, of an n that is not known."""
    if len(start) < 3:  # for two unknown numbers
        return 0.0, 0
    both = np.stack([start, statistic], axis=1)
    (kept, share), *_ = np.linalg.lstsq(both, ours, rcond=None)
    is_close = evidence.is_close(both @ np.array([kept, share]), ours)
    is_more = 1 < share / max(1 - kept, 1e-12) <= 2  # n / (n - 1)
    return (float(1 - kept), len(start)) if is_close and is_more else (0.0, 0)


def _momentum(evidence: Evidence) -> Match | None:
    found, keep = _kept(evidence), float(evidence.config.get("momentum", 0.99))
    if found is None or abs(found[0] - keep) <= evidence.close:
        return None
    kept, is_unbiased = found
    detail = f"the port keeps {kept:.6g} of the old value, Keras {keep:g}"
    return Match(NUMBERS, detail, is_part=is_unbiased)


def _unbiased(evidence: Evidence) -> Match | None:
    found = _moving(evidence)
    if found is None or found[4] != "moving_variance":
        return None
    start, statistic, ours, count, _ = found
    keep = float(evidence.config.get("momentum", 0.99))
    unbiased = start * keep + statistic * (1 - keep) * count / max(count - 1, 1)
    text = f"n / (n - 1) with n = {count} gives the port's variance"
    if evidence.is_close(unbiased, ours):
        return Match(NUMBERS, text)
    kept = _kept(evidence)
    if kept is not None and kept[1]:  # beside another momentum
        return Match(NUMBERS, text, is_part=True)
    theirs = evidence.keras[f"state/{evidence.item.name.partition(' (')[0]}"]
    biased = start * keep + statistic * (1 - keep)
    if evidence.is_close(biased, ours) and evidence.is_close(unbiased, theirs):
        return Match(NUMBERS, "Keras 2 keeps an unbiased variance of images, the port a biased one")
    return None


def _frozen(evidence: Evidence) -> Match | None:
    found = _moving(evidence)
    if found is None:
        return None
    start, _, ours, _, name = found
    if evidence.is_close(start, ours):
        return Match(NUMBERS, f"the port does not update its {name}")
    theirs = evidence.keras[f"state/{evidence.item.name.partition(' (')[0]}"]
    return (
        Match(NUMBERS, f"Keras does not update its {name}")
        if evidence.is_close(start, theirs)
        else None
    )


def _batch_of_one(evidence: Evidence) -> Match | None:
    raised = str(evidence.port.facts["raised"].get(evidence.level.id, ""))
    if "more than 1 value per channel" in raised:
        return Match(NUMBERS, raised)
    return None


RULES: dict[str, Recogniser] = {
    "C1": _norm_epsilon,
    "C2": _momentum,
    "C3": _unbiased,
    "C4": lambda evidence: _frozen(evidence) or _norm_statistics(evidence),
    "C5": _batch_of_one,
    "C17": _joined,
}
