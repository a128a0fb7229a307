"""The rules for the verdict on a training history: curves, limits, judgement."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from parity.errors import InputError

if TYPE_CHECKING:
    from parity.programs.run_spec import RunSpec
    from parity.traces.trace import History


# --- The unit of accuracies: fractions, or percent as in many logs --------------------------------
#
# No accuracy is above 1, so a column that goes beyond it is in percent. One file has one unit.
# Where that cannot be, no accuracy is used, and a note says so.


ACCURACIES = ("accuracy", "val_accuracy", "eval_accuracy")
ROUNDING = 1e-6  # 0.9 is 0.89999998 in float32: exactly at a limit is not beyond it
# A column within 1 beside one that reaches 20 is 20 times smaller, or a fraction beside percent.
MIXED = 20.0


def in_fractions(
    history: Mapping[str, Sequence[float]],
) -> tuple[dict[str, list[float]], tuple[str, ...]]:
    """Returns all columns, accuracies as fractions, and what was done to them as sentences.

    Args:
        history: Keras's keys, with a number per epoch.
    """
    columns = {key: list(column) for key, column in history.items()}
    highest = {}
    notes = []
    for key in ACCURACIES:
        values = [value for value in columns.get(key, []) if math.isfinite(value)]
        if values and not 0 <= min(values) <= max(values) <= 100 + ROUNDING:
            wrong = min(values) if min(values) < 0 else max(values)
            notes.append(f"{key} is not used: no accuracy is {wrong:.3g}")
            del columns[key]
        elif values:
            highest[key] = max(values)
    percent = [key for key, value in highest.items() if value > 1 + ROUNDING]
    if not percent:
        return columns, tuple(notes)
    low, high = min(highest, key=highest.__getitem__), max(highest.values())
    if highest[low] <= 1 and high > MIXED:
        notes.append(
            f"no accuracy is used: {low} is at most {highest[low]:.3g} and another one reaches "
            f"{high:.3g}, so that one may be a fraction and the other in percent"
        )
        return {key: column for key, column in columns.items() if key not in highest}, tuple(notes)
    notes.append(f"accuracies are in percent: {', '.join(highest)}")
    for key in highest:
        columns[key] = [value / 100 for value in columns[key]]
    return columns, tuple(notes)


# --- Accuracies that are none ---------------------------------------------------------------------


def check_accuracies(history: Mapping[str, Sequence[float]], source: str) -> None:
    """Refuses a history with an accuracy below 0, in whatever unit: its column is something else.

    Args:
        history: Keras's keys, with a number per epoch.
        source: the file, for the message.

    Raises:
        InputError: an accuracy is below 0.
    """
    for key in ACCURACIES:
        for epoch, value in enumerate(history.get(key, ()), start=1):
            if value < 0:
                raise InputError(
                    f"{source}: {key} of epoch {epoch} is {value:.3g}; expected accuracies of at "
                    "least 0; give the column its own name, or correct it"
                )


# --- The limits of the rules, each with its reason; accuracies are fractions ----------------------


Z_SUSPICION = 3.0  # a suspicion needs more evidence: one false one in 741 honest runs
MAX_GAP = 0.05  # a gap that users of the model notice, even if samples prove a smaller one
MAX_GAP_RISING = 0.02  # ... if the validation loss shows it too
RISE = 1.5  # validation losses of good fits end within 1.2 of their minimum (docs/behaviour.md)
LOSS_RISE = 1.2  # the same without an accuracy
SPREAD = 3.0  # val_loss / training loss: fits without an accuracy that are called good have up to 2
EXPLOSION = 2.0  # a flat loss varies by less
MIN_PROGRESS = 0.05  # of accuracy, or of the first loss
MIN_WAY = 0.1  # fraction of the distance from chance to the target
STEADY_GAIN = 0.02  # of accuracy: with both losses lower by LEARNS, the run learns, if slowly
LEARNS = 0.1  # of the first loss; flat runs lose up to 0.05 of it
NUM_STAGNANT = 3  # fewer epochs are too short a curve
BY_HEART = 0.995  # training and validation accuracy, in eval mode, that suggest a leak
# For a running mean. Dropout or augmentation keep it lower: then nothing is known by heart.
BY_HEART_RUNNING = 0.999
HONEST_RATIO = 1.5  # val_loss / training loss: honest runs that memorise have 5 and more
# Three passes do not make memory. What is right by then on new images is an easy task. In eval mode
# both losses are of the same weights, and their ratio alone tells memory from knowledge.
EASY_EPOCHS = 3
EASY = 0.95
BAD_GUESS = 1.25  # val_loss / log(classes): validation contradicts training
FAR_ABOVE = 0.2  # of the way from chance to 1: validation has learned what training teaches
SAME = 1e-4  # accuracies in logs of four digits that are equal
CONSTANT_TRAINING = 0.002  # range of a running mean over batches that always get one class
MAJORITY_LOSS = 0.9  # loss / entropy of always naming a class that is right as often


# --- The columns of a history and their levels: what the rules look at ----------------------------


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


# --- Expectation and Judgement: known facts about a run, and the verdict of the rules -------------


VERDICTS = ("diverged", "suspicious", "stagnant", "overfit", "underfit", "good_fit", "undecided")

TARGET = 0.9  # training accuracy to reach, as a fraction of what the labels allow


@dataclass(frozen=True)
class Expectation:
    """Known facts about a run besides its curves. None = unknown; rules that need it are skipped.

    Attributes:
        num_classes: number of classes.
        chance: accuracy of the best constant guess; 1 / num_classes if the classes are balanced.
        ceiling: accuracy that the labels allow: 1 unless some of them are wrong.
        target: training accuracy below which a run underfits.
        num_train: number of training samples.
        num_val: number of validation samples.
        epoch: epoch, counted from 0, of the final weights; None = the last.
        outputs: names of the outputs of the model, if it has several.
    """

    num_classes: int | None = None
    chance: float | None = None
    ceiling: float = 1.0
    target: float = TARGET
    num_train: int | None = None
    num_val: int | None = None
    epoch: int | None = None
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judgement:
    """The verdict on a history and its numbers.

    Attributes:
        verdict: verdict on the fit; docs/behaviour.md has the rules.
        rule: the rule that decided, such as "gap" or "worse_than_guessing".
        because: the same as a sentence with numbers.
        num_epochs: length of the history.
        train_accuracy: level of the training accuracy, in eval mode if that was measured; None =
            not in the history.
        is_eval: whether train_accuracy was measured in eval mode.
        val_accuracy: level of the validation accuracy; None = not in the history.
        gap: train_accuracy - val_accuracy.
        gap_error: half width of its one-sided 95 % interval (binomial, both sets of samples);
            None = the number of validation samples is unknown.
        target: training accuracy that the run should reach.
        chance: accuracy of guessing; None = the classes are unknown.
        epochs_to_plateau: epochs, with fractions, after which the training loss has completed 90 %
            of its fall from the first epoch to its minimum; None if it did not fall.
        best_epoch_number: epoch of the lowest validation loss, counted from 1; None without one.
        val_loss_rise: last validation loss / lowest, as levels.
        train_loss: level of the training loss, a running mean; None = not in the history.
        val_loss: level of the validation loss; None = not in the history.
        output_accuracies: level of the validation accuracy of each of several outputs that has one,
            by its name; None = there is one output, or they are not known.
    """

    verdict: str
    rule: str
    because: str
    num_epochs: int
    train_accuracy: float | None = None
    is_eval: bool = False
    val_accuracy: float | None = None
    gap: float | None = None
    gap_error: float | None = None
    target: float = TARGET
    chance: float | None = None
    epochs_to_plateau: float | None = None
    best_epoch_number: int | None = None
    val_loss_rise: float | None = None
    train_loss: float | None = None
    val_loss: float | None = None
    output_accuracies: Mapping[str, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns plain values by name."""
        return asdict(self)


