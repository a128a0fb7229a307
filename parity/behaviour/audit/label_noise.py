"""Estimates the number of wrong training labels from the nearest neighbours.

A label that most neighbours contradict may be wrong, or its image may be hard. So the estimate uses
only images with neighbours that agree: at least 8 of 10 have one label. Such an image is suspected
if its own label is one that no neighbour has.

Some images with a wrong label are missed, because one of the 10 - m neighbours that do not agree
has the same wrong label by chance. If wrong labels are evenly spread over the C - 1 others, none
has it with probability q = (1 - 1 / (C - 1))^(10 - m): a suspected image counts 1 / q.

Some suspected labels are right, but the images are hard: they lie among images of another class. 0,
1 or 2 of 10 neighbours support the label of a hard image about equally often (clean MNIST, blurred:
82, 84 and 74 in four draws of 5,000 images, 35, 35 and 23 in thirty of 300; overlapping normal
classes: 61, 60 and 53). The number with support, minus the expected number from wrong labels, shows
how many there are: the estimate subtracts half of them, the lower limit all, the upper limit none.

With two classes there is no third label, so only neighbours that all agree count, and hard images
cannot be distinguished from wrong labels. If labels are wrong systematically (all sevens of one
writer), the neighbours are wrong too, and nothing is seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from parity.behaviour.audit.suspects import PairNoise, pair_noise, probabilities, suspects

K = 10
CONSENSUS = 8
MIN_CONSENSUS = 50  # images with neighbours that agree, for an estimate
MIN_UNRELATED = 500  # images, to say that labels are unrelated to images
CONFIDENCE = 0.95


@dataclass(frozen=True)
class LabelNoise:
    """The labels of training compared with the ten nearest neighbours.

    Attributes:
        disagreement: fraction of images with a label that is not the most frequent one of the
            neighbours.
        support: fraction of neighbours with the label of their image, over all images.
        shuffled: mean of support for shuffled labels, and its standard deviation between shuffles.
        num_images: number of images.
        num_consensus: number of images with neighbours that agree.
        unsupported: images with a label that no neighbour has, where neighbours agree, those with
            the greatest agreement first.
        estimate: fraction of wrong labels; None if too few neighbours agree.
        low, high: ends of its 95 % interval, wide enough for hard images.
        suspected: images whose labels are suspected by confident learning, the most
            suspected first; see `parity.behaviour.audit.suspects`.
        pairs: classes that have labels of another one.
    """

    disagreement: float
    support: float
    shuffled: tuple[float, float]
    num_images: int
    num_consensus: int
    unsupported: tuple[int, ...]
    estimate: float | None
    low: float | None
    high: float | None
    suspected: tuple[int, ...] = ()
    pairs: tuple[PairNoise, ...] = ()

    @property
    def is_unrelated(self) -> bool:
        """Whether neighbours share a label no more often than if labels were shuffled."""
        mean, sd = self.shuffled
        return mean < 1 and self.num_images >= MIN_UNRELATED and self.support < mean + 3 * sd


def label_noise(
    labels: np.ndarray, neighbours: np.ndarray, distance: np.ndarray
) -> LabelNoise | None:
    """Compares labels with those of the neighbours.

    Args:
        labels: int64 (N,).
        neighbours: int64 (N, 10), the nearest other images of each image.
        distance: (N, 10), to them.

    Returns:
        The comparison; None if images have fewer than 10 neighbours.
    """
    if neighbours.shape[1] < K:
        return None
    classes, labels = np.unique(labels, return_inverse=True)
    # For each image: the most frequent label of its neighbours, how many have it, and how many
    # have the image's own label.
    voted = np.sort(labels[neighbours], axis=1)
    equal = (voted[:, :, None] == voted[:, None, :]).sum(axis=2)
    winner = voted[np.arange(len(labels)), equal.argmax(axis=1)]
    majority = equal.max(axis=1)
    support = (voted == labels[:, None]).sum(axis=1)
    disagreement = float((winner != labels).mean())

    others = len(classes) - 1
    unseen = np.float_power(1 - 1 / max(others, 1), K - majority)  # q; 0^0 is 1
    consensus = (majority >= CONSENSUS) & (unseen > 0)
    unsupported = np.flatnonzero(consensus & (support == 0))
    unsupported = unsupported[np.argsort(-majority[unsupported], kind="stable")]
    by_chance = float(np.sum(1 / unseen[unsupported] - 1))
    supported = int((consensus & (winner != labels) & (support > 0)).sum())
    return LabelNoise(
        disagreement,
        float(support.mean() / K),
        _shuffled(labels, neighbours),
        len(labels),
        int(consensus.sum()),
        tuple(unsupported.tolist()),
        *_estimate(len(unsupported), by_chance, max(0.0, supported - by_chance), consensus.sum()),
        suspected=tuple(suspects(labels, probabilities(labels, neighbours, distance)).tolist()),
        pairs=tuple(
            replace(pair, label=int(classes[pair.label]), true=int(classes[pair.true]))
            for pair in pair_noise(labels, neighbours)
        ),
    )


def _estimate(
    suspected: int, by_chance: float, hard: float, total: int
) -> tuple[float | None, float | None, float | None]:
    """Returns the fraction of wrong labels and its interval (Clopper and Pearson 1934)."""
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
    """Returns mean (exact) and standard deviation (of 30 shuffles) of the support."""
    count = np.bincount(labels).astype(np.float64)
    mean = float(count @ (count - 1)) / (len(labels) * (len(labels) - 1))
    generator = np.random.default_rng(0)
    shuffles = (generator.permutation(labels) for _ in range(30))
    return mean, float(np.std([(y[neighbours] == y[:, None]).mean() for y in shuffles], ddof=1))
