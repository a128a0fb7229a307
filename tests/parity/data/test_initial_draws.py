"""How often a weight is drawn, and what is no draw."""

import pytest

from parity.data.draws import CONSTANT, RANDOM, enough, num_draws


@pytest.mark.parametrize(
    ("size", "num"), [(1, 64), (16, 63), (96, 11), (1_000, 1), (5, 64), (0, 1)]
)
def test_a_small_weight_is_drawn_until_there_are_a_thousand_values(size, num):
    assert num_draws(size) == num


def test_an_initialiser_without_a_formula_needs_more():
    assert enough("GlorotUniform") == 1_000
    assert enough("nets.Mine") == enough(None) == 4_000


def test_the_names_are_those_of_keras():
    keras = pytest.importorskip("keras")
    for name in RANDOM | CONSTANT:
        assert getattr(keras.initializers, name).__name__ == name
