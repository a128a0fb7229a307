"""The columns of a history and their levels: what the rules look at."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from parity.behaviour.limits import MIN_PROGRESS
from parity.behaviour.units import ACCURACIES, in_fractions

if TYPE_CHECKING:
    from parity.behaviour.judgement import Expectation

Z = 1.645  # one-sided 95 % of a normal distribution
PLATEAU = 0.9  # fraction of the fall of the training loss after which the plateau starts
# A regression with the metric "accuracy" counts exact hits. It stays near 0 while the loss falls.
UNSUITABLE = 0.01


class Curves:
    """The columns of a history, and their levels.

    Attributes:
        expected: what is known besides the history.
        num_epochs: length of the longest column.
        columns: all columns, accuracies as fractions.
        loss: training loss per epoch; empty without one.
        val_loss: the same of validation.
        is_eval: whether training accuracy was measured in eval mode.
        running: level of the training accuracy as it was measured.
        train: the same, or the validation accuracy if that is higher and training is a running
            mean: then it is a lower bound.
        val: level of the validation accuracy.
        gap: train - val.
        chance: accuracy of the best constant guess.
        best_epoch: epoch of the lowest validation loss, counted from 0.
        val_loss_rise: level of the validation loss / its lowest value.
    """

    def __init__(self, history: Mapping[str, Sequence[float]], expected: Expectation) -> None:
        self.expected = expected
        self.num_epochs = max((len(column) for column in history.values()), default=0)
        self.columns, _ = in_fractions(history)
        self.loss, self.val_loss = self.column("loss"), self.column("val_loss")
        if self._is_unsuitable():
            self.columns = {k: v for k, v in self.columns.items() if k not in ACCURACIES}
        self.is_eval = bool(finite(self.column("eval_accuracy")))
        self.val = self.level("val_accuracy")
        self.running = self.level(self.accuracy_key)
        self.train = self.running
        if self.train is not None and self.val is not None and not self.is_eval:
            self.train = max(self.train, self.val)
        chance, num_classes = expected.chance, expected.num_classes
        self.chance = 1 / num_classes if chance is None and num_classes else chance
        self.gap = None if self.train is None or self.val is None else self.train - self.val
        self.best_epoch, self.val_loss_rise = self._rise()

    @property
    def accuracy_key(self) -> str:
        """The column of the training accuracy."""
        return "eval_accuracy" if self.is_eval else "accuracy"

    @property
    def loss_key(self) -> str:
        """The column of the training loss of the same kind."""
        return "eval_loss" if self.is_eval else "loss"

    def column(self, key: str) -> list[float]:
        """Returns a column; empty if the history has none of this name."""
        return self.columns.get(key, [])

    def level(self, key: str) -> float | None:
        """Returns the mean over the last quarter of the epochs, or the value of the chosen epoch.

        If nothing was measured there, it returns the last measured value.
        """
        column = self.column(key)
        if self.expected.epoch is not None:
            column = column[: self.expected.epoch + 1][-1:]
        values = finite(column[-max(1, min(5, self.num_epochs // 4)) :]) or finite(column)[-1:]
        return sum(values) / len(values) if values else None

    def of_outputs(self, key: str) -> dict[str, float] | None:
        """Returns the levels of a column of each of several outputs; None if there is one output.

        Args:
            key: of the column, with {} for the name of the output.
        """
        if not self.expected.outputs:
            return None
        found = {name: self.level(key.format(name)) for name in self.expected.outputs}
        return {name: level for name, level in found.items() if level is not None}

    def fall(self, key: str) -> float | None:
        """Returns by what part of its first value a loss has fallen to its level; None without."""
        column, last = finite(self.column(key)), self.level(key)
        if not column or last is None or column[0] <= 0:
            return None
        return 1 - last / column[0]

    @property
    def gap_error(self) -> float | None:
        """Half the width of the interval of the gap."""
        if self.train is None or self.val is None or self.expected.num_val is None:
            return None
        spread = variance(self.val, self.expected.num_val)
        if self.expected.num_train is not None:
            spread += variance(self.train, self.expected.num_train)
        return Z * math.sqrt(spread)

    def epochs_to_plateau(self) -> float | None:
        """Returns the number of epochs after which the training loss has made 90 % of its fall."""
        loss = self.loss
        if len(loss) < 2 or not all(map(math.isfinite, loss)):
            return None
        lowest = min(loss)
        if loss[0] - lowest <= MIN_PROGRESS * abs(loss[0]):
            return None
        limit = loss[0] - PLATEAU * (loss[0] - lowest)
        epoch = next(number for number, value in enumerate(loss) if value <= limit)
        return epoch + (loss[epoch - 1] - limit) / (loss[epoch - 1] - loss[epoch])

    def _is_unsuitable(self) -> bool:
        """Whether accuracy stays near 0 while the loss falls to half: it does not fit the task."""
        values = [value for key in ACCURACIES for value in finite(self.column(key))]
        loss = finite(self.loss)
        return bool(values and loss) and max(values) <= UNSUITABLE and loss[-1] < loss[0] / 2

    def _rise(self) -> tuple[int | None, float | None]:
        measured = [(value, e) for e, value in enumerate(self.val_loss) if math.isfinite(value)]
        last = self.level("val_loss")
        if not measured or last is None:
            return None, None
        lowest, epoch = min(measured)
        return epoch, last / lowest if lowest > 0 else None


def variance(accuracy: float, count: int) -> float:
    """Returns the variance of an accuracy on `count` samples; half a sample keeps it above 0."""
    p = min(max(accuracy, 0.5 / count), 1 - 0.5 / count)
    return p * (1 - p) / count


def finite(values: Sequence[float]) -> list[float]:
    """Returns the values that are finite."""
    return [value for value in values if math.isfinite(value)]
