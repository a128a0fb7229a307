"""Label noise from given neighbours, by hand and on points of known classes."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import cdist

from parity.behaviour.audit.label_noise import label_noise


def neighbours_of(points):
    distances = cdist(points, points)
    np.fill_diagonal(distances, np.inf)
    return np.argsort(distances, axis=1)[:, :10]


def judged(labels, neighbours):
    return label_noise(labels, neighbours, np.ones(neighbours.shape))


def clusters(count, num_classes, *, spread, noise=0.0, seed=0):
    """Points around one centre for each class; returns labels, neighbours and which are wrong."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, num_classes, count)
    centres = np.random.default_rng(5).normal(0, 1, (num_classes, 6))
    points = centres[truth] + generator.normal(0, spread, (count, 6))
    is_wrong = generator.random(count) < noise
    other = (truth + generator.integers(1, num_classes, count)) % num_classes
    return np.where(is_wrong, other, truth), neighbours_of(points), is_wrong


def by_hand(own, votes):
    """Sixty images that agree with their ten neighbours, and one with these votes.

    Of the classes 0 to 4, each of which twelve images have.
    """
    labels = np.repeat(np.arange(5), 12)
    neighbours = np.array(
        [[other for other in range(60) if labels[other] == y][:10] for y in labels]
    )
    some = {label: np.flatnonzero(labels == label) for label in range(5)}
    row = [some[label][i] for label, count in votes.items() for i in range(count)]
    return judged(np.append(labels, own), np.vstack([neighbours, row]))


@pytest.mark.parametrize(
    ("own", "votes", "is_suspected", "is_consensus"),
    [
        (0, {1: 10}, True, True),
        (0, {1: 8, 2: 2}, True, True),
        (0, {1: 8, 0: 1, 2: 1}, False, True),
        (0, {1: 7, 2: 3}, False, False),
        (1, {1: 8, 2: 2}, False, True),
    ],
    ids=["all", "eight", "supported", "seven", "own"],
)
def test_suspected_is_what_no_neighbour_supports(own, votes, is_suspected, is_consensus):
    found = by_hand(own, votes)
    assert found.unsupported == ((60,) if is_suspected else ())
    assert found.num_consensus == 60 + is_consensus
    assert found.num_images == 61
    assert found.disagreement == pytest.approx((own != 1) / 61)
    assert found.support == pytest.approx((600 + votes.get(own, 0)) / 610)


def test_estimate_and_interval_of_one_suspect():
    """Two of ten votes are for others: its label is among them with 1 - (3/4)², so it counts 16/9.

    Clopper and Pearson's interval of 1 of 61 is that of scipy.
    """
    found = by_hand(0, {1: 8, 2: 2})
    interval = stats.binomtest(1, 61).proportion_ci(0.95, "exact")
    weight = 16 / 9
    expected = (weight / 61, weight * interval.low, weight * interval.high)
    assert (found.estimate, found.low, found.high) == pytest.approx(expected, rel=1e-9)


def test_labels_without_a_suspect_may_still_be_wrong():
    found = by_hand(1, {1: 10})
    assert (found.estimate, found.low) == (0, 0)
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 61))  # none of 61: (1 - p)^61 = 0.025


@pytest.mark.parametrize("num_classes", [3, 10])
@pytest.mark.parametrize("noise", [0.0, 0.05, 0.2, 0.4])
def test_planted_noise_is_within_the_interval(noise, num_classes):
    labels, neighbours, is_wrong = clusters(3000, num_classes, spread=0.2, noise=noise)
    found = judged(labels, neighbours)
    assert found.low <= is_wrong.mean() <= found.high
    assert found.estimate == pytest.approx(noise, abs=0.01 + 0.15 * noise)
    if noise:
        assert is_wrong[list(found.unsupported)].mean() > 0.97


@pytest.mark.parametrize("seed", range(4))
def test_classes_that_overlap_are_not_taken_for_wrong_labels(seed):
    labels, neighbours, _ = clusters(2000, 4, spread=0.8, seed=seed)
    found = judged(labels, neighbours)
    assert found.disagreement > 0.08
    assert found.low == 0
    assert found.estimate < 0.03


@pytest.mark.parametrize(("num_classes", "noise"), [(2, 0.1), (2, 0.2), (3, 0.2), (10, 0.4)])
def test_the_interval_holds_the_truth_as_often_as_it_says(num_classes, noise):
    """Of 30 seeds in 27 to 30; an interval of 95 % that misses 4 of 12 has a chance of 0.002."""
    covered = 0
    for seed in range(12):
        drawn = clusters(1000, num_classes, spread=0.2, noise=noise, seed=seed)
        found = judged(*drawn[:2])
        covered += found.low <= drawn[2].mean() <= found.high
    assert covered >= 9


def test_of_two_classes_only_neighbours_that_agree_wholly_count():
    labels, neighbours, _ = clusters(1000, 2, spread=0.2, noise=0.1)
    votes = labels[neighbours]
    expected = (votes == votes[:, :1]).all(axis=1).sum()
    assert judged(labels, neighbours).num_consensus == expected


def test_labels_of_one_class_are_all_right():
    found = judged(np.full(80, 3), neighbours_of(np.random.default_rng(0).random((80, 2))))
    assert (found.disagreement, found.estimate, found.unsupported) == (0, 0, ())
    assert not found.is_unrelated


def test_shuffled_labels_are_unrelated_and_noisy_ones_are_not():
    labels, neighbours, _ = clusters(1000, 5, spread=0.2, noise=0.5)
    found = judged(labels, neighbours)
    assert not found.is_unrelated
    shuffled = judged(np.random.default_rng(1).permutation(labels), neighbours)
    assert shuffled.is_unrelated
    assert shuffled.support == pytest.approx(shuffled.shuffled[0], abs=4 * shuffled.shuffled[1])


def test_the_support_of_shuffled_labels_is_that_of_pairs_drawn_at_random():
    labels = np.repeat([0, 1], [30, 70])
    found = judged(labels, neighbours_of(np.random.default_rng(0).random((100, 2))))
    assert found.shuffled[0] == pytest.approx((30 * 29 + 70 * 69) / (100 * 99))


def test_too_few_images_or_too_little_agreement_give_no_estimate():
    labels = np.arange(10) % 2
    assert judged(labels, np.zeros((10, 9), np.int64)) is None
    random = judged(
        np.random.default_rng(0).integers(0, 10, 300),
        neighbours_of(np.random.default_rng(1).random((300, 2))),
    )
    assert (random.estimate, random.low, random.high) == (None, None, None)
