"""What the comment beside a module says of it."""

import keras
from keras import layers as L
from rows import each_row
from written import source_of

MASKS, NOISE = "Keras's masks, from its seed", "Keras's noise, from its seed"
SLOPE = "and a slope of 0 at 0"


def source(layer, shape):
    return source_of(keras.Sequential([keras.Input(shape), layer]))[1]


@each_row(
    "layer, told, other",
    [
        (L.GaussianNoise(0.1), NOISE, MASKS),
        (L.GaussianDropout(0.1), NOISE, MASKS),
        (L.Dropout(0.1), MASKS, NOISE),
        (L.AlphaDropout(0.1), MASKS, NOISE),
    ],
)
def test_a_layer_draws_masks_or_noise(layer, told, other):
    text = source(layer, (4,))
    assert told in text
    assert other not in text


@each_row(
    "axes, shape, told",
    [
        (None, (4, 6, 3), "an alpha for each entry"),
        ([1, 2], (4, 6, 3), "an alpha for each channel"),
        ([1, 2, 3], (4, 6, 3), "one alpha"),
        ([1], (4, 6, 3), "an alpha for each place along axes 2, 3 of Keras"),
        ([2, 3], (4, 6, 3), "an alpha for each place along axis 1 of Keras"),
        (None, (4,), "an alpha for each entry"),
        ([1], (4,), "one alpha"),
        ([1, 2], (1, 1, 3), "an alpha for each channel"),
    ],
)
def test_the_alphas_of_a_prelu_are_counted(axes, shape, told):
    text = " ".join(source(L.PReLU(shared_axes=axes), shape).replace("#", "").split())
    assert f"{told}, {SLOPE}" in text
