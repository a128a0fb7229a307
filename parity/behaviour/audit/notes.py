"""What an audit did not look at, and what it would not have seen, each as a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from parity.behaviour.audit.audit import Audit

MANY_COPIES = 0.2  # of training that are copies of others: far more may hide those of validation


def notes_of(audit: Audit) -> tuple[str, ...]:
    """Returns the sentences."""
    found = []
    num_train, num_val = sum(audit.classes.train), sum(audit.classes.val)
    distinct = num_train - audit.train_copies.count
    if audit.num_train < distinct or audit.num_val < num_val:
        found.append(
            f"near copies and labels were looked for among {audit.num_train:,} of {num_train:,} "
            f"training and {audit.num_val:,} of {num_val:,} validation images, drawn at random"
        )
        if audit.num_train < distinct:
            found.append(
                "a copy is not seen if its source was not drawn: the true number of near copies is "
                f"about {distinct / audit.num_train:.1f} times as large"
            )
    near = audit.near_copies
    if near is None:
        found.append("near copies were not looked for: there are too few images or pixels")
    elif near.size is None:
        found.append(
            "how many near copies there are cannot be estimated: most training images that were "
            "looked at are copies of others"
        )
    else:
        size = near.size
        moved = (
            "; moved ones are not looked for in such small images"
            if size.power_moved is None
            else f", and {size.power_moved:.0%} if they were rotated by up to 10 degrees, shifted "
            "by up to a ninth of the side and resized by up to a tenth too"
        )
        found.append(
            f"of training images that were changed as a test, {size.power_still:.0%} were "
            f"recognised if mirrored, brighter or noisier{moved}"
        )
        if near.within_training >= MANY_COPIES:
            found.append("many training images are copies of others, which may hide near copies")
    if audit.labels is None or audit.labels.estimate is None:
        found.append("how many labels are wrong is unknown: too few neighbours agree")
    return tuple(found)
