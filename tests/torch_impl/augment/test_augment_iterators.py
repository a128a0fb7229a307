"""Batches from memory are those of Keras's iterator: order, labels, pixels, stream and files."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from helpers import MOVED, SEEDS, assert_same_files
from keras_flows import assert_same_batch, assert_same_flow, assert_same_stream, generators

from torch_impl.augment import ImageDataGenerator

OPTIONS = {
    **MOVED,
    "height_shift_range": [1, 2],  # takes as much of the stream as it happens to need
    **{"channel_shift_range": 1.5, "vertical_flip": True, "rescale": 0.5},
}
NUM_IMAGES = 10
IMAGES = np.random.default_rng(0).normal(0.5, 3, (NUM_IMAGES, 6, 9, 3)).astype(np.float32)
LABELS = np.arange(NUM_IMAGES) * 7 % NUM_IMAGES
WEIGHTS = np.linspace(0.1, 0.9, NUM_IMAGES)
NAMES_OF_FIVE = np.arange(5 * NUM_IMAGES).reshape(NUM_IMAGES, 5)


def both(x=IMAGES, y=LABELS, *, options=OPTIONS, seed_before=5, **flow):
    """Our iterator and Keras's, for the same arguments and streams."""
    return [each.flow(x, y, **flow) for each in generators(seed_before, **options)]


