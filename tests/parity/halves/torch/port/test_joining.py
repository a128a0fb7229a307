"""Ends of paired layers: what pads or cuts belongs to its neighbour, if that makes shapes fit."""

from rows import each_row

from parity.halves.torch.port.paired_layer import Ends, ends_of
from parity.halves.torch.port.pairing import Pairing


def _keras(kind, given, made, sources):
    return {
        "kind": kind,
        "input_shapes": [[2, *given, 3]],
        "output_shape": [2, *made, 3],
        "sources": sources,
    }


def _torch(kind, given, made, sources):
    given, made = ([[2, 3, *shape], [2, *shape, 3]] for shape in (given, made))
    return {
        "kind": kind,
        "input_forms": [given],
        "output_shapes": made,
        "sources": sources,
    }


CONV = _keras("conv", (9, 7), (9, 7), [-1])
PADDING = _torch("zero_padding", (9, 7), (11, 9), [-1])
PADDED = _torch("conv", (11, 9), (9, 7), [0])
# Nodes of Keras and torch, how they are paired, and the first and last ones of each half.
CASES = {
    "shapes that fit": (
        [_keras("conv", (9, 7), (7, 5), [-1])],
        [_torch("conv", (9, 7), (7, 5), [-1])],
        *(Pairing(((0, 0),), (), ()), Ends(0, 0, 0, 0)),
    ),
    "padding in front, where Keras pads inside": (
        *([CONV], [PADDING, PADDED], Pairing(((0, 1),), (), (0,)), Ends(0, 0, 0, 1)),
    ),
    "padding of Keras, where torch pads inside": (
        [_keras("zero_padding", (9, 7), (11, 9), [-1]), _keras("conv", (11, 9), (9, 7), [0])],
        [_torch("conv", (9, 7), (9, 7), [-1])],
        *(Pairing(((1, 0),), (0,), ()), Ends(0, 1, 0, 0)),
    ),
    "cropping behind": (
        [_keras("conv_transpose", (4, 3), (8, 6), [-1])],
        [
            _torch("conv_transpose", (4, 3), (9, 7), [-1]),
            _torch("cropping", (9, 7), (8, 6), [0]),
        ],
        *(Pairing(((0, 0),), (), (1,)), Ends(0, 0, 0, 1)),
    ),
    "a kind that computes": (
        *([CONV], [{**PADDING, "kind": "max_pool"}, PADDED]),
        *(Pairing(((0, 1),), (), (0,)), Ends(0, 0, 1, 1)),
    ),
    "padding with a partner of its own": (
        *([CONV], [PADDING, PADDED], Pairing(((0, 1),), (), ()), Ends(0, 0, 1, 1)),
    ),
    "padding that does not feed it": (
        *([CONV], [PADDING, {**PADDED, "sources": [None]}]),
        *(Pairing(((0, 1),), (), (0,)), Ends(0, 0, 1, 1)),
    ),
    "padding that does not make the shapes fit": (
        [CONV],
        [
            _torch("zero_padding", (8, 7), (10, 9), [-1]),
            _torch("conv", (10, 9), (8, 7), [0]),
        ],
        *(Pairing(((0, 1),), (), (0,)), Ends(0, 0, 1, 1)),
    ),
}


@each_row("keras, torch, pairing, expected", CASES.values(), ids=CASES)
def test_what_pads_or_cuts_beside_a_layer_belongs_to_it_if_shapes_fit_then(
    keras, torch, pairing, expected
):
    assert ends_of(keras, torch, pairing) == [expected]
