"""Numbers are called by the initialiser that drew them, and the fix is a line that torch runs."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.accuracy.initial_weights import CONFIGS, IN_TORCH, _port
from parity.divergences.initial import fit, fix_of, name_of
from parity.ladder.initial_weights import law_of

SHAPE = (3, 3, 4, 12)  # fan in 36, fan out 108
INIT = nn.init


def drawn(say, shape=SHAPE, num=4):
    torch.manual_seed(2)
    return np.stack([_port(say, shape).reshape(-1) for _ in range(num)])


LOOKS = {
    "HeUniform": IN_TORCH["HeUniform"],
    "GlorotNormal": IN_TORCH["GlorotNormal"],
    "LecunNormal": IN_TORCH["LecunNormal"],
    "torch's default U(±1 / sqrt(fan_in))": lambda w: INIT.kaiming_uniform_(w, a=5**0.5),
    "nn.init.xavier_normal_": INIT.xavier_normal_,
    "nn.init.kaiming_normal_": lambda w: INIT.kaiming_normal_(w, nonlinearity="relu"),
    "nn.init.kaiming_normal_(mode='fan_out')": lambda w: INIT.kaiming_normal_(w, mode="fan_out"),
    "N(0, 0.02)": lambda w: INIT.normal_(w, std=0.02),
    "N(0, 1)": INIT.normal_,
    "U(0, 1)": INIT.uniform_,
    "HeUniform with gain √2": lambda w: INIT.uniform_(w, -math.sqrt(12 / 36), math.sqrt(12 / 36)),
    "GlorotUniform with gain 5/3": lambda w: INIT.xavier_uniform_(w, gain=5 / 3),
}


@pytest.mark.parametrize("name", LOOKS)
def test_an_initialiser_is_called_by_its_name(name):
    keras = law_of({"class": "RandomUniform", "minval": -0.3, "maxval": 0.3}, SHAPE)
    assert name_of(drawn(LOOKS[name]), SHAPE, keras) == name


def test_another_gain_is_told_as_a_gain_of_keras():
    keras = law_of({"class": "GlorotUniform"}, SHAPE)
    name = name_of(drawn(lambda w: INIT.xavier_uniform_(w, gain=0.8)), SHAPE, keras)
    assert name.startswith("Keras's with gain 0.8")


@pytest.mark.parametrize(
    ("say", "name"),
    [
        (lambda w: INIT.uniform_(w, 0.2, 0.9), "U(0.2"),
        (lambda w: INIT.normal_(w, 3.0, 0.3), "N(2.99"),
    ],
)
def test_what_has_no_name_is_described(say, name):
    assert name_of(drawn(say), SHAPE).startswith(name)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_fix_draws_what_keras_draws(name):
    config = {"class": name, **CONFIGS[name]}
    line = fix_of("conv.kernel", config, SHAPE, np.array([0.1, 0.2]), "conv")
    layer = nn.Conv2d(4, 12, 3, dtype=torch.float64)
    torch.manual_seed(1)
    exec(line, {"nn": nn, "layer": layer})  # noqa: S102 - a line of this package
    assert fit(law_of(config, SHAPE), layer.weight.detach().numpy()) > 0.01


def test_the_fix_of_constants_sets_them():
    lstm = nn.LSTM(2, 3, bidirectional=True)
    bias = np.repeat([0.0, 1.0, 0.0, 0.0], 3)
    for name, back in (("forward_lstm", ""), ("backward_lstm", "_reverse")):
        args = (f"b.{name}/lstm_cell/bias", {"class": "Zeros"}, (12,), bias, "bidirectional")
        with torch.no_grad():
            exec(fix_of(*args), {"nn": nn, "layer": lstm})  # noqa: S102 - as above
        total = getattr(lstm, f"bias_ih_l0{back}") + getattr(lstm, f"bias_hh_l0{back}")
        np.testing.assert_array_equal(total.detach(), bias)
    assert fix_of("d.bias", {}, (3,), np.zeros(3), "dense") == "nn.init.zeros_(layer.bias)"
    assert fix_of("n.gamma", {}, (3,), np.ones(3), "batch_norm") == "nn.init.ones_(layer.weight)"
    assert fix_of("d.bias", {}, (3,), np.full(3, 0.1), "dense").endswith("layer.bias, 0.1)")
