"""A state differs because the layer does that hands it on."""

import numpy as np
import one_layer
import pytest

from parity.divergences.groups import is_state_of

OUTPUT, STATE = np.arange(24.0).reshape(2, 3, 4), np.ones((2, 4))


def trace(given, **config):
    nodes = [
        one_layer.node("encoder", "gru", [-1], config),
        one_layer.node("decoder", "gru", [None, 0]),
    ]
    keras, _ = one_layer.facts(nodes, [])
    arrays = {"forward/eval/encoder/output": OUTPUT, "forward/eval/decoder/input/1": given}
    return one_layer.Arrays(keras, arrays)


@pytest.mark.parametrize(
    ("given", "config", "wrong", "expected"),
    [
        (STATE, {"return_state": True}, {"encoder"}, True),
        (STATE, {"return_state": True}, {"other"}, False),
        (OUTPUT, {"return_state": True}, {"encoder"}, False),  # its output, which is Keras's
        (STATE, {}, {"encoder"}, False),
    ],
)
def test_the_state_of_a_wrong_layer_follows_from_it(given, config, wrong, expected):
    keras = trace(given, **config)
    paired = ("encoder", "decoder", "after")
    assert is_state_of(keras, paired, "input of decoder (eval)", "decoder", wrong) is expected
