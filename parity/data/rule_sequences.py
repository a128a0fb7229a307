"""Sequences of a metric in which any two rules that stop a training, or cut its rate, differ.

The settings of Keras's rules go in. Sequences come out that show each of them: a loss that rises,
one that stays, one that is best before it is watched, and so on. One sequence alone shows little: a
rule that begins to watch too early stops at the same epoch if the loss falls at first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from parity.data.probe_inputs import MAX_EPOCHS, Metrics, generator

_LEAST = 1e-4  # a min_delta that a port may have where Keras has none
_BASELINE = 1.0
MAX_SEQUENCES = 24
FEW = 3  # the first ones, in which a loss seldom is better than before: copies of weights take time


def rule_sequences(seed: int, rules: Sequence[Any]) -> dict[str, Metrics]:
    """Returns sequences of metrics, one value per epoch, by what they show.

    Args:
        seed: of the noise.
        rules: facts of Keras's callbacks that watch a metric, which may contain anything.

    Returns:
        Sequences by a text that says what the validation loss does; an accuracy does the reverse.
        Those of the training do what the next text says. Empty without rules.
    """
    settings = [dict(rule) for rule in rules if isinstance(rule, Mapping)]
    if not settings:
        return {}
    found: dict[str, tuple[np.ndarray, float]] = {}
    for number, rule in enumerate(settings):
        kind = f", for {str(rule.get('class'))[:40]} {number + 1}" if number else ""
        for name, values, middle in _of_rule(seed, rule):
            found[f"{name}{kind}"] = values, middle
    names = list(found)[:MAX_SEQUENCES]
    size = min(MAX_EPOCHS, max(len(found[name][0]) for name in names))
    rows = [(np.resize(found[name][0], size), found[name][1]) for name in names]
    return {
        name: Metrics(
            val_loss=rows[n][0],
            loss=rows[(n + 1) % len(rows)][0],
            val_accuracy=2 * rows[n][1] - rows[n][0],
            accuracy=2 * rows[(n + 1) % len(rows)][1] - rows[(n + 1) % len(rows)][0],
        )
        for n, name in enumerate(names)
    }


def _of_rule(seed: int, rule: Mapping[str, Any]) -> Iterator[tuple[str, np.ndarray, float]]:
    """Yields (what it shows, losses, the middle between these and the accuracies of the same)."""
    patience, start = _whole(rule, "patience"), _whole(rule, "start_from_epoch")
    delta = abs(_number(rule, "min_delta", 0.0))
    wait = patience + _whole(rule, "cooldown")
    # A rule that cuts the rate does so a dozen times, which shows the least rate.
    size = min(MAX_EPOCHS, start + (12 if "factor" in rule else 4) * max(wait, 1) + 12)
    epochs = np.arange(size, dtype=np.float64)
    watched = np.maximum(epochs - start, 0)
    step = max(2 * delta, 0.01)
    yield "a loss that rises", step * epochs, 0.5  # from below any baseline
    yield "a loss that stays", np.ones(size), 10.0
    # Falls until it is watched, and rises then.
    early = np.where(epochs < max(start, 2), -step * epochs, step * (size + watched))
    yield "a loss that is best at first", 1 + early, 100.0
    # Falls behind that, and never is as low: a rule that remembers the first epochs sees no gain.
    behind = np.where(epochs < max(start, 2), 0.0, step * (size + 2 - watched))
    yield "a loss that falls from a new height", 1 + behind, 100.0
    # Two such steps are more than min_delta, one is less; and of the loss itself all are little.
    small, high = 0.6 * (delta or _LEAST), 2.0 * (patience + 4)
    yield "a loss that falls by less than min_delta", high - small * epochs, 2 * high
    yield "a loss that falls by little, near 0", 0.25 * high - small * epochs, 2 * high
    if (baseline := _number(rule, "baseline", None)) is not None:
        bumps = np.where(epochs % (patience + 2) == patience + 1, 2 * step, 0.0)
        falls = step * (patience + 3.5 - watched)
        yield "a loss that falls below the baseline", baseline + falls + bumps, baseline
        below = np.where(watched < 1, -step, step * (1 + watched))
        yield "a loss that begins below the baseline", baseline + below, baseline
    noise = np.round(generator(seed, "rules").uniform(0.5, 1.5, size), 2)
    with_none = noise.copy()
    # Not the first: Keras's best is then NaN for good, torch's infinity; no training comes back.
    with_none[start + 2 : start + 3] = np.nan
    yield "a loss that is noise, once NaN", with_none, 10.0
    # Better as often as the rule needs it, a few times, and never again.
    gap = max(patience, 1)
    gains = np.cumsum((watched % gap == 0) & (watched <= 3 * gap))
    yield "a loss that falls now and then", 1 + step * (size - gains) + 0.01 * step * epochs, 100.0
    # Better by min_delta one epoch too late.
    slow = (delta or _LEAST) / (patience + 1.5)
    yield "a loss that falls slowly", 1 - slow * epochs, 10.0


def _whole(rule: Mapping[str, Any], name: str) -> int:
    return int(min(max(_number(rule, name, 0.0) or 0.0, 0.0), 40.0))


def _number(rule: Mapping[str, Any], name: str, default: Any) -> Any:
    value = rule.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value):
        return float(value)
    return default
