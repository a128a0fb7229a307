"""Which labels are wrong: confident learning, and wrong labels between two classes.

In: labels and the nearest neighbours of each image. Out: suspected images, and pairs of classes.

Suspects: the neighbours give each image out-of-sample probabilities of the classes. The confident
joint (Northcutt, Jiang and Chuang 2021) counts the images with label i that belong to class j:
those whose probability of j reaches the mean one of images with label j. Of each pair (i, j), as
many images are suspected as it says, those with the greatest margin p_j - p_i first. This is the
default of cleanlab's `find_label_issues` ("prune_by_noise_rate"), and gives the same list but for
the rounding of counts.

Pairs: where at least eight of ten neighbours have label j and at most one has label i, an image
with label i is wrong, or hard. Hard images lie near the border, where neighbours have label i too;
wrong labels do not depend on the labels of neighbours. So the share of label i there, of those with
label i or j, estimates the share of class j that is labelled i.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

WEIGHT = 3.0  # log of the weight of the nearest neighbour over that of the tenth, times two
PRIOR = 0.02  # share of a probability that all classes have evenly
AGREEING, AGAINST = 8, 1  # neighbours with label j, and at most with label i
MIN_SHARE = 0.05  # of a class, surely: hard images of MNIST reach 0.02, of photographs 0.07
ALARM = 1e-4


@dataclass(frozen=True)
class PairNoise:
    """Images of one class that are labelled as another.

    Attributes:
        label: the label that they have.
        true: the class that their neighbours have.
        count: number of such images among those whose neighbours agree.
        compared: number of images whose neighbours agree, with one of both labels.
        share: estimated share of the true class that has this label.
        low, high: its 95 % interval.
    """

    label: int
    true: int
    count: int
    compared: int
    share: float
    low: float
    high: float


def probabilities(labels: np.ndarray, index: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Returns the probabilities of the classes from the neighbours, nearer ones count more.

    Args:
        labels: int64 (N,), 0 to C - 1.
        index: int64 (N, K), the nearest other images.
        distance: (N, K), ascending.

    Returns:
        (N, C).
    """
    farthest = np.maximum(distance[:, -1:], 1e-12)
    weights = np.exp(-WEIGHT / 2 * (distance / farthest) ** 2)
    weights /= weights.sum(axis=1, keepdims=True)
    found = np.zeros((len(labels), int(labels.max()) + 1))
    for column in range(index.shape[1]):
        found[np.arange(len(labels)), labels[index[:, column]]] += weights[:, column]
    return (found + PRIOR / found.shape[1]) / (1 + PRIOR)


def suspects(labels: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Returns the images whose labels are suspected, those with the greatest margin first.

    Args:
        labels: int64 (N,), 0 to C - 1.
        probability: (N, C), out of sample.
    """
    classes = probability.shape[1]
    counts = np.bincount(labels, minlength=classes)
    own = probability[np.arange(len(labels)), labels]
    threshold = np.bincount(labels, own, classes) / np.maximum(counts, 1)
    threshold[counts == 0] = math.inf
    reached = np.where(probability >= threshold - 1e-6, probability, -1.0)
    reaches = reached.max(axis=1) >= 0
    joint = np.zeros((classes, classes))
    np.add.at(joint, (labels[reaches], reached.argmax(axis=1)[reaches]), 1)
    # Images that reach no threshold are spread as the others of their label.
    joint *= (counts / np.maximum(joint.sum(axis=1), 1))[:, None]
    is_suspected = np.zeros(len(labels), bool)
    for label, true in zip(*np.nonzero(np.round(joint)), strict=True):
        if label == true:
            continue
        rows = np.flatnonzero(labels == label)
        margin = probability[rows, true] - probability[rows, label]
        wanted = min(int(np.round(joint[label, true])), len(rows))
        limit = np.partition(margin, -wanted)[-wanted]
        is_suspected[rows[margin >= limit]] = True
    is_suspected &= probability.argmax(axis=1) != labels
    rows = np.flatnonzero(is_suspected)
    margin = probability[rows].max(axis=1) - own[rows]
    return rows[np.argsort(-margin, kind="stable")]


def pair_noise(labels: np.ndarray, index: np.ndarray) -> tuple[PairNoise, ...]:
    """Returns the pairs of classes of which one surely has labels of the other, worst first.

    Args:
        labels: int64 (N,).
        index: int64 (N, 10), the nearest other images.
    """
    classes = np.unique(labels)
    votes = (labels[index][:, :, None] == classes).sum(axis=1)
    pairs = max(1, len(classes) * (len(classes) - 1))
    from scipy import stats

    found = []
    for j, true in enumerate(classes):
        in_class = votes[:, j] >= AGREEING
        num_true = labels == true
        for i, label in enumerate(classes):
            if i == j:
                continue
            judged = in_class & (votes[:, i] <= AGAINST)
            count = int((judged & (labels == label)).sum())
            compared = count + int((judged & num_true).sum())
            if count and stats.binom.sf(count - 1, compared, MIN_SHARE) * pairs < ALARM:
                limits = stats.binomtest(count, compared).proportion_ci(0.95, "exact")
                share = count / compared
                found.append(
                    PairNoise(
                        int(label), int(true), count, compared, share, limits.low, limits.high
                    )
                )
    return tuple(sorted(found, key=lambda pair: -pair.share))
