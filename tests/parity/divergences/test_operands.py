"""The operands of formulas: functions along axes by hand, and the tensors before a place."""

import numpy as np
import one_layer
import pytest

from parity.divergences.relations import OUTER, Unit, tensors_before

X = np.random.default_rng(0).normal(size=(3, 5, 4))


@pytest.mark.parametrize("axes", [(0,), (1, 2), (0, 1, 2)])
def test_a_normalisation_has_the_mean_zero_and_the_variance_one_over_its_axes(axes):
    made = Unit("x", "normalisation (epsilon 0)", axes).value(X)
    np.testing.assert_allclose(made.mean(axes), 0, atol=1e-12)
    np.testing.assert_allclose(made.var(axes), 1, atol=1e-12)


def test_a_softmax_sums_to_one_over_its_axis_alone():
    made = Unit("x", "softmax", (1,)).value(X)
    np.testing.assert_allclose(made.sum(1), 1)
    assert np.abs(made.sum(2) - 1).max() > 0.1


@pytest.mark.parametrize("name", list(OUTER))
def test_an_inverse_takes_back_its_function_where_it_is_known(name):
    function, inverse = OUTER[name]
    x = np.linspace(-0.9, 0.9, 50)
    back = inverse(function(x))
    known = np.isfinite(back)
    assert known.sum() >= 25
    np.testing.assert_allclose(back[known], x[known], atol=1e-12)


def before(kind, x, made):
    """The tensors before a layer "next" that comes behind a layer of this input and output."""
    nodes = [one_layer.node("here", kind, [-1]), one_layer.node("next", "dense", [0])]
    facts = one_layer.facts(nodes, [one_layer.call("there", kind, [-1])])
    arrays = {
        "forward/eval/here/input/0": x,
        "forward/eval/here/output": made,
        "forward/eval/next/input/0": 3 * X,
    }
    own = {"forward/eval/next/input/0": 4 * X}
    found = one_layer.evidence(
        (facts[0], arrays), (facts[1], own), "input of next (eval)", 3 * X, 4 * X
    )
    return tensors_before(found, X.shape)


def test_tensors_before_a_place_are_outputs_inputs_and_their_sum():
    tensors = before("unknown", X, X + 1)
    np.testing.assert_array_equal(tensors["here"], X + 1)
    np.testing.assert_array_equal(tensors["what here gets"], X)
    np.testing.assert_allclose(tensors["here + what here gets"], 2 * X + 1)
