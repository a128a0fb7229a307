"""A training history and its verdict, in result files of several kinds."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from parity.behaviour.rules import VERDICTS, Judgement
from parity.files.records import AtLeastOne, Count, Many, Number, mirrors, one_of

Verdict = Annotated[str, one_of(*VERDICTS)]
History = Annotated[
    dict[str, Many[Number]],
    Meta(
        description="Keras's keys (loss, accuracy, val_loss, val_accuracy, learning_rate) and "
        "others, such as eval_accuracy: a number per epoch, all of the same length."
    ),
]


@mirrors(Judgement)
class JudgementRecord:
    """The verdict on a history and its numbers; older files lack the last three."""

    verdict: Verdict
    num_epochs: Count
    best_epoch_number: AtLeastOne | None
    train_loss: Number | None = None
    val_loss: Number | None = None
    output_accuracies: dict[str, Number] | None = None
