"""The rules for the verdict on a training history.

The first rule that holds decides; all thresholds are below with their reasons.

    diverged    a loss is not finite; or the training loss ends at or above its first value, and at
                twice its lowest or more
    suspicious  validation does not measure what it should: it is worse than guessing, or better
                than the labels allow, or as good as training on memorised samples
    stagnant    training has hardly improved since its first epoch, or is near chance, below target
    overfit     training is better than validation by more than noise and more than 0.05; or by
                more than 0.02 while the validation loss has risen to 1.5 times its minimum
    underfit    training accuracy is below target
    good_fit    none of these
    undecided   none of these, and decisive values are missing (no validation, no accuracy)

Levels are means over the last quarter of the epochs, at most five. Training accuracy is measured in
eval mode at the end of an epoch if the history has it ("eval_accuracy"). Keras's own value is a
mean over the epoch, with dropout, on augmented images, and too low to compare with validation. If
it is the only one, the validation accuracy is a lower bound for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from parity.behaviour.judgement import Expectation, Judgement, expectation_of

if TYPE_CHECKING:
    from parity.programs.run_spec import RunSpec
    from parity.traces.trace import History

Z = 1.645  # one-sided 95 % of a normal distribution
Z_SUSPICION = 3.0  # a suspicion needs more evidence: one false one in 741 honest runs
MAX_GAP = 0.05  # a gap that users of the model notice, even if samples prove a smaller one
MAX_GAP_RISING = 0.02  # ... if the validation loss shows it too
RISE = 1.5  # validation losses of good fits end within 1.2 of their minimum (docs/behaviour.md)
LOSS_RISE = 1.2  # the same without an accuracy
EXPLOSION = 2.0  # a flat loss varies by less
MIN_PROGRESS = 0.05  # of accuracy, or of the first loss
MIN_WAY = 0.1  # fraction of the distance from chance to the target
NUM_STAGNANT = 3  # fewer epochs are too short a curve
BY_HEART = 0.995  # training and validation accuracy that suggest a leak
HONEST_RATIO = 1.5  # val_loss / training loss: honest runs that memorise have 5 and more
BAD_GUESS = 1.25  # val_loss / log(classes): validation contradicts training
ROUNDING = 1e-6  # 0.9 is 0.89999998 in float32: exactly at a limit is not beyond it
PLATEAU = 0.9  # fraction of the fall of the training loss after which the plateau starts


def judge(history: Mapping[str, Sequence[float]], expected: Expectation | None = None) -> Judgement:
    """Returns the verdict on a history.

    Args:
        history: Keras's keys (loss, accuracy, val_loss, val_accuracy), each optional, with a number
            per epoch; also "eval_loss" and "eval_accuracy", see above. NaN means that a value was
            not measured, or divergence in a training loss.
        expected: other known facts about the run.
    """
    curves = _Curves(history, expected or Expectation())
    if curves.num_epochs == 0:
        return Judgement("undecided", "no_epoch", "the history has no epoch", 0)
    found = next(filter(None, (rule(curves) for rule in RULES)))
    return Judgement(
        verdict=found.verdict,
        rule=found.rule,
        because=found.because,
        num_epochs=curves.num_epochs,
        train_accuracy=curves.train,
        is_eval=curves.is_eval,
        val_accuracy=curves.val,
        gap=curves.gap,
        gap_error=curves.gap_error,
        target=curves.expected.target,
        chance=curves.chance,
        epochs_to_plateau=curves.epochs_to_plateau(),
        best_epoch_number=None if curves.best_epoch is None else curves.best_epoch + 1,
        val_loss_rise=curves.val_loss_rise,
    )


def judge_run(spec: RunSpec, history: History, sizes: Mapping[str, Any]) -> Judgement:
    """Returns the verdict on the history of a run with a known spec.

    Args:
        spec: spec of the run.
        history: history of the run.
        sizes: num_classes, num_train and num_val, as for `expectation_of`.
    """
    known = {key: sizes[key] for key in ("num_classes", "num_train", "num_val")}
    return judge(history, expectation_of(spec, history, **known))


class _Curves:
    """The columns of a history, and the levels for the rules."""

    def __init__(self, history: Mapping[str, Sequence[float]], expected: Expectation) -> None:
        self.expected = expected
        self.num_epochs = max((len(column) for column in history.values()), default=0)
        self.columns = {key: list(column) for key, column in history.items()}
        self.loss, self.val_loss = self.column("loss"), self.column("val_loss")
        self.is_eval = bool(_finite(self.column("eval_accuracy")))
        self.val = self.level("val_accuracy")
        self.train = self.level("eval_accuracy" if self.is_eval else "accuracy")
        if self.train is not None and self.val is not None and not self.is_eval:
            self.train = max(self.train, self.val)
        chance, num_classes = expected.chance, expected.num_classes
        self.chance = 1 / num_classes if chance is None and num_classes else chance
        self.gap = None if self.train is None or self.val is None else self.train - self.val
        self.best_epoch, self.val_loss_rise = self._rise()

    def column(self, key: str) -> list[float]:
        return self.columns.get(key, [])

    def level(self, key: str) -> float | None:
        """Returns the mean over the last quarter of the epochs, or the value of the chosen epoch.

        If nothing was measured there, it returns the last measured value.
        """
        column = self.column(key)
        if self.expected.epoch is not None:
            column = column[: self.expected.epoch + 1][-1:]
        values = _finite(column[-max(1, min(5, self.num_epochs // 4)) :]) or _finite(column)[-1:]
        return sum(values) / len(values) if values else None

    @property
    def gap_error(self) -> float | None:
        """Returns half the width of the interval of the gap."""
        if self.train is None or self.val is None or self.expected.num_val is None:
            return None
        variance = _variance(self.val, self.expected.num_val)
        if self.expected.num_train is not None:
            variance += _variance(self.train, self.expected.num_train)
        return Z * math.sqrt(variance)

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

    def _rise(self) -> tuple[int | None, float | None]:
        finite = [(value, e) for e, value in enumerate(self.val_loss) if math.isfinite(value)]
        last = self.level("val_loss")
        if not finite or last is None:
            return None, None
        lowest, epoch = min(finite)
        return epoch, last / lowest if lowest > 0 else None


class Ruling(NamedTuple):
    """The ruling of a rule that holds."""

    verdict: str
    rule: str
    because: str


def _diverged(curves: _Curves) -> Ruling | None:
    loss, val_accuracy = curves.loss, curves.column("val_accuracy")
    for key in ("loss", "eval_loss", "val_loss"):
        for epoch, value in enumerate(curves.column(key)):
            # NaN also means an epoch without validation, which has no accuracy either.
            is_missing = key == "val_loss" and not _finite(val_accuracy[epoch : epoch + 1])
            if math.isinf(value) or (math.isnan(value) and not is_missing):
                return Ruling("diverged", "not_finite", f"{key} is {value} in epoch {epoch + 1}")
    if len(loss) < 2:
        return None
    last, lowest = loss[-1], min(loss)
    if last >= loss[0] > 0 and last >= EXPLOSION * lowest:
        return Ruling(
            "diverged",
            "lost",
            f"the training loss ends at {last:.3g}, not below its first ({loss[0]:.3g}), after "
            f"{lowest:.3g} in epoch {loss.index(lowest) + 1}",
        )
    return None


def _suspicious(curves: _Curves) -> Ruling | None:
    expected, train, val = curves.expected, curves.train, curves.val
    if train is None or val is None:
        return None
    num_val = expected.num_val
    error = Z_SUSPICION * math.sqrt(_variance(val, num_val)) if num_val else 0.0
    chance = curves.chance
    has_learned = chance is not None and train > (chance + expected.target) / 2
    if chance is not None and has_learned and num_val:
        below = Z_SUSPICION * math.sqrt(_variance(chance, num_val))
        if val < chance - below:
            return Ruling(
                "suspicious",
                "worse_than_guessing",
                f"validation accuracy is {val:.3f}, worse than guessing ({chance:.3f}): the "
                "validation samples differ from the training samples",
            )
    losses = _finite(curves.val_loss)
    if has_learned and losses and expected.num_classes:
        guess = math.log(expected.num_classes)
        if min(losses) > BAD_GUESS * guess:
            return Ruling(
                "suspicious",
                "contradicts_training",
                f"the validation loss is never below {min(losses):.3g}, while guessing gives "
                f"{guess:.3g}: the training data mislead about the validation samples",
            )
    if val - error > expected.ceiling:
        return Ruling(
            "suspicious",
            "above_labels",
            f"validation accuracy is {val:.3f}, above the {expected.ceiling:.3f} that the labels "
            "allow: training has seen validation images",
        )
    if curves.is_eval and -(curves.gap or 0.0) > max(MAX_GAP, curves.gap_error or 0.0):
        return Ruling(
            "suspicious",
            "above_training",
            (f"validation accuracy is {val:.3f}, above the {train:.3f} of training in eval mode"),
        )
    loss = curves.level("eval_loss" if curves.is_eval else "loss")
    val_loss = curves.level("val_loss")
    if loss is None or val_loss is None or curves.num_epochs < NUM_STAGNANT:
        return None
    if min(train, val) >= BY_HEART and val_loss <= HONEST_RATIO * loss:
        return Ruling(
            "suspicious",
            "by_heart",
            f"the training images are known by heart (loss {loss:.2g}), and those of validation "
            f"just as well (loss {val_loss:.2g})",
        )
    return None


def _stagnant(curves: _Curves) -> Ruling | None:
    train, target = curves.train, curves.expected.target
    if curves.num_epochs < NUM_STAGNANT:
        return None
    if train is None:
        loss = curves.loss
        if loss and loss[0] - min(loss) <= MIN_PROGRESS * abs(loss[0]):
            return Ruling(
                "stagnant",
                "no_progress",
                f"the training loss has hardly changed from {loss[0]:.3g}",
            )
        return None
    if train >= target - ROUNDING:
        return None
    # Both of one kind: the accuracy in eval mode starts higher than the mean over an epoch.
    accuracy = _finite(curves.column("eval_accuracy" if curves.is_eval else "accuracy"))
    gained = max(accuracy) - accuracy[0]
    if gained <= MIN_PROGRESS:
        return Ruling(
            "stagnant",
            "no_progress",
            f"training accuracy is {train:.3f}, below {target:.3f}, and has gained no more than "
            f"{gained:.3f} since the first epoch",
        )
    chance = curves.chance
    if chance is not None and train <= chance + MIN_WAY * (target - chance):
        return Ruling(
            "stagnant",
            "at_chance",
            f"training accuracy is {train:.3f}, close to guessing ({chance:.3f})",
        )
    return None


def _overfit(curves: _Curves) -> Ruling | None:
    gap, error, rise = curves.gap, curves.gap_error, curves.val_loss_rise
    if gap is None:
        is_falling = len(curves.loss) >= NUM_STAGNANT and curves.loss[-1] < curves.loss[0]
        if curves.train is None and is_falling and rise is not None and rise > LOSS_RISE:
            return Ruling(
                "overfit",
                "turned",
                f"the validation loss is {rise:.2f} times its minimum, but the training loss fell",
            )
        return None
    if gap > max(MAX_GAP, error or 0.0) + ROUNDING:
        noise = "" if error is None else f" (±{error:.3f})"
        return Ruling("overfit", "gap", f"training is better than validation by {gap:.3f}{noise}")
    if gap > max(MAX_GAP_RISING, error or 0.0) and rise is not None and rise > RISE:
        return Ruling(
            "overfit",
            "turned",
            f"training is better than validation by {gap:.3f}, and the validation loss is "
            f"{rise:.2f} times its minimum of epoch {(curves.best_epoch or 0) + 1}",
        )
    return None


def _underfit(curves: _Curves) -> Ruling | None:
    train, target = curves.train, curves.expected.target
    if train is None or train >= target - ROUNDING:
        return None
    return Ruling(
        "underfit", "below_target", f"training accuracy is {train:.3f}, below {target:.3f}"
    )


def _good_fit(curves: _Curves) -> Ruling | None:
    if curves.train is None:
        return Ruling("undecided", "no_training", "the history has no training accuracy")
    if curves.gap is None:
        return Ruling("undecided", "no_validation", "the history has no validation accuracy")
    return Ruling(
        "good_fit",
        "none",
        f"training accuracy is {curves.train:.3f}, above {curves.expected.target:.3f}, and "
        f"validation is not lower by more than {MAX_GAP:g} and noise",
    )


RULES = (_diverged, _suspicious, _stagnant, _overfit, _underfit, _good_fit)


def _variance(accuracy: float, count: int) -> float:
    """Returns the variance of an accuracy on `count` samples; half a sample keeps it above 0."""
    p = min(max(accuracy, 0.5 / count), 1 - 0.5 / count)
    return p * (1 - p) / count


def _finite(values: Sequence[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]
