"""The number of copies from scores whose truth is known, and p values by hand."""

import math

import numpy as np
import pytest

from parity.behaviour.audit.leak_size import Scores, leak_size, more_often


def scores(values, is_moved=False):
    values = np.asarray(values, float)
    return Scores(values, np.full(len(values), is_moved))


def planted(num_caught, count=100):
    """Moved copies, of which so many have the score 0; all others are recognised too."""
    values = np.concatenate([np.zeros(count), np.arange(count) >= num_caught])
    return Scores(values, np.arange(2 * count) >= count)


def drawn(num_copies, generator, total=400, power=1.0):
    """Copies have the score 0 with this probability, otherwise that of honest images."""
    values = generator.uniform(0.3, 1, total)
    values[:num_copies][generator.random(num_copies) < power] = 0
    return Scores(values, np.ones(total, bool)), generator.uniform(0.3, 1, 500)


def test_p_of_one_image_below_all_honest_ones_is_that_of_its_rank():
    """Of 51 images in random order, the new one comes first with the probability 1 / 51."""
    honest = np.linspace(0.5, 1, 50)
    assert leak_size(scores([0.1]), honest, [planted(100)]).p == pytest.approx(1 / 51)
    assert leak_size(scores([0.9]), honest, [planted(100)]).p == pytest.approx(1)


def test_p_of_two_among_two_is_the_number_of_orders():
    honest = np.linspace(0.5, 1, 50)
    found = leak_size(scores([0.1, 0.2]), honest, [planted(100)])
    assert found.p == pytest.approx(1 / math.comb(52, 2))


@pytest.mark.parametrize("num_copies", [20, 80, 200, 400])
@pytest.mark.parametrize("power", [1.0, 0.7])
def test_the_interval_holds_the_true_number(num_copies, power):
    generator = np.random.default_rng(num_copies)
    found = leak_size(*drawn(num_copies, generator, power=power), [planted(round(100 * power))])
    assert found.low <= num_copies <= found.high
    assert found.count == pytest.approx(num_copies, rel=0.35)
    # 14 images of 400 below the cut of a hundredth may be chance.
    assert found.p < (1e-4 if num_copies >= 80 else 0.01)


def test_honest_images_are_no_leak_and_p_is_uniform():
    generator = np.random.default_rng(0)
    found = [leak_size(*drawn(0, generator), [planted(90)]) for _ in range(200)]
    assert all(one.low == 0 for one in found if one.p > 0.025)
    assert min(one.p for one in found) > 1e-4
    assert np.mean([one.p < 0.1 for one in found]) < 0.16


def test_sure_copies_are_the_least_number():
    found = leak_size(scores([0.9, 0.9]), np.linspace(0.5, 1, 50), [planted(100)], num_sure=1)
    assert (found.low, found.count) == (1, 1)


def test_the_way_of_copying_that_is_recognised_least_gives_the_upper_limit():
    generator = np.random.default_rng(1)
    images, honest = drawn(100, generator)
    sharp, blunt = planted(100), planted(50)
    both = leak_size(images, honest, [sharp, blunt])
    assert both.high > leak_size(images, honest, [sharp]).high
    assert both.power_moved == pytest.approx(0.75)


def test_more_often_is_the_rule_of_succession():
    """None of 99 honest images has it: the next one has it with the probability 1 / 101."""
    assert more_often(np.array([True]), np.zeros(99, bool)) == pytest.approx(1 / 101)
