"""Finds reasons in images and labels why a validation accuracy is too good or too bad.

In: `Data`. Out: `Audit`: copies across the parts, classes and pixels that differ between training
and validation, and the accuracy of a nearest neighbour without any training. `Audit.findings` lists
what matters.

Exact copies, classes and pixels are tested on all images. Comparisons of all pairs use at most
`MAX_TRAIN` and `MAX_VAL` images, drawn with the seed, with sides above 32 pixels averaged down;
they leave out training images that repeat an earlier one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from parity.behaviour.audit.copies import (
    MAX_PAIRS,
    Copies,
    Nearness,
    Originals,
    nearest,
    nearness,
    shrink,
)
from parity.behaviour.audit.findings import Finding, findings_of, notes_of
from parity.behaviour.audit.split_tests import (
    AccuracyTest,
    ClassBalance,
    PixelTest,
    accuracy_test,
    class_balance,
    pixel_tests,
)
from parity.data.dataset import Data
from parity.files.floats import encode_floats
from parity.files.ranges import AtLeast0, Fraction

__all__ = ["Audit", "Baseline", "Finding", "NearCopies", "audit"]

SCHEMA = "parity.audit/2"
# Places of a very low dimension, such as patches of sky, have single pairs that look sure.
MAX_P_SURE, MANY_IN_TRAINING = 0.01, 0.05
MAX_TRAIN, MAX_VAL, MAX_WITHIN = 10_000, 2_000, 1_000


@dataclass(frozen=True)
class NearCopies(Copies):
    """Validation images that are near copies of a training image, but not exact copies.

    Attributes:
        threshold: the nearest training image is a near copy if its distance, divided by that of
            the tenth nearest, is below this.
        dimension: dimension of the data, which determines the threshold; see
            `parity.behaviour.audit.copies`.
        within_training: fraction of training images that are near copies of another one.
        p_sure: p value of so many pairs if validation had them as often as training.
    """

    threshold: float
    dimension: float
    within_training: Fraction
    p_sure: Fraction

    @property
    def is_certain(self) -> bool:
        """Whether the pairs of `count` are not what also occurs among honest training images.

        If many training images are such copies, they are copies there too.
        """
        return self.count > 0 and (
            self.p_sure < MAX_P_SURE or self.within_training >= MANY_IN_TRAINING
        )


@dataclass(frozen=True)
class Baseline:
    """How often the label of the nearest training image, in pixels, is right.

    Attributes:
        accuracy: accuracy on validation, which a trained model should exceed.
        new_and_within: accuracies on validation images that are not copies or near copies, and on
            such training images, each among all others; None if no class has both.
    """

    accuracy: float
    new_and_within: AccuracyTest | None


@dataclass(frozen=True)
class Audit:
    """The measurements on a data set.

    Attributes:
        source: name of the data source.
        seed: seed with which images were drawn, if not all were compared.
        num_train: number of training images that were compared with each other.
        num_val: number of validation images that were compared with them.
        val_copies: validation images that are exact copies of training images.
        test_copies: test images that are exact copies of training images.
        train_copies: training images that repeat another one.
        near_copies: near copies in validation; None with too few images or pixels.
        baseline: accuracy of the nearest neighbour.
        classes: counts of classes, and their differences.
        pixels: statistics of images, and their differences.
    """

    source: str
    seed: AtLeast0
    num_train: AtLeast0
    num_val: AtLeast0
    val_copies: Copies
    test_copies: Copies
    train_copies: Copies
    near_copies: NearCopies | None
    baseline: Baseline
    classes: ClassBalance
    pixels: tuple[PixelTest, ...]

    def findings(self) -> tuple[Finding, ...]:
        """Returns the findings, worst first; none for an honest split."""
        return findings_of(self)

    def notes(self) -> tuple[str, ...]:
        """Returns what of the data was not looked at, and what would not have been seen."""
        return notes_of(self)

    @property
    def severity(self) -> str:
        """The severity of the worst finding; "none" without findings."""
        return next((finding.severity for finding in self.findings()), "none")

    def to_json(self) -> dict[str, Any]:
        """Returns the audit as `parity.audit/2`, ready for `json.dumps(..., allow_nan=False)`."""
        findings = [asdict(finding) for finding in self.findings()]
        return encode_floats(
            {
                "schema": SCHEMA,
                "severity": self.severity,
                "findings": findings,
                "notes": list(self.notes()),
                **asdict(self),
            }
        )


def audit(data: Data, *, seed: int = 0) -> Audit:
    """Tests the images and labels of a data set.

    Args:
        data: the data; the test part is only counted and searched among the training images.
        seed: seed with which images are drawn if there are too many. NumPy's global state is not
            used.
    """
    originals = Originals(data.x_train, data.y_train)
    generator = np.random.default_rng(seed)
    chosen = generator.permutation(originals.index)[:MAX_TRAIN]
    chosen_val = generator.permutation(len(data.x_val))[:MAX_VAL]
    train, val = shrink(data.x_train, chosen), shrink(data.x_val, chosen_val)
    y_train, y_val = data.y_train[chosen], data.y_val[chosen_val]

    is_copy = originals.contain(data.x_val[chosen_val])
    some = _like(y_val, y_train)
    near = None
    compared = nearness(train, val, within=some)
    if compared is not None:
        near = _near_copies(compared, ~is_copy, data, chosen, chosen_val)
        is_copy |= compared.ratio < compared.threshold
        some = some[compared.within >= compared.threshold]

    train, val = train.reshape(len(train), -1), val.reshape(len(val), -1)
    is_right = y_train[nearest(val, train, 1).index[:, 0]] == y_val
    rows = some if len(train) > 1 else some[:0]
    within = nearest(train[rows], train, 1, own=rows).index.ravel()
    is_right_within = y_train[within] == y_train[rows]
    return Audit(
        source=data.source,
        seed=seed,
        num_train=len(train),
        num_val=len(val),
        val_copies=originals.copies(data.x_val, data.y_val),
        test_copies=originals.copies(data.x_test, data.y_test),
        train_copies=originals.copies(data.x_train, data.y_train, is_training=True),
        near_copies=near,
        baseline=Baseline(
            float(is_right.mean()),
            accuracy_test(is_right[~is_copy], y_val[~is_copy], is_right_within, y_train[rows]),
        ),
        classes=class_balance(data.y_train, data.y_val, data.y_test, data.num_classes),
        pixels=pixel_tests(data.x_train, data.y_train, data.x_val, data.y_val),
    )


def _like(y_val: np.ndarray, y_train: np.ndarray) -> np.ndarray:
    """Returns training images, at most MAX_WITHIN, with validation's mix of classes if possible.

    Where training lacks images of these classes, others take half of their places.
    """
    most = min(MAX_WITHIN, len(y_train))
    labels, counts = np.unique(y_val, return_counts=True)
    wanted = np.ceil(most * counts / len(y_val)).astype(int)
    rows = [
        np.flatnonzero(y_train == label)[:count]
        for label, count in zip(labels, wanted, strict=True)
    ]
    like = np.concatenate(rows)
    others = np.setdiff1d(np.arange(len(y_train)), like)[: max(0, (most - len(like)) // 2)]
    return np.sort(np.concatenate([like, others]))


def _near_copies(
    compared: Nearness,
    is_new: np.ndarray,
    data: Data,
    chosen: np.ndarray,
    chosen_val: np.ndarray,
) -> NearCopies:
    """Counts the pairs below the threshold, with their indices in the data."""
    is_near = is_new & (compared.ratio < compared.threshold)
    rows = np.flatnonzero(is_near)
    of_val, of_train = chosen_val[rows], chosen[compared.index[rows]]
    has_other_label = data.y_val[of_val] != data.y_train[of_train]
    # The ones with another label first.
    order = np.lexsort((compared.ratio[rows], ~has_other_label))[:MAX_PAIRS]
    is_near_within = compared.within < compared.threshold
    return NearCopies(
        count=len(rows),
        fraction=len(rows) / len(chosen_val),
        num_other_label=int(has_other_label.sum()),
        pairs=tuple(zip(of_val[order].tolist(), of_train[order].tolist(), strict=True)),
        threshold=compared.threshold,
        dimension=compared.dimension,
        within_training=float(is_near_within.mean()),
        p_sure=_more_often(is_near, is_near_within),
    )


def _more_often(found: np.ndarray, honest: np.ndarray) -> float:
    """Returns the p value that something is as frequent as among honest images.

    With a uniform prior of the share, its posterior from the honest images.

    Args:
        found: bool (M,), of the images.
        honest: bool (N,).
    """
    from scipy import stats

    count = int(honest.sum())
    by_chance = stats.betabinom(len(found), count + 1, len(honest) - count + 1)
    return float(by_chance.sf(int(found.sum()) - 1))
