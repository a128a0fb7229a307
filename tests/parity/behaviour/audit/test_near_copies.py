"""Near copies: the threshold by theory, and planted copies of MNIST.

With 100 and with 1,000 training images, at least 98 of 100 copies are found of each kind.
"""

from functools import cache

import numpy as np
import pytest
from scipy import stats
from scipy.fft import idctn

from parity.behaviour.audit import copies
from parity.behaviour.audit.copies import MAX_RATIO
from parity.data.load import load_data

SEEDS = range(3)


def noisy(images, sigma, seed=0):
    noise = np.random.default_rng(seed).normal(0, sigma, images.shape)
    return np.clip(images + noise, 0, 1).astype(np.float32)


def coarse(images):
    """As stored with 16 levels of grey, in the place of 256."""
    return np.round(images * 15).astype(np.float32) / np.float32(15)


WAVES = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1), (2, 2))  # down, across

PLANTED = {
    "noise": lambda x: noisy(x, 0.02),
    "brightness": lambda x: x * np.float32(0.9),
    "contrast": lambda x: x * np.float32(0.7) + np.float32(0.2),
    "coarse": coarse,
    "mirror": lambda x: np.ascontiguousarray(x[:, :, ::-1]),
    "mirror and more": lambda x: noisy(x[:, :, ::-1] * np.float32(0.9), 0.02),
}


def nearness(train, val, max_within=500):
    return copies.nearness(train, val, within=np.arange(min(max_within, len(train))))


def of_dimension(dimension, count, seed):
    """Smooth images, too small for shifts, that a few angles determine: a torus has no edge."""
    angles = np.random.default_rng(seed).uniform(0, 2 * np.pi, (count, dimension))
    points = np.concatenate([np.cos(angles), np.sin(angles)], axis=1)
    waves = np.zeros((count, 7, 7))
    rows, columns = zip(*WAVES[: 2 * dimension], strict=True)
    waves[:, rows, columns] = points
    return (0.5 + 0.2 * idctn(waves, axes=(1, 2), norm="ortho"))[..., None].astype(np.float32)


@pytest.mark.parametrize("dimension", [2, 3, 4])
def test_the_dimension_is_that_of_the_data(dimension):
    train, val = of_dimension(dimension, 1500, 1), of_dimension(dimension, 10, 2)
    # The tenth neighbour is far enough for the torus to bend: of 4 dimensions 3.5 are left.
    assert 0.85 * dimension < nearness(train, val, max_within=1500).dimension < 1.05 * dimension


@pytest.mark.parametrize("num_val", [1, 100])
def test_a_hundredth_pair_is_expected_below_the_threshold(num_val):
    found = nearness(of_dimension(3, 500, 1), of_dimension(3, num_val, 2), max_within=500)
    chance = stats.beta(1, 9).cdf(found.threshold**found.dimension)  # the least of nine uniforms
    assert found.threshold < MAX_RATIO
    # Each image is looked at as it is, and mirrored.
    assert chance * 2 * num_val == pytest.approx(0.01, rel=1e-3)


@cache
def of_honest_digits(size, seed):
    data = load_data("embedded", train=size, val=300, seed=seed)
    return nearness(data.x_train, data.x_val)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("size", [60, 500])
def test_honest_digits_are_no_near_copies(size, seed):
    found = of_honest_digits(size, seed)
    assert (found.ratio >= found.threshold).all()
    assert found.ratio.min() > 1.2 * found.threshold


def test_not_even_ones_are_near_copies_of_each_other():
    data = load_data("embedded", train=5000, val=1000)
    ones = data.x_train[data.y_train == 1], data.x_val[data.y_val == 1]
    found = nearness(*ones, max_within=500)
    assert (found.ratio >= found.threshold).all()
    assert (found.within >= found.threshold).all()


@cache
def of_planted(size):
    """A hundred copies of each kind, all compared with the training images at once."""
    data = load_data("embedded", train=size, val=10, seed=1)
    source = np.random.default_rng(2).permutation(size)[:100]
    copies = [change(data.x_train[source]) for change in PLANTED.values()]
    found = nearness(data.x_train, np.concatenate(copies))
    is_found = (found.ratio < found.threshold) & (found.index == np.tile(source, len(PLANTED)))
    return dict(zip(PLANTED, is_found.reshape(-1, 100).mean(axis=1), strict=True))


@pytest.mark.parametrize("kind", PLANTED)
@pytest.mark.parametrize("size", [100, 1000])
def test_planted_near_copies_are_found(size, kind):
    assert of_planted(size)[kind] >= 0.98


def test_near_copies_of_every_image_within_training_do_not_hide_those_of_validation():
    """Images that were augmented before the split."""
    data = load_data("embedded", train=200, val=10)
    copies = [noisy(data.x_train, 0.02, seed) for seed in range(4)]
    found = nearness(np.concatenate(copies[:3]), copies[3], max_within=500)
    assert (found.ratio < found.threshold).mean() >= 0.85
    assert (found.within < found.threshold).mean() >= 0.85


def test_colours_count():
    train = np.random.default_rng(0).random((200, 10, 10, 3), dtype=np.float32)
    val = np.concatenate([train[:20, :, :, ::-1], noisy(train[:20], 0.02)])
    found = nearness(train, val, max_within=200)
    assert ((found.ratio < found.threshold) == (np.arange(40) >= 20)).all()


@pytest.mark.parametrize(
    ("count", "shape"), [(49, (28, 28, 1)), (100, (3, 5, 1)), (100, (1, 1, 3))], ids=str
)
def test_too_few_images_or_pixels_tell_nothing(count, shape):
    train = np.random.default_rng(0).random((count, *shape), dtype=np.float32)
    assert nearness(train, train[:5], max_within=500) is None


def test_images_of_one_colour_are_no_near_copies():
    data = load_data("embedded", train=100, val=10)
    grey = np.linspace(0, 1, 10, dtype=np.float32)[:, None, None, None]
    blank = np.broadcast_to(grey, (10, 28, 28, 1))
    found = nearness(np.concatenate([data.x_train, blank[:3]]), blank, max_within=200)
    assert (found.ratio >= found.threshold).all()
    assert nearness(np.repeat(blank, 10, axis=0), blank, max_within=200) is None
