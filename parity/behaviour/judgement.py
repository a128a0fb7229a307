"""Expectation and Judgement: known facts about a run, and the verdict of the rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parity.programs.run_spec import RunSpec
    from parity.traces.trace import History

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
