"""Layers of several inputs merge, and share gradients, as Keras's do."""

import numpy as np
import pytest
import torch
from covering import one_test
from layer_pairs import BAR, Pair, as_they_are, assert_same, difference, keras_layer, signed

from torch_impl import layers

NAMES = ["Add", "Multiply", "Average", "Maximum", "Minimum"]


def back(tensor):
    return tensor.detach().numpy()


def merging(name, shapes, **options):
    ours = getattr(layers, name)(**options)
    return Pair(keras_layer(name, **options), ours, shapes, as_they_are, back)


@one_test
@pytest.mark.parametrize("name", NAMES)
def test_three_inputs_are_merged_as_in_keras(name):
    assert_same(merging(name, [(4, 3), (1, 3), (4, 3)]), num_steps=0)


@one_test
@pytest.mark.parametrize("name", [*NAMES, "Subtract"])
def test_inputs_of_fewer_axes_are_filled_up_as_in_keras(name):
    assert_same(merging(name, [(4, 3), (3,)]), num_steps=0)


@one_test
@pytest.mark.parametrize("axis", [-1, 1, 2])
def test_inputs_are_put_beside_each_other_as_in_keras(axis):
    shapes = [(4, 3, 2), tuple(5 if n == axis % 4 - 1 else s for n, s in enumerate((4, 3, 2)))]
    assert_same(merging("Concatenate", shapes, axis=axis), num_steps=0)


DOTS = {
    "vectors": ([(4,), (4,)], {"axes": 1}),
    "matrices": ([(5, 4), (3, 4)], {"axes": -1}),
    "other_axes": ([(5, 4), (4, 3)], {"axes": (2, 1)}),
    "more_axes": ([(2, 5, 4), (4, 3)], {"axes": (3, 1)}),
    "normalized": ([(5, 4), (3, 4)], {"axes": 2, "normalize": True}),
}


@one_test
@pytest.mark.parametrize(("shapes", "options"), DOTS.values(), ids=DOTS)
def test_a_product_is_keras_product(shapes, options):
    assert_same(merging("Dot", shapes, **options), num_steps=0)


@one_test
@pytest.mark.parametrize("name", ["Maximum", "Minimum"])
def test_of_equal_inputs_the_first_has_the_gradient_as_in_keras(name):
    pair = merging(name, [(3,), (3,)])
    x, y = np.round(signed((4, 3))), np.round(signed((4, 3), 1))
    y[0] = x[0]
    for both in pair.run([x, y], True).values():
        assert difference(*both) <= BAR
    # Torch gives each half of it.
    tensor = torch.tensor(x[:1]).requires_grad_()
    getattr(torch, name.lower())(tensor, torch.tensor(y[:1])).sum().backward()
    assert (tensor.grad == 0.5).all()


@one_test
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Subtract()([torch.zeros(1)] * 3), "3 inputs: expected 2"),
        (lambda: layers.Dot((0, 1)), r"axes=\(0, 1\): expected two axes other than 0"),
    ],
    ids=["subtract", "dot"],
)
def test_another_argument_is_an_error_that_shows_it(make, message):
    with pytest.raises(ValueError, match=message):
        make()
