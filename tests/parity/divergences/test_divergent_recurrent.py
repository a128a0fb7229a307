"""What a recurrent layer has set otherwise is named; torch's own layers compute the numbers."""

from dataclasses import replace

import numpy as np
import one_layer
import pytest
import torch

from parity.divergences.recurrent_steps import cell_of, walked
from torch_impl import layers
from torch_impl.weights import read

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
    names = [f"here.{name}" for name in given]
    trace = one_layer.Arrays({}, {f"weights/here.{name}": v for name, v in given.items()})
    config = {"activation": activation, "recurrent_activation": inner}
    return walked(cell_of(trace, names, config, kind), X)[0]


@pytest.mark.parametrize("kind", ["lstm", "gru", "simple_rnn"])
def test_the_walk_is_torchs_layer(kind):
    given, output = weights(kind)
    np.testing.assert_allclose(computed(kind, given, "tanh", "sigmoid"), output, atol=1e-14)


TORCHS, KERAS_2 = {}, {"activation": "tanh", "recurrent_activation": "hard_sigmoid (of Keras 2)"}


@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize(("own", "inner"), [(TORCHS, "sigmoid"), (KERAS_2, "hard_sigmoid (of")])
def test_another_activation_of_the_gates_is_named_as_the_module_says(kind, own, inner):
    given, _ = weights(kind)
    config = {"activation": "tanh", "recurrent_activation": "hard_sigmoid"}
    config |= {"return_sequences": True, "reset_after": True}
    theirs = computed(kind, given, "tanh", "hard_sigmoid")
    ours = computed(kind, given, "tanh", own.get("recurrent_activation", "sigmoid"))
    found = one_layer.names(one_layer.at_layer(kind, config, X, theirs, ours, given, own))
    assert found["A29"].startswith(f"activation tanh, inner activation {inner}")


def test_a_layer_with_other_weights_has_no_other_activation():
    given, output = weights("lstm")
    config = {"activation": "tanh", "recurrent_activation": "sigmoid", "return_sequences": True}
    found = one_layer.at_layer("lstm", config, X, output, output * 1.01, given)
    assert "A29" not in one_layer.names(found)


def both(*, is_whole, order=(0, 1, 2, 3), x=X, hands=()):
    """Returns h and c of torch's LSTM, of all steps or the last one.

    Args:
        is_whole: whether all steps are returned.
        order: of Keras's gates in the place of its own ones.
        x: (N, T, C).
        hands: the first states, (N, units) each.
    """
    given, _ = weights("lstm")
    layer = torch.nn.LSTM(FEATURES, UNITS, batch_first=True).double()
    columns = np.concatenate([np.arange(UNITS) + UNITS * n for n in order])
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0")
    with torch.no_grad():
        layer.bias_hh_l0.zero_()
        for name, value in zip(names, given.values(), strict=True):
            getattr(layer, name).copy_(torch.from_numpy(value[..., columns].T.copy()))
        first = [torch.from_numpy(state)[None] for state in hands]
        output, (h, c) = layer(torch.from_numpy(x.copy()), tuple(first) or None)
    return (output.numpy(), None) if is_whole else (h[0].numpy(), c[0].numpy())


STATES = [np.random.default_rng(n).normal(size=(2, UNITS)) for n in (5, 6)]
BACK = X[:, ::-1]
# (what is Keras's, what is the port's, ID, words)
OTHERWISE = [
    ({"is_whole": False}, both(is_whole=False)[1], "R2", "c in the place of h"),
    ({"is_whole": False}, both(is_whole=False, x=BACK)[0], "R3", "from its end, Keras from its"),
    ({"is_whole": False}, both(is_whole=True)[0][:, 0], "R3", "the output of the first step"),
    ({"is_whole": True}, both(is_whole=True)[0][:, ::-1], "R3", "order of the other direction"),
    ({"is_whole": True}, both(is_whole=True, order=(0, 1, 3, 2))[0], "A14c", "gates 0, 1, 3, 2"),
    ({"hands": STATES}, both(is_whole=False)[0], "R1", "begins with zeros"),
    ({"hands": STATES}, both(is_whole=False, hands=STATES[::-1])[0], "R1", "c and h exchanged"),
    ({"hands": STATES}, both(is_whole=False, hands=STATES[:1] * 2)[0], "R1", "h in the place of c"),
]


