"""What a recurrent layer has set otherwise is named; torch's own layers compute the numbers."""

import numpy as np
import one_layer
import pytest
import torch
from torch import nn

from parity.divergences.recurrent_steps import cell_of, walked

UNITS, FEATURES = 3, 4
X = np.random.default_rng(0).normal(size=(2, 5, FEATURES))
CONFIG = {"activation": "tanh", "recurrent_activation": "sigmoid"}
torch.manual_seed(1)
LSTM = nn.LSTM(FEATURES, UNITS, batch_first=True).double().requires_grad_(False)
LSTM.bias_hh_l0.zero_()
# Keras's weights of this layer
GIVEN = {
    "cell/kernel": LSTM.weight_ih_l0.numpy().T,
    "cell/recurrent_kernel": LSTM.weight_hh_l0.numpy().T,
    "cell/bias": LSTM.bias_ih_l0.numpy(),
}


def both(*, is_whole=False, order=(0, 1, 2, 3), x=X, hands=()):
    """Returns h and c of torch's LSTM; of all steps h twice.

    Args:
        is_whole: whether all steps are returned.
        order: of Keras's gates in the place of its own ones.
        x: (N, T, C).
        hands: the first states, (N, units) each.
    """
    gates = {n: w.unflatten(0, (4, UNITS))[list(order)] for n, w in LSTM.named_parameters()}
    first = tuple(torch.from_numpy(state)[None] for state in hands) or None
    weights = {name: each.flatten(0, 1) for name, each in gates.items()}
    given = torch.from_numpy(x.copy()), first
    output, (h, c) = torch.func.functional_call(LSTM, weights, given)
    return (output.numpy(), output.numpy()) if is_whole else (h[0].numpy(), c[0].numpy())


def layer(theirs, ours, **config):
    """Evidence of an LSTM."""
    return one_layer.at_layer("lstm", {**CONFIG, **config}, X, theirs, ours, GIVEN)


def gated(inner):
    """The outputs with another activation of the gates."""
    names = [f"here.{name}" for name in GIVEN]
    trace = one_layer.Arrays({}, {f"weights/here.{name}": v for name, v in GIVEN.items()})
    return walked(cell_of(trace, names, {**CONFIG, "recurrent_activation": inner}, "lstm"), X)[0]


OF_KERAS_2 = "hard_sigmoid (of Keras 2)"


@pytest.mark.parametrize(
    ("settings", "inner"), [({}, "sigmoid"), ({"recurrent_activation": OF_KERAS_2}, OF_KERAS_2)]
)
def test_another_activation_of_the_gates_is_named_as_the_module_says(settings, inner):
    ours = both(is_whole=True)[0] if inner == "sigmoid" else gated(inner)
    found = layer(
        gated("hard_sigmoid"), ours, recurrent_activation="hard_sigmoid", return_sequences=True
    )
    found.port.facts["settings"] = {"there": settings}
    told = f"activation tanh, inner activation {inner} in the port"
    assert one_layer.names(found)["A29"] == told


def test_a_layer_with_other_weights_has_no_other_activation():
    output = both(is_whole=True)[0]
    assert "A29" not in one_layer.names(layer(output, output * 1.01, return_sequences=True))


STATES = [np.random.default_rng(n).normal(size=(2, UNITS)) for n in (5, 6)]
BACK = X[:, ::-1]
# (what is Keras's, what is the port's, ID, words)
OTHERWISE = [
    ({}, both()[1], "R2", "c in the place of h"),
    ({}, both(x=BACK)[0], "R3", "from its end, Keras from its"),
    ({}, both(is_whole=True)[0][:, 0], "R3", "the output of the first step"),
    ({"is_whole": True}, both(is_whole=True)[0][:, ::-1], "R3", "order of the other direction"),
    ({"is_whole": True}, both(is_whole=True, order=(0, 1, 3, 2))[0], "A14c", "gates 0, 1, 3, 2"),
    ({"hands": STATES}, both()[0], "R1", "begins with zeros"),
    ({"hands": STATES}, both(hands=STATES[::-1])[0], "R1", "c and h exchanged"),
    ({"hands": STATES}, both(hands=STATES[:1] * 2)[0], "R1", "h in the place of c"),
]


@pytest.mark.parametrize(("how", "ours", "name", "words"), OTHERWISE)
def test_another_state_direction_or_order_of_gates_is_named(how, ours, name, words):
    found = layer(both(**how)[0], ours, return_sequences=how.get("is_whole", False))
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
    inner = {"class_name": "LSTM", "config": {**CONFIG, "return_sequences": True}}
    config = {"merge_mode": "concat", "layer": inner}
    of_both = {f"{side}/{key}": v for side in ("forward", "backward") for key, v in GIVEN.items()}
    theirs = np.concatenate(sides(), -1)
    found = one_layer.at_layer("bidirectional", config, X, theirs, ours, of_both)
    assert words in one_layer.names(found)[name]
