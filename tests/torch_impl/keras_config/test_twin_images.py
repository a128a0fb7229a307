"""The twin of layers of images, in a model and in front of it, in eval and in train mode."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from keras import layers as L
from rows import each_row

from torch_impl.keras_config import from_keras_config
from torch_impl.keras_config.rows import preprocessing

pytestmark = pytest.mark.usefixtures("direct")

BAR = 1e-6  # relative to the greatest pixel; contrast alone is not bit for bit the same
MOVED = {"fill_mode": "wrap", "interpolation": "nearest", "fill_value": 0.5}
CASES = {
    "RandomFlip": lambda **options: L.RandomFlip("vertical", **options),
    "RandomRotation": lambda **options: L.RandomRotation(0.2, **options),
    "RandomRotation_pair": lambda **options: L.RandomRotation((0.1, 0.4), **MOVED, **options),
    "RandomZoom": lambda **options: L.RandomZoom((-0.4, 0.3), **options),
    "RandomZoom_apart": lambda **options: L.RandomZoom(0.4, 0.3, **MOVED, **options),
    "RandomTranslation": lambda **options: L.RandomTranslation(0.3, (0.1, 0.2), **options),
    "RandomContrast": lambda **options: L.RandomContrast((0.2, 0.9), (-2, 2), **options),
    "RandomBrightness": lambda **options: L.RandomBrightness(0.3, (-1, 1), **options),
    "RandomCrop": lambda **options: L.RandomCrop(4, 5, **options),
    "RandomCrop_small": lambda **options: L.RandomCrop(9, 3, **options),
    "RandomShear": lambda **options: L.RandomShear(0.3, (0.1, 0.4), **options),
    "RandomShear_in_a_tuple": lambda **options: L.RandomShear(0.3, 0.2, **options),
    "RandomShear_apart": lambda **options: L.RandomShear((0.1, 0.2), **MOVED, **options),
    "RandomInvert": lambda **options: L.RandomInvert(0.9, (-2, 2), **options),
    "RandomColorDegeneration": lambda **options: L.RandomColorDegeneration(
        0.6, (-300, 300), **options
    ),
    "RandomSharpness": lambda **options: L.RandomSharpness(0.7, (-300, 300), **options),
    "Solarization": lambda **options: L.Solarization(0.2, (0.3, 0.6), (-300, 300), **options),
}
FIXED = {
    "CenterCrop": lambda: L.CenterCrop(4, 5),
    "CenterCrop_small": lambda: L.CenterCrop(9, 3),
    "Resizing": lambda: L.Resizing(9, 4, "bicubic", antialias=True),
    "RandomGrayscale": lambda: L.RandomGrayscale(1.0),  # Keras writes no seed of it
    "Resizing_crop": lambda: L.Resizing(9, 4, crop_to_aspect_ratio=True),
    "Resizing_pad": lambda: L.Resizing(9, 4, pad_to_aspect_ratio=True, fill_value=2.0),
}
SHAPE = (7, 8, 3)


def batch(seed, dtype="float32", size=9):
    array = np.random.default_rng(seed).normal(size=(size, *SHAPE))
    return ((array * 50 + 100).clip(0, 255) if dtype == "uint8" else array).astype(dtype)


def assert_same(twin, expected, x):
    ours, theirs = twin(torch.tensor(x)).detach().numpy(), np.asarray(expected)
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    assert np.abs(ours - theirs).max() <= BAR * np.abs(theirs).max()


def test_every_row_has_a_case():
    assert {name.partition("_")[0] for name in (*CASES, *FIXED)} == preprocessing.ROWS.keys()


@each_row("number, name", enumerate([*CASES, *FIXED]))
def test_a_twin_gives_what_keras_graph_gives(number, name):
    """Of each dtype in turn."""
    dtype = ("float32", "float64", "uint8")[number % 3]
    layer = CASES[name](seed=5) if name in CASES else FIXED[name]()
    model = keras.Sequential([keras.Input(SHAPE, dtype=dtype), layer])
    twin = from_keras_config(model.to_json())
    for training in (True, False):
        run = tf.function(partial(model, training=training), autograph=False)
        for x in (batch(call, dtype) for call in range(3)):
            assert_same(twin.train(training), run(tf.constant(x)), x)


def test_a_model_of_augmentation_alone_maps_batches_as_tf_data_does():
    model = keras.Sequential([CASES["RandomFlip"](seed=1), CASES["RandomRotation"](seed=2)])
    model.build((None, *SHAPE))
    twin = from_keras_config(model.to_json()).train()
    arrays = np.stack([batch(call) for call in range(4)])
    data = tf.data.Dataset.from_tensor_slices(arrays).map(lambda x: model(x, training=True))
    for x, expected in zip(arrays, data, strict=True):
        assert_same(twin, expected, x)


@each_row("layer", [L.MixUp(), L.CutMix(), L.RandAugment(), L.AugMix(), L.RandomHue(0.1)])
def test_other_layers_of_images_are_refused_by_name(layer):
    config = keras.Sequential([keras.Input((8, 8, 3)), layer]).to_json()
    told = f"of class '{type(layer).__name__}': no layer of torch_impl"
    with pytest.raises(ValueError, match=told):
        from_keras_config(config)
