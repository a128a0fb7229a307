"""A layer of an equation is Keras's: every form of the equation, every bias, random lengths."""

import keras
import pytest
from covering import one_test
from layer_pairs import Pair, as_they_are, assert_same, keras_layer

from torch_impl.layers import EinsumDense

# Equation, input without batch, output shape, axes of the bias.
CASES = {
    "dense": ("ab,bc->ac", (5,), 3, "c"),
    "no_bias": ("ab,bc->ac", (5,), 3, None),
    "sequence": ("abc,cd->abd", (4, 5), (None, 3), "d"),
    "steps": ("abc,cd->abd", (4, 5), (4, 3), "b"),
    "steps_of_the_length_of_the_channels": ("abc,cd->abd", (3, 5), (3, 3), "b"),
    "both_axes": ("abc,cd->abd", (4, 5), (4, 3), "bd"),
    "heads": ("abc,cde->abde", (4, 5), (None, 2, 3), "de"),
    "heads_of_one": ("abc,cde->abde", (3, 5), (None, 3, 1), "de"),
    "merge": ("abde,dec->abc", (4, 2, 3), (None, 5), "c"),
    "over_steps": ("abc,bd->adc", (4, 5), (3, 5), "d"),
    "steps_with_weights": ("abc,bcd->abd", (4, 5), (4, 3), "d"),
    "channels_first": ("abc,bd->adc", (4, 5), (3, None), "d"),
    "outer": ("ab,c->abc", (5,), (5, 3), "c"),
    "left": ("...x,xy->...y", (4, 5), 3, "y"),
    "left_deep": ("...x,xy->...y", (2, 4, 5), 3, "y"),
    "left_heads": ("...x,xyz->...yz", (4, 5), (2, 3), "yz"),
    "left_one_of_two": ("...x,xyz->...yz", (4, 5), (2, 3), "y"),
    "right": ("ab...,bc->ac...", (5, 4), 3, "c"),
    "right_deep": ("ab...,bc->ac...", (5, 4, 2), 3, "c"),
}


@one_test
@pytest.mark.parametrize("name", CASES)
def test_einsum_dense_is_keras_one(name):
    equation, shape, made, bias_axes = CASES[name]
    theirs = keras_layer("EinsumDense", equation, made, bias_axes=bias_axes)
    ours = EinsumDense(equation, shape, made, bias_axes)
    pair = Pair(theirs, ours, shape, as_they_are, lambda t: t.detach().numpy())
    assert list(ours.weight.shape) == list(theirs.kernel.shape)
    assert_same(pair)


@one_test
@pytest.mark.parametrize("name", CASES)
def test_axes_of_the_kernel_are_those_that_keras_gives_its_initialiser(name):
    equation, shape, made, bias_axes = CASES[name]
    theirs = keras_layer("EinsumDense", equation, made, bias_axes=bias_axes)
    asked = []
    theirs._update_kernel_initializer = lambda *axes: (
        asked.append(axes) or keras.initializers.Zeros()
    )
    theirs.build((None, *shape))
    ours = EinsumDense(equation, shape, made, bias_axes)
    assert asked == [(ours.input_axes, ours.output_axes)]


@one_test
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("ab,bc", (5,), 3), "expected X,Y->Z"),
        (("ab,bc->ac", (5, 4), 3), "expected 1 axes"),
        (("ab,bc->ac", (5,), (3, 4)), "output_shape"),
        (("ab,bc->ac", (None,), 3), r"length of \['b'\] is not given"),
        (("ab,bc->ac", (5,), 3, "z"), "bias_axes='z': expected letters of the output 'ac'"),
    ],
    ids=["form", "axes", "output", "length", "bias"],
)
def test_an_equation_that_does_not_fit_is_an_error(arguments, text):
    with pytest.raises(ValueError, match=text):
        EinsumDense(*arguments)
