"""Decisions: what the rules of a run say, given the history of one half.

A cut of the rate, a stop and the best epoch are logic, and not rounding: each half must have done
exactly what ReduceLROnPlateau and EarlyStopping say of its own losses. Two right halves may decide
differently in float32, where their losses differ, but each of them decides by the rule.

Source: keras 3.15 `callbacks/reduce_lr_on_plateau.py`, `early_stopping.py`, `monitor_callback.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from parity.programs.run_spec import EarlyStopping, RunSpec
    from parity.traces.trace import History


@dataclass(frozen=True)
class Decisions:
    """What the rules of a run say.

    Attributes:
        rates: the learning rate of every epoch that was trained.
        num_epochs: number of epochs after which the training ends.
        best_epoch: epoch from 0 whose weights it ends with.
    """

    rates: list[float]
    num_epochs: int
    best_epoch: int


def decisions(spec: RunSpec, history: History) -> Decisions:
    """Applies the rules of a run to the history of one half, epoch by epoch.

    Args:
        spec: the run.
        history: of the half; losses of every epoch that it trained.
    """
    num_trained = len(history["loss"])
    rates = _rates(spec, history, num_trained)
    if spec.early_stopping is None:
        return Decisions(rates, spec.epochs, num_trained - 1)
    return Decisions(rates, *_end(spec, spec.early_stopping, history, num_trained))


def closest_call(
    losses: Sequence[float], min_delta: float = 0.0, start: int = 0
) -> tuple[int, float]:
    """Returns the epoch from 0 in which an improvement was decided by least, and by how much.

    Args:
        losses: what a rule watches, of each epoch; less is better.
        min_delta: an improvement is a decrease by more than this.
        start: the first epoch that is watched.
    """
    best, closest = float("inf"), (0, float("inf"))
    for epoch, loss in enumerate(losses[start:], start):
        margin = best - (loss + min_delta)
        if abs(margin) < closest[1]:
            closest = epoch, abs(margin)
        if margin > 0:
            best = loss
    return closest


def told_call(key: str, apart: float, epoch: int, margin: float) -> str:
    """Returns by how little two halves decided otherwise.

    Args:
        key: column of the history that a rule watches.
        apart: the largest difference of the halves in it before they did.
        epoch: from 0, of Keras's closest call.
        margin: of that call.
    """
    return (
        f"the {key} of the halves differ by up to {apart:.2g}, and Keras decided on an "
        f"improvement by {margin:.2g} in epoch {epoch + 1}"
    )


def _rates(spec: RunSpec, history: History, num_trained: int) -> list[float]:
    dtype: Any = np.dtype(spec.dtype).type  # of Keras's variable
    rate, rates = float(dtype(spec.learning_rate)), []
    rule = spec.reduce_lr
    best, wait, cooldown = None, 0, 0
    for epoch in range(num_trained):
        rates.append(rate)
        if rule is None:
            continue
        loss = history[rule.monitor][epoch]
        if cooldown > 0:
            cooldown, wait = cooldown - 1, 0
        if _is_better(loss, best, rule.min_delta):
            best, wait = loss, 0
        elif cooldown == 0:
            wait += 1
            if wait >= rule.patience and rate > np.float32(rule.min_lr):
                rate = float(dtype(max(rate * rule.factor, rule.min_lr)))
                cooldown, wait = rule.cooldown, 0
    return rates


def _end(spec: RunSpec, rule: EarlyStopping, history: History, num_trained: int) -> tuple[int, int]:
    """Returns the number of epochs, and the epoch whose weights are the last."""
    best, best_epoch, wait = None, num_trained - 1, 0
    for epoch in range(rule.start_from_epoch, num_trained):
        loss = history[rule.monitor][epoch]
        wait += 1
        if _is_better(loss, best, rule.min_delta):
            best, best_epoch, wait = loss, epoch, 0
        elif wait >= rule.patience:
            return epoch + 1, best_epoch if rule.restore_best_weights else epoch
    return spec.epochs, best_epoch if rule.restore_best_weights else num_trained - 1


def _is_better(loss: float, best: float | None, min_delta: float) -> bool:
    """Whether a loss has fallen by more than `min_delta`; Keras compares in float32."""
    return best is None or bool(np.float32(loss + min_delta) < np.float32(best))
