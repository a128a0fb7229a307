"""The formulas of layers with masks, against numbers by hand."""

import numpy as np
import one_layer

from parity.divergences.recurrent_steps import given_mask, made_behind, moments, output_of

MASK = np.array([[True, True, True, True], [True, True, False, False]])
X = np.random.default_rng(2).normal(size=(2, 4, 3))
UNITS = 2


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


def test_what_is_not_known_has_no_formula():
    assert output_of(None, one_layer.node("here", "conv", [-1]), [X], [MASK]) is None
    node = one_layer.node("here", "lstm", [-1], {"activation": "tanh"})
    assert output_of(trace({}), node, [X], [MASK]) is None
    assert given_mask(one_layer.Arrays({}, {}), "eval", "here") is None


def test_a_mask_may_be_missing_in_two_layers():
    """Two simple recurrent layers, the second one with the mask of the first or without any."""
    draw = np.random.default_rng(8)
    arrays, nodes = {}, []
    for name, size in (("one", 3), ("two", UNITS)):
        weights = [f"{name}.kernel", f"{name}.recurrent_kernel"]
        arrays |= {f"weights/{weights[0]}": draw.normal(size=(size, UNITS))}
        arrays |= {f"weights/{weights[1]}": draw.normal(size=(UNITS, UNITS))}
        arrays |= {f"counted/eval/{name}/given/0": MASK}
        config = {"activation": "tanh", "return_sequences": name == "one"}
        nodes.append(one_layer.node(name, "simple_rnn", [-1], config, weights))
    keras = one_layer.Arrays({}, arrays)

    def by_hand(x, name, mask):
        state, states = np.zeros((2, UNITS)), []
        for step in range(x.shape[1]):
            kernel, again = (arrays[f"weights/{name}.{w}kernel"] for w in ("", "recurrent_"))
            made = np.tanh(x[:, step] @ kernel + state @ again)
            state = made if mask is None else np.where(mask[:, step, None], made, state)
            states.append(state)
        return np.stack(states, 1)

    inner = by_hand(X, "one", None)
    for keeps, mask in ((True, MASK), (False, None)):
        found = made_behind(keras, "eval", nodes[0], nodes[1:], [X], [None], keeps=keeps)
        np.testing.assert_allclose(found, by_hand(inner, "two", mask)[:, -1])