def expectation_of(
    spec: RunSpec, history: History, *, num_classes: int, num_train: int, num_val: int
) -> Expectation:
    """Returns the known facts about a run from its spec.

    Labels that are redrawn with probability p are right with probability 1 - p (1 - 1 / classes).

    Args:
        spec: spec of the run.
        history: history of the run: with `restore_best_weights`, its best epoch counts.
        num_classes: number of classes in its data, assumed to be balanced.
        num_train: number of training samples.
        num_val: number of validation samples.
    """
    chance = 1 / num_classes
    ceiling = 1 - spec.label_noise * (1 - chance)
    rule, epoch = spec.early_stopping, None
    if rule is not None and rule.restore_best_weights:
        watched = history[rule.monitor][rule.start_from_epoch :]
        if watched:
            epoch = rule.start_from_epoch + min(range(len(watched)), key=watched.__getitem__)
    return Expectation(
        num_classes=num_classes,
        chance=chance,
        ceiling=ceiling,
        target=TARGET * ceiling,
        num_train=num_train,
        num_val=num_val,
        epoch=epoch,
    )


# --- The rules for the verdict on a training history ----------------------------------------------
#
# The first rule that holds decides; `rules.py` has all thresholds with their reasons.
#
#     diverged    a loss is not finite; or the training loss ends at or above its first value,
#         and at
#                 twice its lowest or more
#     suspicious  validation does not measure what it should: it is worse than guessing, or better
#                 than the labels allow, or as good as training on memorised samples
#     stagnant    training has hardly improved since its first epoch, or is near chance, below
#         target;
#                 or both accuracies are those of always naming one class
#     overfit     training is better than validation by more than noise and more than 0.05; or by
#                 more than 0.02 while the validation loss has risen to 1.5 times its minimum;
#                     without
#                 a training accuracy, the losses decide
#     underfit    training accuracy is below target
#     good_fit    none of these
#     undecided   none of these, and decisive values are missing (no validation, no accuracy)
#
# `parity.behaviour.rules` has the levels: means over the last quarter of the epochs, at most five.
# Training accuracy is measured in eval mode at the end of an epoch if the history has it
# ("eval_accuracy"). Keras's own value is a mean over the epoch, with dropout, on augmented images,
# and too low to compare with validation. If it is the only one, the validation accuracy is a lower
# bound for it.


def judge(history: Mapping[str, Sequence[float]], expected: Expectation | None = None) -> Judgement:
    """Returns the verdict on a history.

    Args:
        history: Keras's keys (loss, accuracy, val_loss, val_accuracy), each optional, with a number
            per epoch; also "eval_loss" and "eval_accuracy", see above. NaN means that a value was
            not measured, or divergence in a training loss. Accuracies are fractions or percent, see
            `parity.behaviour.rules`.
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
