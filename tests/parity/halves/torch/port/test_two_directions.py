"""Two modules for a bidirectional layer of Keras are found by the shapes of their weights."""

from rows import each_row

from parity.halves.torch.port.paired_layer import with_directions
from parity.halves.torch.port.pairing import Pairing

HALF = {"kernel": [3, 12], "recurrent_kernel": [4, 12], "bias": [2, 12]}


def keras_nodes(kind="bidirectional"):
    weights = {
        f"{way}_gru/{n}": shape for way in ("forward", "backward") for n, shape in HALF.items()
    }
    return [{"kind": kind, "weights": weights}, {"kind": "dense", "weights": {"kernel": [4, 2]}}]


def calls(*kinds, half=HALF):
    found = [{"kind": kind, "weights": half if kind == "gru" else {}} for kind in kinds]
    return [*found, {"kind": "dense", "weights": {"kernel": [4, 2]}}]


def paired(nodes, *, partner):
    last = len(nodes) - 1
    pairs = ((0, 0), (1, last)) if partner else ((1, last),)
    left = tuple(n for n in range(last) if not (partner and n == 0))
    return Pairing(pairs, () if partner else (0,), left)


@each_row("partner", [True, False])
def test_two_calls_with_half_of_the_weights_are_the_layer_together(partner):
    nodes = calls("gru", "flip", "gru")
    found = with_directions(keras_nodes(), nodes, paired(nodes, partner=partner))
    assert found.directions == ((0, 0, 2),)
    assert found.pairs == ((1, 3),)
    assert found.keras_left == (0,)
    assert found.torch_left == (0, 1, 2)


@each_row(
    "nodes",
    [calls("gru"), calls("gru", "lstm"), calls("gru", "gru", half={"kernel": [3, 15]})],
    ids=["one", "of two kinds", "of other units"],
)
def test_other_calls_are_left_as_they_are(nodes):
    before = paired(nodes, partner=True)
    assert with_directions(keras_nodes(), nodes, before) is before
