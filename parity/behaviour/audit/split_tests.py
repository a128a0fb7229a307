"""Tests whether two parts of a data set come from the same distribution.

In: labels and images of training and validation. Out: classes that are missing or rare, and tests
that classes and pixels have the same distribution in both. A p value alone is no reason for
concern: each test also has the size of the difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from parity.files.ranges import MAX_ENTRIES, AtLeast0, length
from parity.stats import holm

MIN_EXPECTED = 5  # of a class in either part; rarer classes are tested together (Cochran 1954)
GREY_LEVEL = 1 / 255  # smallest spread of an image statistic
_BLOCK = 256

Counts = Annotated[tuple[AtLeast0, ...], length(0, MAX_ENTRIES)]


@dataclass(frozen=True)
class ClassBalance:
    """How often each class occurs.

    Attributes:
        train, val, test: number of images of each class.
        ratio: size of the largest class of training divided by that of the smallest one there.
        p_uneven: p value of equally frequent classes in training (chi-squared).
        constant_accuracy: accuracy on validation of always guessing training's largest class.
        total_variation: total variation of the class distributions of training and validation:
            the fraction of validation that would need another class.
        p_differs: p value of equal class distributions in training and validation (chi-squared
            test of homogeneity).
    """

    train: Counts
    val: Counts
    test: Counts
    ratio: float
    p_uneven: float
    constant_accuracy: float
    total_variation: float
    p_differs: float

    @property
    def missing_in_train(self) -> tuple[int, ...]:
        """Classes without a training image."""
        return tuple(label for label, count in enumerate(self.train) if count == 0)

    @property
    def missing_in_val(self) -> tuple[int, ...]:
        """Classes without a validation image."""
        return tuple(label for label, count in enumerate(self.val) if count == 0)


def class_balance(
    train: np.ndarray, val: np.ndarray, test: np.ndarray, num_classes: int
) -> ClassBalance:
    """Counts the classes of three parts and compares the first two."""
    in_train, in_val, in_test = (
        np.bincount(labels, minlength=num_classes) for labels in (train, val, test)
    )
    present = in_train[in_train > 0]
    shares = in_train / in_train.sum() - in_val / in_val.sum()
    return ClassBalance(
        train=tuple(in_train.tolist()),
        val=tuple(in_val.tolist()),
        test=tuple(in_test.tolist()),
        ratio=float(np.max(present)) / float(np.min(present)),
        p_uneven=_uneven(present),
        constant_accuracy=float(in_val[np.argmax(in_train)] / in_val.sum()),
        total_variation=float(np.abs(shares).sum() / 2),
        p_differs=homogeneity(in_train, in_val),
    )


def homogeneity(a: np.ndarray, b: np.ndarray) -> float:
    """P value of the chi-squared test that two rows of counts have one distribution.

    Args:
        a: counts, at least one of them above 0.
        b: the same number of counts, at least one of them above 0.

    Returns:
        The p value; 1 if all cells but one have too small expected counts.
    """
    table = np.stack([a, b])
    columns = table.sum(axis=0)
    expected = columns * min(table.sum(axis=1)) / table.sum()
    common = expected >= MIN_EXPECTED
    rare = table[:, ~common].sum(axis=1, keepdims=True)
    table = table[:, common]
    if expected[~common].sum() >= MIN_EXPECTED:
        table = np.concatenate([table, rare], axis=1)
    if table.shape[1] < 2 or not table.sum(axis=1).all():
        return 1.0
    from scipy import stats

    return float(stats.chi2_contingency(table, correction=False).pvalue)


def _uneven(counts: np.ndarray) -> float:
    if len(counts) < 2 or counts.mean() < MIN_EXPECTED:
        return 1.0
    from scipy import stats

    return float(stats.chisquare(counts).pvalue)


@dataclass(frozen=True)
class AccuracyTest:
    """Two accuracies, compared class by class, so that a different mix of classes has no effect.

    Attributes:
        first: accuracy of the first group, for the classes that both have.
        second: accuracy of the second group, with the class weights of the first.
        p_lower: p value that the first is not lower.
    """

    first: float
    second: float
    p_lower: float


def accuracy_test(
    right_a: np.ndarray, y_a: np.ndarray, right_b: np.ndarray, y_b: np.ndarray
) -> AccuracyTest | None:
    """Compares two groups of guesses (Cochran, Mantel and Haenszel, one-sided, uncorrected).

    Let class c have N guesses, n of them in the first group; t are right, a of those in the first
    group. If the first group is not worse, a has mean n t / N and variance
    n (N - n) t (N - t) / (N² (N - 1)).

    Args:
        right_a: bool, whether each guess of the first group is right.
        y_a: int64, true classes.
        right_b: bool, the same for the second group.
        y_b: int64, true classes.

    Returns:
        None if no class is in both groups.
    """
    size = max(y_a.max(initial=0), y_b.max(initial=0)) + 1
    n, m = (np.bincount(y, minlength=size).astype(np.float64) for y in (y_a, y_b))
    a, b = (np.bincount(y, x, size) for x, y in ((right_a, y_a), (right_b, y_b)))
    shared = (n > 0) & (m > 0)
    if not shared.any():
        return None
    n, m, a, b = n[shared], m[shared], a[shared], b[shared]
    from scipy.special import ndtr

    total, right = n + m, a + b
    variance = (n * m * right * (total - right) / (total**2 * (total - 1))).sum()
    z = (a - n * right / total).sum() / variance**0.5 if variance > 0 else 0.0
    return AccuracyTest(
        first=float(a.sum() / n.sum()),
        second=float((n * b / m).sum() / n.sum()),
        p_lower=float(ndtr(z)),
    )


@dataclass(frozen=True)
class PixelTest:
    """One number of each image, compared between training and validation.

    Attributes:
        name: "mean", "contrast" (standard deviation), "roughness" (mean difference of neighbouring
            pixels), or "mean of channel 0" and so on.
        train, val: mean over the images.
        effect: difference, validation minus training, in standard deviations; the smaller of the
            effects over all images and within classes.
        p: p value of a t test, the greater of the two, corrected for the number of statistics
            (Holm).
    """

    name: str
    train: float
    val: float
    effect: float
    p: float


def pixel_tests(
    x_train: np.ndarray, y_train: np.ndarray, x_val: np.ndarray, y_val: np.ndarray
) -> tuple[PixelTest, ...]:
    """Compares statistics of images, all together and class by class.

    Only a difference in both ways comes from pixels: a different mix of classes makes a difference
    over all images, a different numbering of classes makes one within classes.
    """
    train, val = _statistics(x_train), _statistics(x_val)
    results = []
    for name in train:
        within = _t_test(train[name], y_train, val[name], y_val)
        overall = _t_test(train[name], np.zeros_like(y_train), val[name], np.zeros_like(y_val))
        results.append((min(within[0], overall[0], key=abs), max(within[1], overall[1])))
    corrected = holm([p for _, p in results])
    return tuple(
        PixelTest(name, float(train[name].mean()), float(val[name].mean()), effect, p)
        for name, (effect, _), p in zip(train, results, corrected, strict=True)
    )


def _statistics(images: np.ndarray) -> dict[str, np.ndarray]:
    blocks = [_of_block(images[i : i + _BLOCK]) for i in range(0, len(images), _BLOCK)]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _of_block(images: np.ndarray) -> dict[str, np.ndarray]:
    images = images.astype(np.float64)
    down, across = np.abs(np.diff(images, axis=1)), np.abs(np.diff(images, axis=2))
    steps = max(1, down[0].size + across[0].size)
    found = {
        "mean": images.mean(axis=(1, 2, 3)),
        "contrast": images.std(axis=(1, 2, 3)),
        "roughness": (down.sum(axis=(1, 2, 3)) + across.sum(axis=(1, 2, 3))) / steps,
    }
    if images.shape[3] > 1:
        for channel, mean in enumerate(images.mean(axis=(1, 2)).T):
            found[f"mean of channel {channel}"] = mean
    return found


def _t_test(a: np.ndarray, y_a: np.ndarray, b: np.ndarray, y_b: np.ndarray) -> tuple[float, float]:
    """Returns effect and p value of b minus a within classes.

    With n_c images of class c in b and m_c in a: the mean difference, weighted by n_c, over the
    spread s within class and part has the variance s² Σ w_c² (1 / n_c + 1 / m_c), w_c = n_c / Σ n.
    Classes that one part lacks are left out; if no degree of freedom is left, there is no
    difference.
    """
    size = int(max(y_a.max(), y_b.max())) + 1
    (m, mean_a, squares_a), (n, mean_b, squares_b) = (
        _moments(a, y_a, size),
        _moments(b, y_b, size),
    )
    shared = (n > 0) & (m > 0)
    df = int((n + m - 2)[shared].sum())
    if df < 1:
        return 0.0, 1.0
    weights = n[shared] / n[shared].sum()
    difference = float(weights @ (mean_b - mean_a)[shared])
    sd = max(float((squares_a + squares_b)[shared].sum() / df) ** 0.5, GREY_LEVEL)
    from scipy.special import stdtr

    error = sd * float(weights**2 @ (1 / n[shared] + 1 / m[shared])) ** 0.5
    return difference / sd, float(2 * stdtr(df, -abs(difference) / error))


def _moments(x: np.ndarray, y: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns count, mean and sum of squared differences from the mean of each class."""
    count = np.bincount(y, minlength=size)
    mean = np.bincount(y, x, size) / np.maximum(count, 1)
    return count, mean, np.bincount(y, (x - mean[y]) ** 2, size)
