"""What could not be compared keeps a check from an answer, and is told with what to do."""

from parity.ladder.incomplete import (
    incomplete_of,
    not_compared_of,
    unknown_parameters,
    unknown_weights,
)


class Facts:
    """A trace that has only facts."""

    def __init__(self, **facts):
        self.facts = facts


def keras(kind="unknown:Gate", **facts):
    node = {"name": "gate", "kind": kind, "weights": ["gate.w"]}
    return Facts(nodes=[node], **facts)


def port(weights=(), not_carried=(), **facts):
    named = dict.fromkeys(weights)
    return Facts(weights=named, not_carried=list(not_carried), raised={}, **facts)


def test_an_unknown_layer_whose_weight_has_no_place_is_incomplete():
    (found,) = incomplete_of(keras(), port())
    assert found["what"] == "gate"
    assert "gate.w" in found["why"]
    assert "load" in found["do"]


def test_an_unknown_layer_whose_weight_was_carried_is_complete():
    assert incomplete_of(keras(), port(weights=["gate.w"])) == ()


def test_a_known_layer_without_a_place_is_a_fault_and_not_incomplete():
    assert incomplete_of(keras(kind="dense"), port()) == ()
    assert unknown_weights(keras(kind="dense"), port()) == set()


def test_both_halves_are_heard_and_nothing_is_told_twice():
    entry = {"what": "noise", "why": "it draws", "do": "set its rate to 0"}
    both = keras("dense", incomplete=[entry]), port(["gate.w"], incomplete=[entry])
    assert incomplete_of(*both) == (entry,)
    left = {"what": "gradient of gate.w", "why": "it is zero"}
    assert not_compared_of(keras(not_compared=[left]), port(not_compared=[left])) == (left,)


def test_parameters_of_a_module_that_is_told_are_excused():
    told = port(
        not_carried=["gate.weight", "gates.weight"],
        incomplete=[{"what": "gate", "why": "", "do": ""}],
    )
    assert unknown_parameters(told) == {"gate.weight"}
