"""What a training history says about the fit, by one rule.

With the accuracies of the last epoch:

- "overfit": training accuracy is more than 0.05 above validation accuracy;
- else "underfit": training accuracy is below 0.9;
- else "good_fit".

A history with a number that is not finite is "diverged". The training accuracy is Keras's running
mean, measured with dropout on while the weights still change, in both halves alike.
"""

from __future__ import annotations

import math
from typing import Any

from parity.trace import History

MAX_GAP = 0.05
MIN_ACCURACY = 0.9
# An accuracy of 0.9 is 0.89999998 in float32: exactly at a limit is not beyond it.
ROUNDING = 1e-6


def judge(history: History) -> dict[str, Any]:
    """Returns the verdict of a history with the numbers that it rests on.

    Args:
        history: Keras's keys, at least one epoch.

    Returns:
        verdict, train_accuracy, val_accuracy and gap (training minus validation).
    """
    train, val = history["accuracy"][-1], history["val_accuracy"][-1]
    gap = train - val
    columns = (history[key] for key in ("loss", "val_loss", "accuracy", "val_accuracy"))
    if not all(math.isfinite(value) for column in columns for value in column):
        verdict = "diverged"
    elif gap > MAX_GAP + ROUNDING:
        verdict = "overfit"
    elif train < MIN_ACCURACY - ROUNDING:
        verdict = "underfit"
    else:
        verdict = "good_fit"
    return {"verdict": verdict, "train_accuracy": train, "val_accuracy": val, "gap": gap}