@pytest.mark.parametrize(("how", "ours", "name", "words"), OTHERWISE)
def test_another_state_direction_or_order_of_gates_is_named(how, ours, name, words):
    how = {"is_whole": False, **how}
    given, _ = weights("lstm")
    config = {"activation": "tanh", "recurrent_activation": "sigmoid"}
    config["return_sequences"] = how["is_whole"]
    found = one_layer.at_layer("lstm", config, X, both(**how)[0], ours, given)
    for number, state in enumerate(how.get("hands", ()), 1):
        found.keras[f"forward/eval/here/input/{number}"] = state
    assert words in one_layer.names(found)[name]


def sides(turn=True, x=BACK):
    """Both directions of an LSTM with the same weights."""
    back = both(is_whole=True, x=x)[0]
    return both(is_whole=True)[0], back[:, ::-1] if turn else back


@pytest.mark.parametrize(
    ("ours", "name", "words"),
    [
        (sum(sides()), "R4", "concat in Keras, sum in the port"),
        (np.concatenate(sides()[::-1], -1), "R4", "the other way round"),
        (np.concatenate(sides(turn=False), -1), "R3", "in its own order"),
        (np.concatenate(sides(turn=False, x=X), -1), "R3", "in the same direction twice"),
    ],
)
def test_another_merge_of_both_directions_is_named(ours, name, words):
    given, _ = weights("lstm")
    config = {"activation": "tanh", "recurrent_activation": "sigmoid", "return_sequences": True}
    config = {"merge_mode": "concat", "layer": {"class_name": "LSTM", "config": config}}
    of_both = {f"{side}/{key}": v for side in ("forward", "backward") for key, v in given.items()}
    theirs = np.concatenate(sides(), -1)
    found = one_layer.at_layer("bidirectional", config, X, theirs, ours, of_both)
    assert words in one_layer.names(found)[name]


def test_other_windows_of_images_are_named():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 2, 5, 5, dtype=torch.float64)
    made = [layers.ConvLSTM2D(2, 3, 3, padding=padding).double() for padding in ("valid", "same")]
    made[1].load_state_dict(made[0].state_dict())
    theirs, ours = (layer(x).detach().movedim(1, -1).numpy() for layer in made)
    config = {"activation": "tanh", "recurrent_activation": "sigmoid", "padding": "valid"}
    given = x.movedim(2, -1).numpy()
    cut = ours[:, :3, :3]
    found = one_layer.at_layer("conv_lstm", config, given, theirs, cut, read(made[0]))
    assert one_layer.names(found)["A18"] == "padding same in the port, and cut"


def dropouts(item, keras, torchs):
    """What is named of a dropout inside of a layer whose gates have masks of their own."""
    names = [f"memory.dropout.{gate}" for gate in "if"]
    nodes = [one_layer.node(name, "dropout", [-1]) for name in names]
    calls = [{**one_layer.call(name, "dropout", [-1]), "where": "a.py:1"} for name in names]
    nodes.append(one_layer.node("memory", "lstm", [0]))
    sides = ((facts, {}) for facts in one_layer.facts(nodes, calls[:1]))
    found = one_layer.evidence(*sides, item, X, X + 1)
    found.item = replace(found.item, keras=keras, torch=torchs)
    return one_layer.names(found)


@pytest.mark.parametrize(
    ("given", "name", "words"),
    [
        (("memory.dropout.i.rate", 0.4, 0.0), "R6", "does not drop the inputs of memory"),
        (("memory.dropout.i", "dropout", "absent"), "R6", "does not drop the inputs of memory"),
        (("memory.dropout.f", "dropout", "absent"), "R5", "a mask for each gate, the port fewer"),
        (("dropout()#2", "absent", "dropout at a.py:1"), "R5", "the line a.py:1 draws more masks"),
        (("x drops", "the same in all steps", "others"), "R5", "the same in all steps in Keras"),
    ],
)
def test_a_dropout_inside_of_a_layer_that_draws_otherwise_is_named(given, name, words):
    assert words in dropouts(*given)[name]


def test_a_dropout_of_another_layer_is_none_of_these():
    assert not {"R5", "R6"} & set(dropouts("dropout()#2", "absent", "dropout at b.py:7"))


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
