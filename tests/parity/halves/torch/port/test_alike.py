"""Layers look alike by their neighbourhoods, and are told apart by what they are merged with."""

from parity.halves.torch.port.pairing import Alike


def node(kind, *sources, shape=None):
    weights = {} if shape is None else {"kernel": shape}
    return {"kind": kind, "weights": weights, "sources": list(sources)}


def dense(source, rows=4):
    return node("dense", source, shape=[rows, 4])


def test_a_layer_that_is_alone_in_both_halves_comes_first():
    nodes = [dense(-1, rows=3), dense(-1), dense(-1)]
    groups, is_sure = Alike(nodes, [nodes[1], nodes[0], nodes[2]]).groups({})
    assert is_sure
    assert set(map(str, groups)) == {"([0], [1])"}


def test_equal_layers_are_a_group_whose_order_nothing_tells():
    nodes = [dense(-1), dense(-1)]
    groups, is_sure = Alike(nodes, nodes).groups({})
    assert not is_sure
    assert groups[0] == ([0, 1], [0, 1])


def test_a_partner_tells_its_neighbours_apart():
    nodes = [dense(-1), dense(-1), dense(0), dense(1)]
    groups, is_sure = Alike(nodes, nodes).groups({0: 0, 1: 1})
    assert is_sure
    assert {(rows[0], columns[0]) for rows, columns in groups} == {(2, 2), (3, 3)}


def test_what_merges_layers_in_one_half_alone_pairs_nothing_wrong():
    """An attention of Keras merges query and key; the code of a port does it unseen."""
    keras = [dense(-1), dense(-1), dense(-1), node("attention", 0, 1), dense(3, rows=8)]
    keras[4]["sources"] = [3, 2]
    torch = [dense(-1), dense(-1), dense(-1), node("reshape", 0), dense(3, rows=8)]
    groups, _ = Alike(keras, torch).groups({4: 4})
    assert all(len(rows) == 3 for rows, _ in groups)
