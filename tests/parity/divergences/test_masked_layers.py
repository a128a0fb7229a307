"""The formulas of layers with masks, against torch's packed sequences and numbers by hand."""

import numpy as np
import one_layer
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from parity.divergences.masked_layers import given_mask, made_behind, moments, output_of

MASK = np.array([[True, True, True, True], [True, True, False, False]])
X = np.random.default_rng(2).normal(size=(2, 4, 3))
UNITS = 2


def trace(weights):
    return one_layer.Arrays({}, {f"weights/here.{name}": value for name, value in weights.items()})


def recurrent(kind, module, **config):
    """Output of Keras's layer by the formula, and of torch's module for packed sequences."""
    torch.manual_seed(3)
    layer = module(3, UNITS, batch_first=True).double()
    order = [1, 0, 2] if kind == "gru" else list(range({"lstm": 4, "simple_rnn": 1}[kind]))
    columns = np.concatenate([np.arange(UNITS) + UNITS * n for n in order])
    given = {name: value.detach().numpy() for name, value in layer.named_parameters()}
    biases = np.stack([given["bias_ih_l0"][columns], given["bias_hh_l0"][columns]])
    weights = {
        "cell/kernel": given["weight_ih_l0"][columns].T,
        "cell/recurrent_kernel": given["weight_hh_l0"][columns].T,
        "cell/bias": biases if kind == "gru" else biases.sum(0),
    }
    names = [f"here.{name}" for name in weights]
    config = {"activation": "tanh", "recurrent_activation": "sigmoid", **config}
    node = one_layer.node("here", kind, [-1], config, names)
    found = output_of(trace(weights), node, [X], [MASK])
    packed = pack_padded_sequence(
        torch.from_numpy(X), torch.tensor(MASK.sum(1)), batch_first=True, enforce_sorted=False
    )
    outputs, states = layer(packed)
    states = states[0] if isinstance(states, tuple) else states
    padded = pad_packed_sequence(outputs, batch_first=True)[0]
    return found, padded.detach().numpy(), states[-1].detach().numpy()


KINDS = [("lstm", nn.LSTM), ("gru", nn.GRU), ("simple_rnn", nn.RNN)]


@pytest.mark.parametrize(("kind", "module"), KINDS, ids=[kind for kind, _ in KINDS])
def test_a_masked_walk_ends_as_a_packed_one(kind, module):
    found, _, last = recurrent(kind, module)
    np.testing.assert_allclose(found, last, atol=1e-14)


@pytest.mark.parametrize(("kind", "module"), KINDS, ids=[kind for kind, _ in KINDS])
def test_masked_steps_repeat_the_last_output(kind, module):
    found, padded, last = recurrent(kind, module, return_sequences=True)
    np.testing.assert_allclose(found[MASK], padded[MASK], atol=1e-14)
    np.testing.assert_allclose(found[1, 2:], np.stack([last[1]] * 2), atol=1e-14)


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
