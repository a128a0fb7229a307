"""Calls of networks belong together by what they get, in whatever order they come."""

import numpy as np
from own_halves import HalfByHand, own_evidence

from parity.divergences.custom_training import INPUT, OUTPUT, compared_calls

DRAW = np.random.default_rng(0)
X = {name: DRAW.normal(size=(3, 2)) for name in "abcd"}


def half(*calls, **told):
    """A half whose step makes calls: (network, its input, its output)."""
    arrays = {}
    for number, (_, given, made) in enumerate(calls):
        arrays |= {f"part/{number}/input/0": given, f"part/{number}/output/0": made}
    return HalfByHand(arrays, called=[name for name, *_ in calls], **told)


def found(keras, port):
    return compared_calls(own_evidence("loss", keras, port))


KERAS = half(("g", X["a"], X["b"]), ("d", X["b"], X["c"]), ("d", X["d"], X["a"]))


def test_another_order_is_no_difference():
    port = half(("d", X["d"], X["a"]), ("g", X["a"], X["b"]), ("d", X["b"], X["c"]))
    assert found(KERAS, port) == found(KERAS, KERAS)
    assert (found(KERAS, port).first, found(KERAS, port).again) == (None, ())


def test_the_first_call_of_keras_that_differs_is_told():
    calls = found(KERAS, half(("g", X["a"], X["b"]), ("d", X["b"], X["c"]), ("d", X["c"], X["a"])))
    assert (calls.first.what, calls.first.is_first) == (INPUT, False)
    assert calls.first.place == "d in its call number 2"
    calls = found(KERAS, half(("g", X["a"], X["d"]), ("d", X["b"], X["c"]), ("d", X["d"], X["a"])))
    assert (calls.first.place, calls.first.what, calls.first.is_first) == ("g", OUTPUT, True)


def test_a_dropout_that_is_active_in_one_half_is_seen_in_its_call():
    keras = half(("g", X["a"], X["b"]), ("g", X["b"], X["c"]), dropped=[0, 2])
    port = half(("g", X["b"], X["c"]), ("g", X["a"], X["d"]), dropped=[2, 1])
    first = found(keras, port).first
    assert (first.number, first.dropped, first.is_dropped_in_one) == (1, (0, 1), True)


def test_a_call_more_behind_a_step_is_told_and_one_that_repeats_another_is_not():
    calls = [("g", X["a"], X["b"]), ("d", X["b"], X["c"]), ("d", X["d"], X["a"])]
    assert found(KERAS, half(*calls, ("d", X["b"], X["c"]))).again == ()
    more = found(KERAS, half(*calls, ("d", X["b"], X["d"])))
    assert (more.first, more.again, more.is_more) == (None, ("d",), False)
    other = found(KERAS, half(*calls, ("d", X["c"], X["d"])))
    assert (other.again, other.is_more) == ((), True)


def test_layers_that_the_port_has_not_are_left_out():
    keras = half(("norm", X["d"], X["a"]), ("g", X["a"], X["b"]))
    assert found(keras, half(("g", X["a"], X["b"]), parts=["g"])).first is None


def test_calls_of_other_networks_or_shapes_are_not_compared():
    assert found(KERAS, half(("g", X["a"], X["b"]), parts=["g", "d"])) is None
    joined = half(("g", X["a"], X["b"]), ("d", np.concatenate([X["b"], X["d"]]), X["c"]))
    assert found(KERAS, joined) is None
