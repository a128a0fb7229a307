"""Decisions: by how little a rule has decided.

Two right halves may decide differently in float32, where their losses differ.

Source: keras 3.15 `callbacks/reduce_lr_on_plateau.py`, `early_stopping.py`, `monitor_callback.py`.
"""

from __future__ import annotations

from collections.abc import Sequence


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
