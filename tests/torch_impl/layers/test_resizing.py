"""Rows are added, cut and repeated where Keras does it; bilinear pixels are Keras's."""

import pytest
import torch
from covering import one_test
from layer_pairs import Pair, assert_same, difference, keras_layer

from torch_impl.layers import Cropping, UpSampling, ZeroPadding

AMOUNTS = {
    "one_for_all": (2, 1),
    "one_for_each_side": (2, (1, 2)),
    "pairs": (2, ((1, 2), (0, 1))),
    "sequence": (1, 2),
    "sequence_pair": (1, (0, 2)),
    "volume": (3, ((1, 0), (0, 1), (1, 1))),
}


def shape_of(rank):
    return (*(5, 6, 7)[:rank], 2)


@one_test
@pytest.mark.parametrize(("rank", "amount"), AMOUNTS.values(), ids=AMOUNTS)
def test_padding_and_cropping_are_keras_ones(rank, amount):
    for name, kind in (("ZeroPadding", ZeroPadding), ("Cropping", Cropping)):
        theirs = keras_layer(f"{name}{rank}D", amount)
        assert_same(Pair(theirs, kind(amount, rank), shape_of(rank)), num_steps=0)


@one_test
@pytest.mark.parametrize(
    ("rank", "size"),
    [(1, 3), (2, (2, 3)), (2, (1, 2)), (3, (1, 2, 3))],
    ids=["sequence", "image", "one_side", "volume"],
)
def test_up_sampling_is_keras_one(rank, size):
    pair = Pair(
        keras_layer(f"UpSampling{rank}D", size), UpSampling(size, rank=rank), shape_of(rank)
    )
    assert_same(pair, num_steps=0)


# TensorFlow returns float32 of an image of float64. It rounds the four pixels, three
# differences, products and sums each, and the two positions: 15 roundings of numbers of which none
# is more than twice the greatest pixel.
BILINEAR_BAR = 2 * 15 * 2.0**-24


@one_test
@pytest.mark.parametrize("size", [(2, 2), (3, 5)], ids=str)
def test_bilinear_up_sampling_is_keras_one_up_to_float32(size):
    theirs = keras_layer("UpSampling2D", size, interpolation="bilinear")
    pair = Pair(theirs, UpSampling(size, "bilinear"), shape_of(2))
    found = pair.run(pair.inputs(3), True)
    assert difference(*found["output 0"]) <= BILINEAR_BAR
    assert difference(*found["input gradient 0"]) <= BILINEAR_BAR


@one_test
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ZeroPadding((1, 2, 3)), r"padding=\(1, 2, 3\): expected 2 pairs"),
        (lambda: Cropping(-1), "cropping=-1: expected 2 pairs of integers of at least 0"),
        (lambda: UpSampling(0), "size=0: expected 2 integers of at least 1"),
        (lambda: UpSampling(2, "cubic"), "interpolation='cubic': expected one of"),
        (lambda: Cropping(3)(torch.zeros(1, 1, 5, 9)), "nothing is left"),
    ],
    ids=["pairs", "negative", "size", "interpolation", "nothing_left"],
)
def test_another_argument_is_an_error_that_shows_it(make, message):
    with pytest.raises(ValueError, match=message):
        make()
