"""The findings of an audit, each a sentence with a severity, and what it did not look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from parity.behaviour.audit.audit import Audit


# --- What an audit did not look at, and what it would not have seen, each as a sentence -----------


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


# --- The findings of an audit, each a sentence with a severity ------------------------------------
#
# A difference is a finding if it is both significant (p below `ALARM`) and large enough to matter.
# So an honest split almost never has a finding, whatever its size (none of 640 splits of MNIST).


ALARM = 1e-4
MIN_TRAIN_COPIES = 0.01  # of training that repeats itself
MIN_RATIO = 3.0  # of the largest class to the smallest
MIN_VARIATION = 0.05  # total, of the class distributions
MIN_GAP = 0.1  # of the nearest neighbour's accuracies
MIN_EFFECT = 0.3  # of pixels, in standard deviations
SURELY_EXPECTED = 9  # images of a class; by chance it is missing with probability e^-9 = ALARM

Severity = Literal["high", "medium", "low"]


@dataclass(frozen=True)
class Finding:
    """A problem of the data.

    Attributes:
        id: "duplicates", "near_duplicates", "contradicting_labels", "missing_classes",
            "imbalance", "split_differs" or "pixels_differ"; each at most once.
        severity: "high" makes an accuracy worthless, "medium" changes it, "low" is good to know.
        text: a sentence with numbers.
    """

    id: Literal[
        "duplicates",
        "near_duplicates",
        "contradicting_labels",
        "missing_classes",
        "imbalance",
        "split_differs",
        "pixels_differ",
    ]
    severity: Severity
    text: str


def findings_of(audit: Audit) -> tuple[Finding, ...]:
    """Returns the findings, worst first."""
    found = (
        _duplicates(audit),
        _near_duplicates(audit),
        _contradicting_labels(audit),
        _missing_classes(audit),
        _imbalance(audit),
        _split_differs(audit),
        _pixels_differ(audit),
    )
    reported = (finding for finding in found if finding is not None)
    return tuple(sorted(reported, key=lambda finding: get_args(Severity).index(finding.severity)))


def _graded(value: float, high: float, medium: float) -> Severity:
    if value >= high:
        return "high"
    return "medium" if value >= medium else "low"


def _share_graded(share: float, count: int) -> Severity:
    """Returns the severity of copies: a single one never changes an accuracy significantly."""
    return _graded(share, 0.01, 0.001) if count > 1 else "low"


def _p(value: float) -> str:
    return f"p = {value:.1g}" if value >= 1e-99 else "p < 1e-99"


def _duplicates(audit: Audit) -> Finding | None:
    val, test, train = audit.val_copies, audit.test_copies, audit.train_copies
    parts = [
        f"{copies.count:,} of {name} ({copies.fraction:.1%}) occur in training"
        for name, copies in (("validation", val), ("test", test))
        if copies.count
    ]
    worst = max(val, test, key=lambda copies: copies.fraction)
    severity = _share_graded(worst.fraction, worst.count)
    if train.fraction >= MIN_TRAIN_COPIES:
        parts.append(f"{train.count:,} of training ({train.fraction:.1%}) repeat another one")
    if not parts:
        return None
    pairs = val.pairs or test.pairs or train.pairs
    example = f", such as image {pairs[0][0]}, which is training image {pairs[0][1]}"
    text = f"images that are the same bit for bit: {'; '.join(parts)}{example}"
    return Finding("duplicates", severity, text)


def _near_duplicates(audit: Audit) -> Finding | None:
    near = audit.near_copies
    if near is None or not near.is_certain:
        return None
    index, original = near.pairs[0]
    other = (
        f", {near.num_other_label:,} of them under another label" if near.num_other_label else ""
    )
    share = near.within_training
    within = f"; {share:.1%} of training images are such copies of others" if share else ""
    return Finding(
        "near_duplicates",
        _share_graded(near.fraction, near.count),
        f"{near.count:,} of {audit.num_val:,} validation images ({near.fraction:.1%}) are training "
        "images that were mirrored, made brighter or noisier by a little, or saved again"
        f"{other}, such as image {index}, which is training image {original}{within}",
    )


def _contradicting_labels(audit: Audit) -> Finding | None:
    parts = [
        (f"{copies.num_other_label:,} of {name}", copies)
        for name, copies in (
            ("validation", audit.val_copies),
            ("test", audit.test_copies),
            ("training", audit.train_copies),
        )
        if copies.num_other_label
    ]
    if not parts:
        return None
    index, original = parts[0][1].pairs[0]
    share, count = max(
        (copies.num_other_label / copies.count * copies.fraction, copies.num_other_label)
        for _, copies in parts
    )
    return Finding(
        "contradicting_labels",
        _share_graded(share, count),
        "images that occur in training, bit for bit, under another label: "
        f"{', '.join(text for text, _ in parts)}, such as image {index}, which is training image "
        f"{original}",
    )


def _missing_classes(audit: Audit) -> Finding | None:
    classes = audit.classes
    train, val, test = classes.train, classes.val, classes.test
    unlearnt = [c for c in classes.missing_in_train if val[c] or test[c]]
    unused = [c for c in classes.missing_in_train if not (val[c] or test[c])]
    untested = [c for c in classes.missing_in_val if train[c]]
    parts: list[str] = []
    severity: Severity = "low"
    if unlearnt:
        share = sum(val[c] for c in unlearnt) / sum(val)
        parts.append(f"training lacks {_named(unlearnt)}, with {share:.1%} of validation")
        severity = "high"
    if untested:
        parts.append(f"validation lacks {_named(untested)}")
        expected = max(train[c] for c in untested) / sum(train) * sum(val)
        if expected >= SURELY_EXPECTED and not unlearnt:
            severity = "medium"
    if unused:
        parts.append(f"no part has {_named(unused)}")
    return Finding("missing_classes", severity, "; ".join(parts)) if parts else None


def _named(classes: Sequence[int]) -> str:
    shown = ", ".join(map(str, classes[:5])) + (", ..." if len(classes) > 5 else "")
    return f"class {shown}" if len(classes) == 1 else f"{len(classes):,} classes ({shown})"


def _imbalance(audit: Audit) -> Finding | None:
    classes = audit.classes
    if classes.p_uneven >= ALARM or classes.ratio < MIN_RATIO:
        return None
    present = [count for count in classes.train if count]
    largest = classes.train.index(max(present))
    return Finding(
        "imbalance",
        _graded(classes.ratio, 50, 10),
        f"training has from {min(present):,} to {max(present):,} images of a class (ratio "
        f"{classes.ratio:.1f}): always guessing class {largest} is right on "
        f"{classes.constant_accuracy:.1%} of validation",
    )


def _split_differs(audit: Audit) -> Finding | None:
    classes = audit.classes
    parts: list[str] = []
    size = 0.0
    if classes.p_differs < ALARM and classes.total_variation >= MIN_VARIATION:
        size = classes.total_variation
        parts.append(
            f"validation has a different mix of classes than training: {size:.1%} of it would need "
            f"another class ({_p(classes.p_differs)})"
        )
    test = audit.baseline.new_and_within
    if test is not None and test.p_lower < ALARM and test.second - test.first >= MIN_GAP:
        size = max(size, test.second - test.first)
        parts.append(
            f"the nearest training image has the right label for {test.first:.1%} of validation, "
            f"but for {test.second:.1%} within training ({_p(test.p_lower)}): images or labels of "
            "validation are different"
        )
    return Finding("split_differs", _graded(size, 0.2, 0.1), "; ".join(parts)) if parts else None


def _pixels_differ(audit: Audit) -> Finding | None:
    alarming = [test for test in audit.pixels if test.p < ALARM and abs(test.effect) >= MIN_EFFECT]
    if not alarming:
        return None
    worst = max(alarming, key=lambda test: abs(test.effect))
    return Finding(
        "pixels_differ",
        _graded(abs(worst.effect), 1, 0.5),
        f"the {worst.name} of validation images is {worst.val:.4f}, of training images "
        f"{worst.train:.4f}: {worst.effect:+.1f} standard deviations ({_p(worst.p)})",
    )
