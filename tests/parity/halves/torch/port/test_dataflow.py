"""The neighbourhood of a layer, by which it is known in two programs."""

from parity.halves.torch.port.pairing import Neighbourhoods


def node(kind, *sources, shape=None):
    weights = {} if shape is None else {"kernel": shape}
    return {"kind": kind, "weights": weights, "sources": list(sources)}


def residual(num_blocks):
    """x = x + conv(x), again and again: each convolution follows all before it."""
    nodes, last = [node("conv", -1, shape=[3, 3])], 0
    for _ in range(num_blocks):
        nodes.append(node("conv", last, shape=[3, 3]))
        nodes.append(node("add", last, len(nodes) - 1))
        last = len(nodes) - 1
    return nodes


def test_a_signature_of_many_neighbours_is_no_longer_in_each_round():
    found = Neighbourhoods(residual(40)).signatures({})
    longest = [max(len(repr(signature)) for signature in each.values()) for each in found]
    assert max(longest) < 200 * 42  # a line for each neighbour


def test_branches_in_another_order_have_the_same_signatures():
    first = [
        node("dense", -1, shape=[4, 4]),
        node("dense", 0, shape=[4, 2]),
        node("dense", 0, shape=[4, 3]),
        node("concatenate", 1, 2),
    ]
    second = [first[0], first[2], first[1], node("concatenate", 2, 1)]
    for theirs, ours in zip(
        *(Neighbourhoods(n).signatures({}) for n in (first, second)), strict=True
    ):
        assert (theirs[0], theirs[1], theirs[2]) == (ours[0], ours[2], ours[1])


def test_layers_of_one_shape_differ_by_what_is_near():
    nodes = [
        node("dense", -1, shape=[4, 4]),
        node("activation:relu", 0),
        node("dense", 1, shape=[4, 4]),
        node("dense", 2, shape=[4, 4]),
    ]
    shapes, nearest, *_ = Neighbourhoods(nodes).signatures({})
    assert shapes[0] == shapes[2] == shapes[3]
    assert len({nearest[number] for number in (0, 2, 3)}) == 3


def merged(nodes):
    found = Neighbourhoods(nodes)
    return found.merged(found.signatures({})[-1], {})


def test_a_sum_of_three_may_be_two_sums():
    layers = [node("dense", -1, shape=[4, size]) for size in (1, 2, 3)]
    one = [*layers, node("add", 0, 1, 2)]
    two = [*layers, node("add", 0, 1), node("add", 3, 2)]
    last, other, less = map(merged, (one, two, [*layers, node("add", 0, 1)]))
    assert last == other
    assert last != less
