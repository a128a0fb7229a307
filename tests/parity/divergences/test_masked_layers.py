"""The formulas of layers with masks, against numbers by hand."""

import numpy as np
import one_layer

from parity.divergences.recurrent_steps import moments, output_of


def trace(weights):
    return one_layer.Arrays({}, {f"weights/here.{name}": value for name, value in weights.items()})


def pooled(kind, mask, **config):
    x = np.array([[[1.0], [2], [6]]])
    return output_of(None, one_layer.node("here", kind, [-1], config), [x], [mask]).tolist()


def test_pools_over_the_steps_that_count():
    some = np.array([[True, True, False]])
    assert pooled("global_average_pool", some) == [[1.5]]
    assert pooled("global_average_pool", None) == [[3.0]]
    assert pooled("global_average_pool", some, keepdims=True) == [[[1.5]]]
    assert pooled("global_max_pool", some) == [[2.0]]


def test_statistics_are_those_of_the_steps_that_count():
    x = np.array([[[1.0], [3], [100]]])
    mean, variance = moments(x, np.array([[True, True, False]]))
    assert (mean.tolist(), variance.tolist()) == ([2.0], [1.0])
    node = one_layer.node("here", "batch_norm", [-1], {"epsilon": 3.0}, ["here.gamma", "here.beta"])
    weights = trace({"gamma": np.array([2.0]), "beta": np.array([5.0])})
    made = output_of(weights, node, [x], [np.array([[True, True, False]])])
    assert made[0, :2, 0].tolist() == [4.0, 6.0]


def test_attention_leaves_masked_values_out():
    x = np.array([[[1.0], [2], [50]]])
    node = one_layer.node("here", "unknown:Attention", [0, 0])
    mask = np.array([[True, True, False]])
    found = output_of(None, node, [x, x], [mask, mask])
    share = np.exp(2) / (np.exp(1) + np.exp(2))  # scores 1 * 1 and 1 * 2
    np.testing.assert_allclose(found[0, 0, 0], 1 + share)
    assert found[0, 2, 0] == 0
