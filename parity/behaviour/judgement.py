"""Expectation and Judgement: what is known beside a history, and what the rules make of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parity.programs.run_spec import RunSpec
    from parity.traces.trace import History

VERDICTS = ("diverged", "suspicious", "stagnant", "overfit", "underfit", "good_fit", "undecided")

TARGET = 0.9  # what training should reach, of what the labels allow


@dataclass(frozen=True)
class Expectation:
    """What is known beside the curves. None = not known; rules that need it are left out.

    Attributes:
        num_classes: of the task.
        chance: accuracy of the best constant guess; 1 / num_classes if the classes are balanced.
        ceiling: accuracy that the labels allow: 1 unless a part of them is wrong.
        target: training accuracy below which a run underfits.
        num_train: training samples.
        num_val: validation samples.
        epoch: the epoch, counted from 0, whose weights the run ends with; None = the last.
    """

    num_classes: int | None = None
    chance: float | None = None
    ceiling: float = 1.0
    target: float = TARGET
    num_train: int | None = None
    num_val: int | None = None
    epoch: int | None = None


@dataclass(frozen=True)
class Judgement:
    """The verdict on a history and the numbers that it rests on.

    Attributes:
        verdict: what the history says about the fit; docs/behaviour.md has the rules.
        rule: identifies what decided, such as "gap" or "worse_than_guessing".
        because: the same, with its numbers, as a sentence.
        num_epochs: length of the history.
        train_accuracy: level of training, in eval mode where that was measured; None = not in the
            history.
        is_eval: whether that was measured in eval mode.
        val_accuracy: level of validation; None = not in the history.
        gap: train_accuracy - val_accuracy.
        gap_error: half width of its one-sided 95 % interval (binomial, both sets of samples);
            None = the number of validation samples is not known.
        target: what train_accuracy was held against.
        chance: accuracy of guessing; None = the classes are not known.
        epochs_to_plateau: epochs, in fractions, after which the training loss has made 90 % of its
            way from the first epoch to its minimum; None if it made none.
        best_epoch_number: epoch of the least validation loss, counted from 1; None without one.
        val_loss_rise: last validation loss / least, levels.
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

    def to_json(self) -> dict[str, Any]:
        """Returns plain values by name."""
        return asdict(self)


def expectation_of(
    spec: RunSpec, history: History, *, num_classes: int, num_train: int, num_val: int
) -> Expectation:
    """Returns what the spec of a run says about its history.

    Labels that are redrawn with probability p agree with the image in 1 - p (1 - 1 / classes).

    Args:
        spec: of the run.
        history: of the run: with `restore_best_weights` its best epoch is the one that counts.
        num_classes: of its data, taken as balanced.
        num_train: training samples.
        num_val: validation samples.
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
