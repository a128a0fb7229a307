"""A limit that only the port has is told where no number of a probe is beyond it."""

import keras
from both_halves import levels, recorded
from rows import each_row
from torch import nn

from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.port.unpaired import unreached

L = keras.layers


def model(activation):
    def make():
        keras.utils.set_random_seed(1)
        made = keras.Sequential([keras.Input((5,)), L.Dense(4), activation(), L.Dense(2)])
        made.compile("sgd", "mse")
        return made

    return make


def port(activation):
    return lambda: nn.Sequential(nn.Linear(5, 4), activation, nn.Linear(4, 2))


def told(trace, activation):
    return [each["what"] for each in unreached(PortUnderTest(port(activation), 0, trace))]


def test_a_limit_that_keras_does_not_have_is_told(tmp_path):
    trace = recorded(model(L.ReLU), tmp_path / "keras", steps=1)
    assert levels(trace, port(nn.ReLU6()), tmp_path / "a")["forward"].status == "pass"
    assert told(trace, nn.ReLU6()) == ["numbers above 6 in 1 of the port"]
    assert told(trace, nn.ReLU()) == []


@each_row("limit", [6.0, 4.0])
def test_a_limit_that_keras_has_is_met(limit, tmp_path):
    trace = recorded(model(lambda: L.ReLU(limit)), tmp_path / "keras", steps=1)
    assert told(trace, nn.ReLU6() if limit == 6 else nn.Hardtanh(0.0, 4.0)) == []
