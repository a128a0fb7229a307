"""The rules for the verdict on a training history.

The first rule that holds decides; `limits.py` has all thresholds with their reasons.

    diverged    a loss is not finite; or the training loss ends at or above its first value, and at
                twice its lowest or more
    suspicious  validation does not measure what it should: it is worse than guessing, or better
                than the labels allow, or as good as training on memorised samples
    stagnant    training has hardly improved since its first epoch, or is near chance, below target;
                or both accuracies are those of always naming one class
    overfit     training is better than validation by more than noise and more than 0.05; or by
                more than 0.02 while the validation loss has risen to 1.5 times its minimum; without
                a training accuracy, the losses decide
    underfit    training accuracy is below target
    good_fit    none of these
    undecided   none of these, and decisive values are missing (no validation, no accuracy)

`parity.behaviour.curves` has the levels: means over the last quarter of the epochs, at most five.
Training accuracy is measured in eval mode at the end of an epoch if the history has it
("eval_accuracy"). Keras's own value is a mean over the epoch, with dropout, on augmented images,
and too low to compare with validation. If it is the only one, the validation accuracy is a lower
bound for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from parity.behaviour.curves import Curves, finite, variance
from parity.behaviour.judgement import Expectation, Judgement, expectation_of
from parity.behaviour.limits import (
    BAD_GUESS,
    BY_HEART,
    BY_HEART_RUNNING,
    CONSTANT_TRAINING,
    EASY,
    EASY_EPOCHS,
    EXPLOSION,
    FAR_ABOVE,
    HONEST_RATIO,
    LEARNS,
    LOSS_RISE,
    MAJORITY_LOSS,
    MAX_GAP,
    MAX_GAP_RISING,
    MIN_PROGRESS,
    MIN_WAY,
    NUM_STAGNANT,
    RISE,
    SAME,
    SPREAD,
    STEADY_GAIN,
    Z_SUSPICION,
)
from parity.behaviour.units import ROUNDING

if TYPE_CHECKING:
    from parity.programs.run_spec import RunSpec
    from parity.traces.trace import History


def judge(history: Mapping[str, Sequence[float]], expected: Expectation | None = None) -> Judgement:
    """Returns the verdict on a history.

    Args:
        history: Keras's keys (loss, accuracy, val_loss, val_accuracy), each optional, with a number
            per epoch; also "eval_loss" and "eval_accuracy", see above. NaN means that a value was
            not measured, or divergence in a training loss. Accuracies are fractions or percent, see
            `parity.behaviour.units`.
        expected: other known facts about the run.
    """
    curves = Curves(history, expected or Expectation())
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
        train_loss=curves.level("loss"),
        val_loss=curves.level("val_loss"),
        output_accuracies=curves.of_outputs("val_{}_accuracy"),
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


class Ruling(NamedTuple):
    """The ruling of a rule that holds."""

    verdict: str
    rule: str
    because: str


def _diverged(curves: Curves) -> Ruling | None:
    loss, val_accuracy = curves.loss, curves.column("val_accuracy")
    for key in ("loss", "eval_loss", "val_loss"):
        for epoch, value in enumerate(curves.column(key)):
            # NaN also means an epoch without validation, which has no accuracy either.
            is_missing = key == "val_loss" and not finite(val_accuracy[epoch : epoch + 1])
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


def _suspicious(curves: Curves) -> Ruling | None:
    expected, train, val = curves.expected, curves.train, curves.val
    if train is None or val is None:
        return None
    chance, num_val = curves.chance, expected.num_val
    if chance is not None and train > (chance + expected.target) / 2:
        found = _misled(curves, chance, val)
        if found is not None:
            return found
    error = Z_SUSPICION * math.sqrt(variance(val, num_val)) if num_val else 0.0
    if val - error > expected.ceiling:
        return Ruling(
            "suspicious",
            "above_labels",
            f"validation accuracy is {val:.3f}, above the {expected.ceiling:.3f} that the labels "
            "allow: training has seen validation images",
        )
    if curves.is_eval and val - train > max(MAX_GAP, curves.gap_error or 0.0):
        return Ruling(
            "suspicious",
            "above_training",
            f"validation accuracy is {val:.3f}, above the {train:.3f} of training in eval mode",
        )
    return _by_heart(curves)


def _misled(curves: Curves, chance: float, val: float) -> Ruling | None:
    """Looks whether training, which has learned, teaches what is wrong in validation."""
    expected = curves.expected
    if expected.num_val:
        below = Z_SUSPICION * math.sqrt(variance(chance, expected.num_val))
        if val < chance - below:
            return Ruling(
                "suspicious",
                "worse_than_guessing",
                f"validation accuracy is {val:.3f}, worse than guessing ({chance:.3f}): the "
                "validation samples differ from the training samples",
            )
    if expected.num_classes is None or val > chance + FAR_ABOVE * (1 - chance):
        return None
    # A penalty is in both losses of an epoch, and their difference is free of it.
    pairs = zip(curves.val_loss, curves.loss or [0.0] * curves.num_epochs, strict=False)
    excess = finite([val_loss - loss for val_loss, loss in pairs])
    guess = math.log(expected.num_classes)
    if not excess or min(excess) <= BAD_GUESS * guess:
        return None
    return Ruling(
        "suspicious",
        "contradicts_training",
        f"the validation loss is never within {min(excess):.3g} of the training loss, while "
        f"guessing gives {guess:.3g}: the training data mislead about the validation samples",
    )


def _by_heart(curves: Curves) -> Ruling | None:
    running, val = curves.running, curves.val
    loss, val_loss = curves.level(curves.loss_key), curves.level("val_loss")
    if running is None or val is None or loss is None or val_loss is None:
        return None
    early = finite(curves.column("val_accuracy")[:EASY_EPOCHS])
    is_easy = not curves.is_eval and bool(early) and max(early) >= EASY
    enough = BY_HEART if curves.is_eval else BY_HEART_RUNNING
    if curves.num_epochs < NUM_STAGNANT or is_easy or min(running, val) < enough:
        return None
    if val_loss > HONEST_RATIO * loss:
        return None
    return Ruling(
        "suspicious",
        "by_heart",
        f"the training images are known by heart (loss {loss:.2g}), and those of validation "
        f"just as well (loss {val_loss:.2g})",
    )


def _stagnant(curves: Curves) -> Ruling | None:
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
    found = _one_class(curves)
    if found is not None or train >= target - ROUNDING:
        return found
    # Both of one kind: the accuracy in eval mode starts higher than the mean over an epoch.
    accuracy = finite(curves.column(curves.accuracy_key))
    gained = max(accuracy) - accuracy[0]
    if gained <= MIN_PROGRESS and not _learns(curves, accuracy[0]):
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


def _learns(curves: Curves, first: float) -> bool:
    """Whether a run that starts high (fine-tuned, continued) still learns: losses fall with it."""
    falls = [curves.fall(key) for key in (curves.loss_key, "val_loss")]
    measured = [fall for fall in falls if fall is not None]
    is_falling = bool(measured) and min(measured) >= LEARNS
    return is_falling and curves.running is not None and curves.running - first >= STEADY_GAIN


def _one_class(curves: Curves) -> Ruling | None:
    """Looks for the accuracy of a class that is always named, right or wrong."""
    val = finite(curves.column("val_accuracy"))
    train = finite(curves.column(curves.accuracy_key)[1:])
    level, loss = curves.val, curves.level("val_loss")
    if len(val) < NUM_STAGNANT or not train or level is None or loss is None or not 0 < level < 1:
        return None
    if max(val) - min(val) > SAME or max(train) - min(train) > CONSTANT_TRAINING:
        return None
    entropy = -level * math.log(level) - (1 - level) * math.log(1 - level)
    if loss < MAJORITY_LOSS * entropy:
        return None
    return Ruling(
        "stagnant",
        "one_class",
        f"validation accuracy is {level:.3f} in every epoch, and its loss {loss:.3g} is no better "
        "than always naming one class",
    )


def _overfit(curves: Curves) -> Ruling | None:
    gap, error, rise = curves.gap, curves.gap_error, curves.val_loss_rise
    if gap is None:
        return _overfit_by_losses(curves) if curves.train is None else None
    noise = "" if error is None else f" (±{error:.3f})"
    if gap > max(MAX_GAP, error or 0.0) + ROUNDING:
        if curves.num_epochs > 1:
            return Ruling(
                "overfit", "gap", f"training is better than validation by {gap:.3f}{noise}"
            )
        if curves.train is not None and curves.train >= curves.expected.target - ROUNDING:
            return Ruling(
                "undecided",
                "one_epoch",
                f"training is better than validation by {gap:.3f}{noise} after a single epoch, in "
                "which nothing is learned by heart; train longer",
            )
        return None
    if gap > max(MAX_GAP_RISING, error or 0.0) and rise is not None and rise > RISE:
        return Ruling(
            "overfit",
            "turned",
            f"training is better than validation by {gap:.3f}, and the validation loss is "
            f"{rise:.2f} times its minimum of epoch {(curves.best_epoch or 0) + 1}",
        )
    return None


def _overfit_by_losses(curves: Curves) -> Ruling | None:
    """Judges the losses of a history without a training accuracy."""
    rise, loss, val_loss = curves.val_loss_rise, curves.level("loss"), curves.level("val_loss")
    if len(curves.loss) < NUM_STAGNANT or curves.loss[-1] >= curves.loss[0]:
        return None
    if rise is not None and rise > LOSS_RISE:
        return Ruling(
            "overfit",
            "turned",
            f"the validation loss is {rise:.2f} times its minimum, but the training loss fell",
        )
    if loss is None or val_loss is None or _reaches_target(curves):
        return None
    first = finite(curves.val_loss)[0]
    if val_loss > SPREAD * loss > 0 and val_loss - loss > MIN_PROGRESS * first:
        return Ruling(
            "overfit",
            "apart",
            f"the validation loss is {val_loss:.3g}, {val_loss / loss:.1f} times the training loss",
        )
    return None


def _reaches_target(curves: Curves) -> bool:
    """Whether validation alone reaches the target, which training then does, too."""
    return curves.val is not None and curves.val >= curves.expected.target - ROUNDING


def _underfit(curves: Curves) -> Ruling | None:
    train, target = curves.train, curves.expected.target
    if train is None or train >= target - ROUNDING:
        return None
    return Ruling(
        "underfit", "below_target", f"training accuracy is {train:.3f}, below {target:.3f}"
    )


def _good_fit(curves: Curves) -> Ruling | None:
    if curves.train is None and _reaches_target(curves):
        return Ruling(
            "good_fit",
            "validation_alone",
            f"validation accuracy is {curves.val:.3f}, above {curves.expected.target:.3f}; the "
            "history has no training accuracy, but training is hardly worse",
        )
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
