"""Seeds of the layers that change images: those of `set_random_seed`, those given, their stream."""

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from image_pairs import SEEDS, compiled, pair, pixels, same, turn, turn_back
from torch import nn

from torch_impl import layers
from torch_impl.seeds import KerasSeeds

KERAS_SEEDS = [seed for seed in SEEDS if 0 <= seed < 2**32]
ROWS = (
    ("RandomFlip", ()),
    ("GaussianNoise", (0.5,)),
    ("RandomRotation", (0.3,)),
    ("RandomCrop", (8, 7)),
    ("RandomZoom", (0.3, 0.2)),
    ("GaussianDropout", (0.2,)),
    ("RandomTranslation", (0.3, 0.2)),
    ("RandomBrightness", (0.2,)),
    ("RandomShear", (0.2, 0.1)),
)


@one_test
@pytest.mark.parametrize("seed", KERAS_SEEDS)
def test_layers_without_a_seed_get_those_of_set_random_seed_in_their_order(seed):
    keras.utils.set_random_seed(seed)
    theirs = [getattr(keras.layers, kind)(*arguments) for kind, arguments in ROWS]
    ours = nn.Sequential(*(getattr(layers, kind)(*arguments) for kind, arguments in ROWS))
    layers.initialise(ours, KerasSeeds(seed))
    x = pixels((9, 10, 9, 3), seed % 97)
    for (kind, _), layer, module in zip(ROWS, theirs, ours, strict=True):
        if kind.startswith("Random"):
            assert same(turn_back(module(turn(x))), layer(x, training=True)), kind
        else:
            state = layer.seed_generator.state.numpy()
            assert (module.seed, module.num_calls) == tuple(state), kind


@one_test
@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("RandomRotation", ((0, 0.2314),)),
        ("RandomTranslation", ((0, 0.2314), (0.0, 0.3))),
        ("RandomBrightness", ((0.0, 0.2314),)),
        ("RandomZoom", ((0, 0.3), (-0.2, 0))),
        ("RandomContrast", ((0, 0.3),)),
        ("RandomContrast", ((1, 0.3),)),
    ],
)
def test_numbers_from_zero_on_have_the_last_bit_of_a_graph_or_of_a_call(kind, arguments):
    """TensorFlow multiplies constants of a compiled model before it runs."""
    for in_graph in (True, False):
        theirs, ours = pair(kind, *arguments, seed=1337, in_graph=in_graph)
        run = compiled(theirs) if in_graph else lambda x, layer=theirs: layer(x, training=True)
        for call in range(3):
            x = pixels((9, 7, 11, 2), call)
            assert same(turn_back(ours(turn(x))), run(x)), in_graph


def test_uniform_numbers_are_those_of_keras_from_any_seed():
    for seed in SEEDS:
        generator = keras.random.SeedGenerator(seed)
        layer = layers.RandomFlip(seed=seed)
        for dtype in ("float32", "float64"):
            expected = keras.random.uniform((3, 5), -0.3, 1.7, dtype=dtype, seed=generator)
            found = layer.uniform((3, 5), -0.3, 1.7, getattr(torch, dtype))
            np.testing.assert_array_equal(found.numpy(), expected)
