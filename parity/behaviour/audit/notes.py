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
            f"near copies were looked for among {audit.num_train:,} of {num_train:,} "
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
    else:
        found.append("copies that were shifted, rotated, resized or cropped are not looked for")
        if near.within_training >= MANY_COPIES:
            found.append("many training images are copies of others, which may hide near copies")
    return tuple(found)
