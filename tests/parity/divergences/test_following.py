"""What is seen behind a layer by hand that is known to be wrong comes of it."""

import numpy as np
import one_layer
import pytest

from parity.divergences.groups import comes_of, wrong_by_hand
from parity.ladder.result import Found

STATE = np.ones((2, 4))


def behind_a_loop(identity, confidence=0.99, layer="softmax"):
    """A divergence at a layer behind a GRU by hand, and its evidence.

    The GRU goes into a sum, which has no partner, and that into a softmax; and into a dense layer.
    """
    nodes = [
        one_layer.node("softmax", "activation:softmax", [3]),
        one_layer.node("dense", "dense", [2]),
        one_layer.node("memory", "gru", [-1]),
        one_layer.node("dot", "unknown:Dot", [2]),
    ]
    calls = [one_layer.call("s", "activation:softmax", [-1]), one_layer.call("d", "dense", [-1])]
    keras, port = one_layer.facts(nodes, calls)
    key = f"forward/eval/{layer}/input/0"
    arrays = {key: STATE}, {key: STATE + 1}
    evidence = one_layer.evidence(
        (keras, arrays[0]), (port, arrays[1]), f"input of {layer} (eval)", STATE, STATE + 1
    )
    causes = ({"id": identity, "confidence": confidence},) if identity else ()
    return Found("forward", evidence.item, causes=causes), evidence


@pytest.mark.parametrize(
    ("identity", "confidence", "expected"),
    [
        *[("R8", 0.3, ["memory"]), ("A29", 0.99, ["memory"])],
        *[("A29", 0.3, []), ("N1", 0.99, []), ("", 0.99, [])],
    ],
)
def test_a_layer_by_hand_is_known_to_be_wrong_by_its_cell_or_by_proof(
    identity, confidence, expected
):
    assert list(wrong_by_hand(*behind_a_loop(identity, confidence, "dense"), 0.9)) == expected


@pytest.mark.parametrize(
    ("identity", "by_hand", "expected"),
    [
        ("N1", {"memory"}, True),
        ("", {"memory"}, True),
        ("N1", {"other"}, False),
        ("A27", {"memory"}, False),  # a cause of its own
    ],
)
def test_an_unknown_difference_behind_such_a_layer_comes_of_it(identity, by_hand, expected):
    assert comes_of(*behind_a_loop(identity), by_hand) is expected
