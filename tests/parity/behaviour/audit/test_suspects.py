"""Suspected labels by hand, and on points whose wrong labels are known."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from parity.behaviour.audit.suspects import pair_noise, probabilities, suspects


def points(count, num_classes, *, spread=0.2, seed=0):
    """Labels, and the distances and indices of the ten nearest others."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, num_classes, count)
    centres = np.random.default_rng(5).normal(0, 1, (num_classes, 6))
    x = centres[truth] + generator.normal(0, spread, (count, 6))
    distance, index = cKDTree(x).query(x, 11)
    return truth, index[:, 1:], distance[:, 1:]


def test_probabilities_are_weighted_votes():
    labels = np.array([0, 1, 1])
    found = probabilities(labels, np.array([[1, 0]] * 3), np.array([[0.0, 1.0]] * 3))
    weight = 1 / (1 + np.exp(-1.5))  # of the nearer one, which has label 1
    np.testing.assert_allclose(found[0], [(1 - weight + 0.01) / 1.02, (weight + 0.01) / 1.02])


def test_of_a_pair_as_many_are_suspected_as_the_joint_says():
    """Thresholds are 0.7 and 0.8: of label 0 the last image belongs to 1, and none of label 1."""
    probability = np.array([[0.9, 0.1], [1.0, 0.0], [0.2, 0.8], [0.3, 0.7], [0.1, 0.9]])
    labels = np.array([0, 0, 0, 1, 1])
    assert suspects(labels, probability).tolist() == [2]


@pytest.mark.parametrize(("share", "recall", "precision"), [(0.05, 0.9, 0.9), (0.2, 0.9, 0.9)])
def test_planted_wrong_labels_are_suspected(share, recall, precision):
    truth, index, distance = points(2000, 5)
    generator = np.random.default_rng(1)
    is_wrong = generator.random(2000) < share
    labels = np.where(is_wrong, (truth + generator.integers(1, 5, 2000)) % 5, truth)
    found = suspects(labels, probabilities(labels, index, distance))
    assert is_wrong[found].sum() / is_wrong.sum() >= recall
    assert is_wrong[found].mean() >= precision


def test_right_labels_are_not_suspected():
    truth, index, distance = points(1000, 5, spread=0.1)
    assert len(suspects(truth, probabilities(truth, index, distance))) == 0


def test_wrong_labels_of_one_class_are_told_with_their_share():
    truth, index, _ = points(3000, 5)
    is_wrong = (truth == 4) & (np.random.default_rng(2).random(3000) < 0.2)
    (pair,) = pair_noise(np.where(is_wrong, 1, truth), index)
    assert (pair.true, pair.label) == (4, 1)
    assert pair.low <= is_wrong[truth == 4].mean() <= pair.high


@pytest.mark.parametrize("spread", [0.2, 0.8])
def test_classes_that_overlap_have_no_pair(spread):
    truth, index, _ = points(3000, 5, spread=spread)
    assert pair_noise(truth, index) == ()
