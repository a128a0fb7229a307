"""How many training labels are wrong, as far as the nearest neighbours can tell.

How often the neighbours outvote a label mixes wrong labels with hard images. So only images are
counted whose neighbours agree: at least 8 of 10 have one label. Such an image is suspected if its
own label is another one that no neighbour has.

Of images with a wrong label some are missed, because one of the 10 - m neighbours that do not agree
has the same wrong label by chance. If wrong labels are evenly spread over the C - 1 others, none
has it with probability q = (1 - 1 / (C - 1))^(10 - m): a suspected image counts 1 / q.

Of the suspected, some are right but hard: they lie among images of another class. A hard image has
its label supported by 0, 1 or 2 of 10 neighbours about equally often (clean MNIST, blurred: 82, 84
and 74 in four draws of 5,000 images, 35, 35 and 23 in thirty of 300; overlapping normal classes:
61, 60 and 53). Those with support, less what wrong labels make by chance, show how many there are:
the estimate subtracts half of them, the lower limit all, the upper limit none.

Two classes leave no third label, so there only neighbours that agree wholly count, and hard images
cannot be told from wrong labels. Where labels are wrong by a rule (all sevens of one writer), the
neighbours are wrong too, and nothing is seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

K = 10
CONSENSUS = 8
MIN_CONSENSUS = 50  # images whose neighbours agree, for an estimate
MIN_UNRELATED = 500  # images, to say that labels have nothing to do with the images
CONFIDENCE = 0.95


@dataclass(frozen=True)
class LabelNoise:
    """What the ten nearest neighbours say about the labels of training.

    Attributes:
        disagreement: share of images whose label is not the most frequent one of the neighbours.
        support: share of neighbours that have the label of their image, over all images.
        shuffled: what it would be on average if the labels were shuffled, and the standard
            deviation from one shuffle to the next.
        num_images: images looked at.
        num_consensus: those whose neighbours agree.
        suspected: images whose label no neighbour supports, those whose neighbours agree most
            first.
        estimate: share of wrong labels; None if too few neighbours agree to tell.
        low, high: ends of its interval, of 95 % confidence, wide enough for what cannot be told.
    """

    disagreement: float
    support: float
    shuffled: tuple[float, float]
    num_images: int
    num_consensus: int
    suspected: tuple[int, ...]
    estimate: float | None
    low: float | None
    high: float | None

    @property
    def is_unrelated(self) -> bool:
        """Whether neighbours share a label no more often than if labels were shuffled."""
        mean, sd = self.shuffled
        return mean < 1 and self.num_images >= MIN_UNRELATED and self.support < mean + 3 * sd


def label_noise(labels: np.ndarray, neighbours: np.ndarray) -> LabelNoise | None:
    """Judges labels by those of the neighbours.

    Args:
        labels: int64 (N,).
        neighbours: int64 (N, 10), for each image the nearest others.

    Returns:
        None where an image has fewer than 10 neighbours.
    """
    if neighbours.shape[1] < K:
        return None
    classes, labels = np.unique(labels, return_inverse=True)
    # Of each image: the most frequent label of its neighbours, how many have it, and how many
    # have its own.
    voted = np.sort(labels[neighbours], axis=1)
    equal = (voted[:, :, None] == voted[:, None, :]).sum(axis=2)
    winner = voted[np.arange(len(labels)), equal.argmax(axis=1)]
    majority = equal.max(axis=1)
    support = (voted == labels[:, None]).sum(axis=1)
    disagreement = float((winner != labels).mean())

    others = len(classes) - 1
    unseen = np.float_power(1 - 1 / max(others, 1), K - majority)  # q; 0^0 is 1
    consensus = (majority >= CONSENSUS) & (unseen > 0)
    suspected = np.flatnonzero(consensus & (support == 0))
    suspected = suspected[np.argsort(-majority[suspected], kind="stable")]
    by_chance = float(np.sum(1 / unseen[suspected] - 1))
    supported = int((consensus & (winner != labels) & (support > 0)).sum())
    return LabelNoise(
        disagreement,
        float(support.mean() / K),
        _shuffled(labels, neighbours),
        len(labels),
        int(consensus.sum()),
        tuple(suspected.tolist()),
        *_estimate(len(suspected), by_chance, max(0.0, supported - by_chance), consensus.sum()),
    )


def _estimate(
    suspected: int, by_chance: float, hard: float, total: int
) -> tuple[float | None, float | None, float | None]:
    """The share of wrong labels and its interval (Clopper and Pearson 1934, for the counts)."""
    if total < MIN_CONSENSUS:
        return None, None, None
    from scipy.special import betaincinv

    weight = 1 + by_chance / max(suspected, 1)  # the mean of 1 / q
    tail = (1 - CONFIDENCE) / 2
    surely, perhaps = max(0.0, suspected - hard), max(0.0, suspected - hard / 2)
    low = betaincinv(surely, total - surely + 1, tail) if surely > 0 else 0.0
    high = betaincinv(suspected + 1, total - suspected, 1 - tail) if suspected < total else 1.0
    estimate, low, high = (min(1.0, float(x) * weight) for x in (perhaps / total, low, high))
    return estimate, low, high


def _shuffled(labels: np.ndarray, neighbours: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of the support: the mean exact, the other of 30 shuffles."""
    count = np.bincount(labels).astype(np.float64)
    mean = float(count @ (count - 1)) / (len(labels) * (len(labels) - 1))
    generator = np.random.default_rng(0)
    shuffles = (generator.permutation(labels) for _ in range(30))
    return mean, float(np.std([(y[neighbours] == y[:, None]).mean() for y in shuffles], ddof=1))