# Of ten images: even, with a last one of 2 and of 1, one by one, exactly all, more than all.
@one_test
@pytest.mark.parametrize("batch_size", [5, 4, 3, 1, 10, np.int64(32)])
@pytest.mark.parametrize("shuffle", [True, False], ids=["shuffled", "in order"])
@pytest.mark.parametrize("seed", [None, 3], ids=["no seed", "seed"])
@pytest.mark.parametrize("seed_before", SEEDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
@pytest.mark.parametrize(
    "subset",
    [{}, *({"subset": name, "ignore_class_split": True} for name in ("training", "validation"))],
)
def test_next_gives_keras_batches_for_three_epochs(
    batch_size, shuffle, seed, seed_before, dtype, data_format, subset
):
    keras.config.set_floatx(dtype)
    images = IMAGES if data_format == "channels_last" else IMAGES.transpose(0, 3, 1, 2)
    options = {**OPTIONS, "data_format": data_format, "dtype": dtype, "validation_split": 0.27}
    flow = {"batch_size": batch_size, "shuffle": shuffle, "seed": seed, **subset}
    assert_same_flow(*both(images, options=options, seed_before=seed_before, **flow))


@one_test
@pytest.mark.parametrize("seed", [None, 3], ids=["no seed", "seed"])
def test_next_and_numbers_mix_as_in_keras(seed):
    ours, theirs = both(batch_size=4, seed=seed)
    for step in (next, 2, 0, 0, next, "on_epoch_end", 1, 2, 0, next, "reset", next):
        if isinstance(step, str):
            getattr(ours, step)()
            getattr(theirs, step)()
        else:
            assert_same_batch(*(next(i) if step is next else i[step] for i in (ours, theirs)))
    assert_same_stream(ours)


FORMS = {
    "images alone": (IMAGES, None, {}),
    "float labels": (IMAGES, WEIGHTS, {}),
    "one-hot labels": (IMAGES, np.eye(NUM_IMAGES, dtype=np.float32)[LABELS], {}),
    "uint8 images": ((IMAGES * 9).astype(np.uint8), LABELS, {}),
    "float64 images": (IMAGES.astype(np.float64), LABELS, {}),
    "a list as labels": (IMAGES, LABELS.tolist(), {}),
    "weights": (IMAGES, LABELS, {"sample_weight": WEIGHTS}),
    "weights without labels": (IMAGES, None, {"sample_weight": WEIGHTS}),
    "one further input": ((IMAGES, NAMES_OF_FIVE), LABELS, {}),
    "two further inputs": ((IMAGES, [NAMES_OF_FIVE, WEIGHTS]), LABELS, {}),
    "further inputs as a list": ([IMAGES, [WEIGHTS]], LABELS, {}),
    "further inputs alone": ((IMAGES, [NAMES_OF_FIVE, WEIGHTS]), None, {}),
    "everything": ((IMAGES, [NAMES_OF_FIVE]), LABELS, {"sample_weight": WEIGHTS}),
}


def images_of(part):
    return images_of(part[0]) if isinstance(part, tuple | list) else part


@one_test
@pytest.mark.parametrize("subset", [{}, {"subset": "training", "ignore_class_split": True}])
@pytest.mark.parametrize(("x", "y", "more"), FORMS.values(), ids=FORMS)
def test_every_form_of_inputs_gives_keras_batches_which_may_be_changed(x, y, more, subset):
    options = {**OPTIONS, "validation_split": 0.3}
    flow = {"batch_size": 4, "shuffle": False, **({} if more else subset)}
    assert_same_flow(*both(x, y, options=options, **flow, **more), epochs=2)
    ours, _ = both(x, y, options=options, **flow, **more)
    x, more = keras.tree.map_structure(torch.tensor, (x, more))
    y = None if y is None else torch.tensor(y)
    kept = images_of(x).clone()
    generator, _ = generators(**options)
    for batch, expected in zip(generator.flow(x, y, **flow, **more), ours, strict=True):
        torch.testing.assert_close(batch, expected, rtol=0, atol=0)
        images_of(batch).zero_()
    assert torch.equal(images_of(x), kept)


@pytest.mark.parametrize("seed", [None, 3], ids=["no seed", "seed"])
@pytest.mark.parametrize(
    ("save_format", "images", "data_format"),
    [
        ("png", IMAGES[..., :1], "channels_last"),
        ("jpeg", IMAGES, "channels_last"),
        ("png", IMAGES.transpose(0, 3, 1, 2), "channels_first"),
    ],
)
def test_saved_images_have_keras_names_and_pixels(tmp_path, images, data_format, save_format, seed):
    flow = {"save_prefix": "new", "save_format": save_format, "batch_size": 4, "seed": seed}
    folders, flows = (tmp_path / "ours", tmp_path / "theirs"), []
    both = generators(**OPTIONS, data_format=data_format)
    for folder, generator in zip(folders, both, strict=True):
        folder.mkdir()
        flows.append(generator.flow(images, LABELS, save_to_dir=str(folder), **flow))
    assert_same_flow(*flows, epochs=2)
    names = assert_same_files(*folders)
    assert [name for name in names if re.fullmatch(f"new_.*{save_format}", name)] == names
    assert len(names) == 20


ERRORS = [
    ((IMAGES, LABELS[:9]), {}, r"different lengths: got shapes .*\(10, 6, 9, 3\), \(9,\)"),
    ((IMAGES, LABELS), {"sample_weight": WEIGHTS[:9]}, r"different lengths: .*\(10,\), \(9,\)"),
    (((IMAGES, NAMES_OF_FIVE[:9]),), {}, r"different lengths: .*\(10, 6, 9, 3\), \(9, 5\)"),
    (((IMAGES, [WEIGHTS, NAMES_OF_FIVE[:9]]),), {}, r"different lengths: .*\(10,\), \(9, 5\)"),
    ((np.zeros((10, 6, 9)),), {}, r"flow: x of shape \(10, 6, 9,?\): expected four axes"),
    ((np.zeros((10, 1, 6, 9, 3)),), {}, r"flow: x of shape .*: expected four axes"),
    (((IMAGES,),), {}, "x of 1 parts: expected images, and further"),
    (((IMAGES,) * 3,), {}, "x of 3 parts: expected images, and further"),
    ((IMAGES[:0], LABELS[:0]), {}, "no images: expected at least one"),
    ((IMAGES,), {"subset": "validation"}, "no images: expected at least one"),
    ((IMAGES,), {"subset": "test"}, "subset='test': expected 'training' or 'validation'"),
    *(
        ((IMAGES,), {"batch_size": size}, f"batch_size={size}: expected an integer of at")
        for size in (0, 2.0, None, True)
    ),
    ((IMAGES,), {"save_to_dir": "/no"}, "save_to_dir='/no': there is no such folder"),
    ((IMAGES,), {"save_to_dir": Path("/no")}, "save_to_dir='/no': there is no such folder"),
]


@one_test
@pytest.mark.parametrize(("parts", "options", "message"), ERRORS)
def test_what_cannot_be_fed_is_an_error_that_shows_it(parts, options, message):
    with pytest.raises(ValueError, match=message):
        ImageDataGenerator().flow(*parts, **options)


def test_an_array_of_usual_channels_that_may_not_be_written_to_gives_no_warning():
    for channels in (1, 3, 4):
        images = np.broadcast_to(np.float32(0), (4, 3, 3, channels))
        assert ImageDataGenerator().flow(images, images)[0][0].shape == (4, 3, 3, channels)


def test_a_preprocessing_function_that_draws_draws_between_the_images():
    """Keras goes image by image, so that what it draws lies between their parameters."""

    def add_noise(image, random_state=np.random):
        return image + random_state.uniform(-1, 1, image.shape).astype(np.float32)

    ours, theirs = generators(**OPTIONS)
    theirs.preprocessing_function = add_noise
    ours.preprocessing_function = lambda image: torch.tensor(
        add_noise(image.numpy(), ours.random_state)
    )
    assert_same_flow(*(each.flow(IMAGES, LABELS, batch_size=4) for each in (ours, theirs)))


def test_weights_of_a_subset_are_those_of_its_images():
    """By hand: Keras splits the images, and gives them the weights from the first one on."""
    flow = {"subset": "training", "sample_weight": WEIGHTS, "shuffle": False}
    ours, theirs = both(y=np.arange(NUM_IMAGES) % 2, options={"validation_split": 0.3}, **flow)
    np.testing.assert_array_equal(ours[0][2], WEIGHTS[3:])
    np.testing.assert_array_equal(theirs[0][2], WEIGHTS[:7])


@one_test
@pytest.mark.parametrize("labels", [np.arange(NUM_IMAGES) // 5, WEIGHTS], ids=["sorted", "floats"])
@pytest.mark.parametrize("more", [{}, {"sample_weight": WEIGHTS}], ids=["", "weights"])
def test_subsets_of_different_classes_are_an_error_unless_they_are_wanted(labels, more):
    generator, _ = generators(validation_split=0.3)
    for subset in ("training", "validation"):
        with pytest.raises(ValueError, match=r"the first 3 labels.*other classes.*remaining 7"):
            generator.flow(IMAGES, labels, subset=subset, **more)
    flow = generator.flow(IMAGES, labels, subset="training", ignore_class_split=True, **more)
    np.testing.assert_array_equal(flow.y, labels[3:])


@one_test
@pytest.mark.parametrize("number", [-1, 3, 99])
def test_a_batch_that_is_not_there_is_an_error(number):
    """And nothing is drawn or seeded."""
    batches, _ = both(options={}, batch_size=4, seed=3)
    with pytest.raises(IndexError, match=f"batch {number}: expected 0 to 2"):
        batches[number]
    assert_same_stream(batches)


@one_test
@pytest.mark.parametrize(
    ("shape", "data_format", "axis"),
    [((10, 6, 9, 2), "channels_last", 3), ((10, 2, 6, 9), "channels_first", 1)],
)
def test_an_unusual_number_of_channels_is_a_warning_as_in_keras(shape, data_format, axis):
    images = np.random.default_rng(2).random(shape, np.float32)
    ours, theirs = generators(**OPTIONS, data_format=data_format)
    has = rf"x of shape .* has 2 channels on axis {axis} \(data_format='{data_format}'"
    with pytest.warns(UserWarning, match=f"channels on axis {axis}"):
        theirs = theirs.flow(images, LABELS, batch_size=4)
    with pytest.warns(UserWarning, match=f"flow: {has}") as caught:
        flow = ours.flow(images, LABELS, batch_size=4)
    assert_same_flow(flow, theirs, epochs=1)
    ours.featurewise_center = True
    with pytest.warns(UserWarning, match=f"fit: {has}") as of_fit:
        ours.fit(images)
    assert [warning.filename for warning in (*caught, *of_fit)] == [__file__] * 2
