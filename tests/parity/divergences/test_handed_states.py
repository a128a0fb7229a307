"""A state differs because the layer does that hands it on."""

import numpy as np
import one_layer
import pytest

from parity.divergences.groups import is_state_of, on_the_way

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


def test_what_a_layer_without_a_partner_makes_of_such_a_state_follows():
    keras = trace(STATE, return_state=True)
    keras.facts["nodes"] += [
        one_layer.node("pooled", "global_max_pool", [1]),
        one_layer.node("after", "dense", [2]),
    ]
    asked = "input of after (eval)", "after", {"encoder"}
    assert is_state_of(keras, ("encoder", "after"), *asked)
    assert not is_state_of(keras, ("encoder", "decoder", "after"), *asked)
    nodes = keras.facts["nodes"]
    found = on_the_way(nodes, ("encoder", "after"), nodes[3])
    assert [node["name"] for node in found] == ["pooled", "decoder"]


def test_nothing_follows_where_no_layer_is_known():
    assert not is_state_of(trace(STATE), (), "input of nothing (eval)", None, {"encoder"})
