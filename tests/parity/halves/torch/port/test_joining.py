"""Ends of paired layers: what pads or cuts belongs to its neighbour, if that makes shapes fit."""

import pytest

from parity.halves.torch.port.joining import Ends, ends_of
from parity.halves.torch.port.pairing import Pairing


def _keras(kind, given, made, sources):
    return {
        "kind": kind,
        "input_shapes": [[2, *given, 3]],
        "output_shape": [2, *made, 3],
        "sources": sources,
    }


def _torch(kind, given, made, sources):
    def forms(shape):
        return [[2, 3, *shape], [2, *shape, 3]]

    return {
        "kind": kind,
        "input_forms": [forms(given)],
        "output_shapes": forms(made),
        "sources": sources,
    }


def test_a_pair_whose_shapes_fit_is_left_alone():
    keras = [_keras("conv", (9, 7), (7, 5), [-1])]
    torch = [_torch("conv", (9, 7), (7, 5), [-1])]
    assert ends_of(keras, torch, Pairing(((0, 0),), (), ())) == [Ends(0, 0, 0, 0)]


def test_padding_before_a_convolution_belongs_to_it_where_keras_pads_inside():
    keras = [_keras("conv", (9, 7), (9, 7), [-1])]
    torch = [
        _torch("zero_padding", (9, 7), (11, 9), [-1]),
        _torch("conv", (11, 9), (9, 7), [0]),
    ]
    assert ends_of(keras, torch, Pairing(((0, 1),), (), (0,))) == [Ends(0, 0, 0, 1)]


def test_padding_of_keras_belongs_to_the_convolution_where_torch_pads_inside():
    keras = [
        _keras("zero_padding", (9, 7), (11, 9), [-1]),
        _keras("conv", (11, 9), (9, 7), [0]),
    ]
    torch = [_torch("conv", (9, 7), (9, 7), [-1])]
    assert ends_of(keras, torch, Pairing(((1, 0),), (0,), ())) == [Ends(0, 1, 0, 0)]


def test_cropping_after_a_layer_belongs_to_it():
    keras = [_keras("conv_transpose", (4, 3), (8, 6), [-1])]
    torch = [
        _torch("conv_transpose", (4, 3), (9, 7), [-1]),
        _torch("cropping", (9, 7), (8, 6), [0]),
    ]
    assert ends_of(keras, torch, Pairing(((0, 0),), (), (1,))) == [Ends(0, 0, 0, 1)]


@pytest.mark.parametrize(
    ("kind", "free", "sources"),
    [
        pytest.param("max_pool", (0,), [0], id="of a kind that computes"),
        pytest.param("zero_padding", (), [0], id="with a partner of its own"),
        pytest.param("zero_padding", (0,), [None], id="that does not feed it"),
    ],
)
def test_what_comes_before_is_left_alone(kind, free, sources):
    keras = [_keras("conv", (9, 7), (9, 7), [-1])]
    torch = [_torch(kind, (9, 7), (11, 9), [-1]), _torch("conv", (11, 9), (9, 7), sources)]
    assert ends_of(keras, torch, Pairing(((0, 1),), (), free)) == [Ends(0, 0, 1, 1)]


def test_padding_that_does_not_make_the_shapes_fit_is_left_alone():
    keras = [_keras("conv", (9, 7), (9, 7), [-1])]
    torch = [
        _torch("zero_padding", (8, 7), (10, 9), [-1]),
        _torch("conv", (10, 9), (8, 7), [0]),
    ]
    assert ends_of(keras, torch, Pairing(((0, 1),), (), (0,))) == [Ends(0, 0, 1, 1)]
