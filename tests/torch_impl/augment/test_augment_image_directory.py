"""The images of a folder: Keras's files, labels, orders, sizes and pixels."""

import copy
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from covering import one_test
from PIL import Image

from torch_impl.augment import image_dataset_from_directory
from torch_impl.layers.image.resample import FILE_METHODS, METHODS
from torch_impl.seeds import KerasSeeds

SEEDS = (0, 42, 10**6, 2**31 - 1, 2**32 - 1)
SIZE = (9, 12)
SIZES = [(7, 5), (12, 9), (9, 12), (20, 31), (3, 17), (15, 15), (4, 4), (11, 23)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three classes, a hidden folder, a file that is no image, folders inside of folders."""
    root = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    numbers = itertools.count()
    for name, count in (("b_dogs", 9), ("a_cats", 7), ("c", 5), (".hidden", 2)):
        for number in range(count):
            inner = root / name / "deeper" if number % 4 == 3 else root / name
            inner.mkdir(parents=True, exist_ok=True)
            height, width = SIZES[next(numbers) % len(SIZES)]
            array = generator.integers(0, 256, (height, width, 3)).astype(np.uint8)
            ending = ("png", "bmp", "PNG")[number % 3]
            Image.fromarray(array).save(inner / f"image_{number:02}.{ending}")
        (root / name / "notes.txt").write_text("no image")
    return root


PLAIN = {"image_size": SIZE, "batch_size": 4}


def theirs(folder, **options):
    options = {**PLAIN, "verbose": False, **options}
    return keras.utils.image_dataset_from_directory(folder, **options)


def ours(folder, **options):
    options = {**PLAIN, "data_format": "channels_last", **options}
    return image_dataset_from_directory(folder, **options)


def as_arrays(dataset):
    """The parts of every batch of an epoch; images have their dtype."""
    batches = [part if isinstance(part, tuple) else (part,) for part in dataset]
    return [(x.numpy().dtype, *(part.numpy() for part in (x, *y))) for x, *y in batches]


def assert_same(folder, seeds=None, num_epochs=2, **options):
    wanted = theirs(folder, **copy.deepcopy(options))  # Keras shuffles the labels in place
    found = ours(folder, **options, **({"seeds": seeds} if seeds else {}))
    is_pair = options.get("subset") == "both"
    for mine, other in zip(*(each if is_pair else [each] for each in (found, wanted)), strict=True):
        assert (mine.file_paths, mine.class_names) == (other.file_paths, other.class_names)
        assert len(mine) == int(other.cardinality())
        for _ in range(num_epochs):
            np.testing.assert_equal(as_arrays(mine), as_arrays(other))


@one_test
@pytest.mark.parametrize("seed", SEEDS)
def test_orders_follow_the_seed_and_that_of_set_random_seed(folder, seed):
    tf.random.set_seed(None)
    assert_same(folder, seed=seed, interpolation="nearest", num_epochs=3)
    keras.utils.set_random_seed(seed)
    assert_same(folder, KerasSeeds(seed), interpolation="nearest", num_epochs=3)


@one_test
@pytest.mark.parametrize(
    "shape", [{}, {"crop_to_aspect_ratio": True}, {"pad_to_aspect_ratio": True}]
)
@pytest.mark.parametrize("interpolation", FILE_METHODS)
def test_sizes_and_pixels(folder, interpolation, shape):
    if "crop_to_aspect_ratio" in shape and interpolation not in METHODS:
        with pytest.raises(ValueError, match=f"interpolation='{interpolation}': expected one of"):
            ours(folder, interpolation=interpolation, **shape)
    else:
        assert_same(folder, interpolation=interpolation, shuffle=False, **shape, num_epochs=1)


@one_test
@pytest.mark.parametrize("label_mode", ["int", "categorical", None])
@pytest.mark.parametrize("color_mode", ["rgb", "rgba"])
@pytest.mark.parametrize("batch_size", [1, 4, 50, None])
@pytest.mark.parametrize("subset", [None, "training", "validation", "both"])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("split", [0.2, 0.5])
def test_labels_colours_batches_and_parts_are_those_of_keras(
    folder, label_mode, color_mode, batch_size, subset, shuffle, split
):
    tf.random.set_seed(None)
    options = {"label_mode": label_mode, "color_mode": color_mode, "batch_size": batch_size}
    options |= {"validation_split": split, "subset": subset} if subset else {}
    assert_same(folder, **options, shuffle=shuffle, seed=5)


@one_test
@pytest.mark.parametrize(
    "options",
    [
        {"class_names": ["c", "a_cats"], "label_mode": "binary", "shuffle": False},
        {"labels": [n % 3 + 1 for n in range(23)], "label_mode": "categorical", "seed": 4},
        {"labels": None, "seed": 4},
    ],
)
def test_classes_that_are_named_and_labels_that_are_given(folder, options):
    """The list of the user stays as it is; Keras changes its own."""
    tf.random.set_seed(None)
    given = copy.deepcopy(options)
    ours(folder, **given)
    assert given == options
    assert_same(folder, **given)


def test_fit_trains_on_every_other_order(folder):
    seen = []

    class Note(keras.layers.Layer):
        def call(self, x):
            tf.py_function(lambda batch: seen.append(batch.numpy()), [x], [])
            return x

    keras.utils.set_random_seed(6)
    data = theirs(folder, seed=2)
    layers = [keras.Input((*SIZE, 3)), Note(), keras.layers.Flatten(), keras.layers.Dense(3)]
    model = keras.Sequential(layers)
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(data, epochs=3, verbose=0, shuffle=False)
    epochs = ours(folder, seed=2, seeds=KerasSeeds(6)).in_fit()
    found = [images.numpy() for epoch in itertools.islice(epochs, 3) for images, _ in epoch]
    np.testing.assert_equal(found, seen)


def test_the_default_layout_is_torchs(folder):
    images, labels = next(iter(image_dataset_from_directory(folder, image_size=8, seed=1)))
    assert (images.shape, images.is_contiguous()) == ((21, 3, 8, 8), True)
    assert labels.dtype == torch.int64


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label_mode": "sparse"}, "label_mode='sparse': expected one of 'int'"),
        ({"color_mode": "hsv"}, "color_mode='hsv': expected one of"),
        ({"interpolation": "hamming"}, "interpolation='hamming': expected one of"),
        ({"image_size": (3, 0)}, r"image_size=\(3, 0\): expected \(height, width\)"),
        ({"batch_size": 0}, "batch_size=0: expected an integer of at least 1"),
        ({"subset": "training"}, "validation_split=None, subset='training': expected both"),
        ({"subset": "both", "validation_split": 0.2}, "validation_split without a seed"),
        ({"subset": "both", "validation_split": 2, "seed": 1}, "validation_split=2: expected"),
        (
            {"subset": "both", "validation_split": 0.01, "seed": 1},
            "no images for training among 21",
        ),
        ({"label_mode": "binary"}, 'label_mode="binary" with classes .*: expected two'),
        ({"class_names": ["d"]}, r"class_names \['d'\]: expected names among the folders"),
        ({"class_names": ["c"], "labels": None}, "class_names is given: expected labels"),
        ({"labels": [1, 2]}, "2 labels of 23 files"),
        ({"labels": "all"}, "labels='all': expected \"inferred\""),
        (
            {"crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True},
            "pad_to_aspect_ratio=True: expected one of them",
        ),
    ],
)
def test_another_argument_is_an_error_that_shows_it(folder, options, message):
    with pytest.raises(ValueError, match=message):
        image_dataset_from_directory(folder, **options)
