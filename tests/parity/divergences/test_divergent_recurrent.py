"""Another activation inside a recurrent layer is named; torch's own layers compute the numbers."""

import numpy as np
import one_layer
import pytest
import torch

from parity.divergences import arithmetic

UNITS, FEATURES = 3, 4
X = np.random.default_rng(0).normal(size=(2, 5, FEATURES))


def weights(kind):
    """Keras's weights of a layer, and torch's output for them."""
    draw = np.random.default_rng(1)
    gates = {"lstm": 4, "gru": 3, "simple_rnn": 1}[kind]
    kernel = draw.normal(size=(FEATURES, gates * UNITS))
    recurrent = draw.normal(size=(UNITS, gates * UNITS))
    bias = draw.normal(size=(2, gates * UNITS) if kind == "gru" else gates * UNITS)
    module = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "simple_rnn": torch.nn.RNN}[kind]
    layer = module(FEATURES, UNITS, batch_first=True).double()
    # Keras has z, r, h where torch has r, z, n.
    order = [1, 0, 2] if kind == "gru" else list(range(gates))
    columns = np.concatenate([np.arange(UNITS) + UNITS * n for n in order])
    biases = bias if kind == "gru" else np.stack([bias, np.zeros_like(bias)])
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.from_numpy(kernel[:, columns].T.copy()))
        layer.weight_hh_l0.copy_(torch.from_numpy(recurrent[:, columns].T.copy()))
        layer.bias_ih_l0.copy_(torch.from_numpy(biases[0, columns]))
        layer.bias_hh_l0.copy_(torch.from_numpy(biases[1, columns]))
        output = layer(torch.from_numpy(X))[0].numpy()
    return {"cell/kernel": kernel, "cell/recurrent_kernel": recurrent, "cell/bias": bias}, output


def computed(kind, given, activation, inner):
    parts = tuple(given[f"cell/{name}"] for name in ("kernel", "recurrent_kernel", "bias"))
    steps = arithmetic.recurrent(
        kind,
        X,
        parts,
        arithmetic.ACTIVATIONS[activation],
        arithmetic.ACTIVATIONS[inner],
        reset_after=True,
    )
    return np.stack(list(steps), axis=1)


@pytest.mark.parametrize("kind", ["lstm", "gru", "simple_rnn"])
def test_the_formula_is_torchs_layer(kind):
    given, output = weights(kind)
    np.testing.assert_allclose(computed(kind, given, "tanh", "sigmoid"), output, atol=1e-14)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_sigmoid_for_a_hard_sigmoid_is_named(kind):
    given, output = weights(kind)
    config = {
        "activation": "tanh",
        "recurrent_activation": "hard_sigmoid",
        "return_sequences": True,
        "reset_after": True,
    }
    theirs = computed(kind, given, "tanh", "hard_sigmoid")
    found = one_layer.names(one_layer.at_layer(kind, config, X, theirs, output, given))
    assert found["A29"] == "activation tanh, inner activation sigmoid in the port"


def test_a_layer_with_other_weights_has_no_other_activation():
    given, output = weights("lstm")
    config = {"activation": "tanh", "recurrent_activation": "sigmoid", "return_sequences": True}
    found = one_layer.at_layer("lstm", config, X, output, output * 1.01, given)
    assert "A29" not in one_layer.names(found)


def begun(states):
    """Evidence of an LSTM behind another one, whose port begins with some states of that one."""
    draw = np.random.default_rng(3)
    layers = [torch.nn.LSTM(FEATURES, UNITS, batch_first=True).double() for _ in range(2)]
    arrays, nodes, made = {}, [], None
    for name, layer in zip(("encoder", "decoder"), layers, strict=True):
        x = torch.from_numpy(draw.normal(size=(2, 5, FEATURES)))
        with torch.no_grad():
            layer.bias_hh_l0.zero_()
            theirs, (h, c) = layer(x)
            if name == "decoder":
                ours = layer(x, states(*made))[0].numpy()
            made = h, c
        values = layer.weight_ih_l0.T, layer.weight_hh_l0.T, layer.bias_ih_l0
        for part, value in zip(("kernel", "recurrent_kernel", "bias"), values, strict=True):
            arrays[f"weights/{name}.cell/{part}"] = value.detach().numpy()
        arrays[f"forward/eval/{name}/input/0"] = x.numpy()
        arrays[f"forward/eval/{name}/output"] = theirs.numpy()
        config = {"activation": "tanh", "recurrent_activation": "sigmoid", "return_sequences": True}
        names = [f"{name}.cell/{part}" for part in ("kernel", "recurrent_kernel", "bias")]
        nodes.append(one_layer.node(name, "lstm", [None], config, names))
    calls = [one_layer.call(name, "lstm", [None]) for name in ("a", "b")]
    own = {"forward/eval/decoder/own": ours, "forward/eval/decoder/input/0": x.numpy()}
    keras, port = one_layer.facts(nodes, calls)
    item = "decoder, with Keras's input (eval)"
    found = one_layer.evidence((keras, arrays), (port, own), item, theirs.numpy(), ours)
    return one_layer.names(found)


def test_the_last_states_of_another_layer_are_named():
    told = "the port begins with the last states of encoder, Keras with zeros"
    assert begun(lambda h, c: (h, c))["R1"] == told
    assert "R1" not in begun(lambda h, c: (h, 0.5 * c))
