"""Batches from memory are those of Keras's iterator: order, labels, pixels, stream and files."""

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from helpers import MOVED, SEEDS, assert_same_bits, assert_same_images
from PIL import Image
from tensorflow.keras.preprocessing.image import ImageDataGenerator as KerasGenerator

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
    ours = ImageDataGenerator(**options, random_state=np.random.RandomState(seed_before))
    np.random.seed(seed_before)
    return ours.flow(x, y, **flow), KerasGenerator(**options).flow(x, y, **flow)


def assert_same_batch(ours, theirs):
    """The images within one rounding of their range of values; all the rest to the bit."""
    if isinstance(theirs, tuple | list):
        assert type(ours) is type(theirs)
        assert_same_batch(ours[0], theirs[0])
        for part, expected in zip(ours[1:], theirs[1:], strict=True):
            assert_same_bits(part, expected)
    else:
        assert_same_images(ours, theirs)


def assert_same_stream(ours):
    """Nothing more and nothing less was drawn; call it last."""
    assert ours.generator.random_state.random_sample() == np.random.random()


def assert_same_flow(ours, theirs, epochs=3):
    """What `next` gives is what Keras's `next` gives, epoch after epoch."""
    assert len(ours) == len(theirs)
    for _ in range(epochs * len(theirs)):
        assert_same_batch(next(ours), next(theirs))
    assert_same_stream(ours)


# Of ten images: even, with a last one of 2 and of 1, one by one, exactly all, more than all.
@one_test
@pytest.mark.parametrize("batch_size", [5, 4, 3, 1, 10, 32])
@pytest.mark.parametrize("shuffle", [True, False], ids=["shuffled", "in order"])
@pytest.mark.parametrize("seed", [None, 3], ids=["no seed", "seed"])
def test_next_gives_keras_batches_for_three_epochs(batch_size, shuffle, seed):
    assert_same_flow(*both(batch_size=batch_size, shuffle=shuffle, seed=seed))


@one_test
@pytest.mark.parametrize("seed", SEEDS)
def test_every_state_of_the_stream_goes_on_as_in_keras(seed):
    assert_same_flow(*both(seed_before=seed, batch_size=4))


@one_test
@pytest.mark.parametrize("seed", [None, 3], ids=["no seed", "seed"])
def test_batches_by_number_are_keras_batches_in_any_order(seed):
    ours, theirs = both(batch_size=4, seed=seed)
    for number in (2, 0, 0, 1):
        assert_same_batch(ours[number], theirs[number])
    for iterator in (ours, theirs):
        iterator.on_epoch_end()
    for number in (1, 2, 0):
        assert_same_batch(ours[number], theirs[number])
    assert_same_stream(ours)


@one_test
@pytest.mark.parametrize("seed", [None, 3], ids=["no seed", "seed"])
def test_next_and_numbers_mix_as_in_keras(seed):
    ours, theirs = both(batch_size=4, seed=seed)
    assert_same_batch(next(ours), next(theirs))
    assert_same_batch(ours[2], theirs[2])
    assert_same_batch(next(ours), next(theirs))
    for iterator in (ours, theirs):
        iterator.reset()
    assert_same_batch(next(ours), next(theirs))
    for iterator in (ours, theirs):
        iterator.on_epoch_end()
    assert_same_batch(next(ours), next(theirs))
    assert_same_stream(ours)


@one_test
@pytest.mark.parametrize("seed", [None, 3], ids=["no seed", "seed"])
@pytest.mark.parametrize("shuffle", [True, False], ids=["shuffled", "in order"])
def test_a_for_loop_is_one_epoch_of_keras(shuffle, seed):
    ours, theirs = both(batch_size=4, shuffle=shuffle, seed=seed)
    for _ in range(3):
        batches = list(ours)
        assert len(batches) == len(theirs) == 3
        for number, batch in enumerate(batches):
            assert_same_batch(batch, theirs[number])
        theirs.on_epoch_end()
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


@one_test
@pytest.mark.parametrize(("x", "y", "more"), FORMS.values(), ids=FORMS)
def test_every_form_of_inputs_gives_keras_batches(x, y, more):
    assert_same_flow(*both(x, y, batch_size=4, **more), epochs=2)


@one_test
@pytest.mark.parametrize(("x", "y", "more"), FORMS.values(), ids=FORMS)
def test_tensors_are_taken_as_arrays_are(x, y, more):
    def tensors(part):
        if isinstance(part, tuple | list) and not isinstance(part[0], int):
            return type(part)(map(tensors, part))
        return torch.tensor(part)

    arrays, _ = both(x, y, batch_size=4, **more)
    more = {name: torch.tensor(part) for name, part in more.items()}
    generator = ImageDataGenerator(**OPTIONS, random_state=np.random.RandomState(5))
    y = None if y is None else torch.tensor(y)
    ours = generator.flow(tensors(x), y, batch_size=4, **more)
    for batch, expected in zip(ours, arrays, strict=True):
        torch.testing.assert_close(batch, expected, rtol=0, atol=0)


@one_test
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
def test_both_layouts_and_dtypes_give_keras_batches(data_format, dtype):
    keras.config.set_floatx(dtype)
    images = IMAGES if data_format == "channels_last" else IMAGES.transpose(0, 3, 1, 2)
    options = {**OPTIONS, "data_format": data_format, "dtype": dtype}
    assert_same_flow(*both(images, options=options, batch_size=4))


def test_statistics_are_applied_as_in_keras():
    options = {"rotation_range": 20, "featurewise_center": True, "samplewise_center": True}
    ours, theirs = both(options=options, batch_size=4)
    ours.generator.fit(IMAGES)
    theirs.image_data_generator.fit(IMAGES)
    assert_same_flow(ours, theirs)


def test_a_preprocessing_function_that_draws_draws_between_the_images():
    """Keras goes image by image, so that what it draws lies between their parameters."""

    def add_noise(image, random_state):
        return image + random_state.uniform(-1, 1, image.shape).astype(np.float32)

    ours, _ = both(batch_size=4)
    ours.generator.preprocessing_function = lambda image: torch.tensor(
        add_noise(image.numpy(), ours.generator.random_state)
    )
    options = {**OPTIONS, "preprocessing_function": lambda image: add_noise(image, np.random)}
    theirs = KerasGenerator(**options).flow(IMAGES, LABELS, batch_size=4)
    assert_same_flow(ours, theirs)


@one_test
@pytest.mark.parametrize("layout", ["images", "images and labels"])
def test_what_is_given_is_not_changed(layout):
    x, y = torch.tensor(IMAGES), torch.tensor(LABELS)
    for options in ({}, OPTIONS):
        generator = ImageDataGenerator(**options, random_state=np.random.RandomState(0))
        for batch in generator.flow(x, y if layout == "images and labels" else None, batch_size=4):
            (batch[0] if isinstance(batch, tuple) else batch).zero_()
    np.testing.assert_array_equal(x, IMAGES)
    np.testing.assert_array_equal(y, LABELS)


def test_the_parameters_of_the_last_batch_can_be_read():
    ours, _ = both(batch_size=4, shuffle=False)
    assert ours.params is None
    x, _ = ours[1]
    again = ours.generator.apply_transform(torch.tensor(IMAGES[4:8]), ours.params)
    assert torch.equal(x, again * 0.5)  # rescale
    ours[2]
    assert len(ours.params["theta"]) == 2


CLASSES = np.arange(NUM_IMAGES) % 2


@one_test
@pytest.mark.parametrize("subset", ["training", "validation"])
@pytest.mark.parametrize("split", [0.27, 0.5])
def test_a_subset_is_that_of_keras(subset, split):
    options = {**OPTIONS, "validation_split": split}
    ours, theirs = both(y=CLASSES, options=options, subset=subset, batch_size=4)
    assert ours.n == theirs.n
    assert_same_flow(ours, theirs)


@one_test
@pytest.mark.parametrize("subset", ["training", "validation"])
@pytest.mark.parametrize("form", ["images alone", "further inputs alone", "two further inputs"])
def test_further_inputs_are_split_with_the_images(form, subset):
    options = {**OPTIONS, "validation_split": 0.3}
    x, y, _ = FORMS[form]
    flow = {"subset": subset, "ignore_class_split": True, "batch_size": 4}
    assert_same_flow(*both(x, y, options=options, **flow))


def test_weights_of_a_subset_are_those_of_its_images():
    """By hand: Keras splits the images, and gives them the weights from the first one on."""
    options = {"validation_split": 0.3}
    flow = {"subset": "training", "sample_weight": WEIGHTS}
    ours, theirs = both(y=CLASSES, options=options, shuffle=False, **flow)
    np.testing.assert_array_equal(ours[0][2], WEIGHTS[3:])
    np.testing.assert_array_equal(theirs[0][2], WEIGHTS[:7])


@one_test
@pytest.mark.parametrize("labels", [np.arange(NUM_IMAGES) // 5, WEIGHTS], ids=["sorted", "floats"])
@pytest.mark.parametrize("more", [{}, {"sample_weight": WEIGHTS}], ids=["", "weights"])
def test_subsets_of_different_classes_are_an_error_unless_they_are_wanted(labels, more):
    images = torch.tensor(IMAGES)
    generator = ImageDataGenerator(validation_split=0.3, random_state=np.random.RandomState(0))
    for subset in ("training", "validation"):
        with pytest.raises(ValueError, match=r"the first 3 labels.*other classes.*remaining 7"):
            generator.flow(images, labels, subset=subset, **more)
    flow = generator.flow(images, labels, subset="training", ignore_class_split=True, **more)
    assert flow.n == 7
    np.testing.assert_array_equal(flow.y, labels[3:])


def test_the_labels_can_be_read():
    generator = ImageDataGenerator()
    np.testing.assert_array_equal(generator.flow(IMAGES, LABELS).y, LABELS)
    with_weights = generator.flow(IMAGES, LABELS, sample_weight=WEIGHTS)
    np.testing.assert_array_equal(with_weights.y, LABELS)
    assert generator.flow(IMAGES, sample_weight=WEIGHTS).y is None
    assert generator.flow(IMAGES).y is None


def assert_same_files(ours, theirs):
    """The same names, and the same pixels by each name."""
    names = sorted(path.name for path in theirs.iterdir())
    assert sorted(path.name for path in ours.iterdir()) == names
    for name in names:
        with Image.open(ours / name) as file, Image.open(theirs / name) as expected:
            assert (file.format, file.mode) == (expected.format, expected.mode)
            np.testing.assert_array_equal(np.asarray(file), np.asarray(expected))
    return names


@pytest.mark.parametrize("seed", [None, 3], ids=["no seed", "seed"])
@pytest.mark.parametrize("save_format", ["png", "jpeg"])
@pytest.mark.parametrize("channels", [1, 3])
def test_saved_images_have_keras_names_and_pixels(tmp_path, channels, save_format, seed):
    folders = tmp_path / "ours", tmp_path / "theirs"
    generators = (
        ImageDataGenerator(**OPTIONS, random_state=np.random.RandomState(5)),
        KerasGenerator(**OPTIONS),
    )
    np.random.seed(5)
    iterators = []
    for folder, generator in zip(folders, generators, strict=True):
        folder.mkdir()
        flow = {"save_to_dir": folder, "save_prefix": "new", "save_format": save_format}
        flow |= {"batch_size": 4, "seed": seed}
        iterators.append(generator.flow(IMAGES[..., :channels], LABELS, **flow))
    assert_same_flow(*iterators, epochs=2)
    names = assert_same_files(*folders)
    assert len(names) == 20
    assert all(name.startswith("new_") and name.endswith(save_format) for name in names)


def test_saved_images_of_channels_first_have_keras_names_and_pixels(tmp_path):
    images = np.random.default_rng(1).random((3, 4, 6, 9), np.float32)
    options = {**OPTIONS, "data_format": "channels_first"}
    np.random.seed(5)
    generators = {
        "ours": ImageDataGenerator(**options, random_state=np.random.RandomState(5)),
        "theirs": KerasGenerator(**options),
    }
    for name, generator in generators.items():
        (tmp_path / name).mkdir()
        next(generator.flow(images, save_to_dir=str(tmp_path / name)))
    assert len(assert_same_files(tmp_path / "ours", tmp_path / "theirs")) == 3


def flow(x=IMAGES, y=LABELS, **options):
    return ImageDataGenerator(random_state=np.random.RandomState(0)).flow(x, y, **options)


@one_test
@pytest.mark.parametrize("number", [-1, 3, 99])
def test_a_batch_that_is_not_there_is_an_error(number):
    batches = flow(batch_size=4, seed=3)
    with pytest.raises(IndexError, match=f"batch {number}: expected 0 to 2"):
        batches[number]
    # And nothing was drawn or seeded.
    assert batches.generator.random_state.random_sample() == np.random.RandomState(0).random()


MISFITS = {
    "labels": (IMAGES, LABELS[:9], {}, r"\(10, 6, 9, 3\), \(9,\)"),
    "weights": (IMAGES, LABELS, {"sample_weight": WEIGHTS[:9]}, r"\(10,\), \(9,\)"),
    "a further input": ((IMAGES, NAMES_OF_FIVE[:9]), None, {}, r"\(10, 6, 9, 3\), \(9, 5\)"),
    "the second input": ((IMAGES, [WEIGHTS, NAMES_OF_FIVE[:9]]), None, {}, r"\(10,\), \(9, 5\)"),
}


@one_test
@pytest.mark.parametrize(("x", "y", "more", "shapes"), MISFITS.values(), ids=MISFITS)
def test_different_lengths_are_an_error_that_shows_the_shapes(x, y, more, shapes):
    with pytest.raises(ValueError, match=f"different lengths: got shapes .*{shapes}"):
        flow(x, y, **more)


@one_test
@pytest.mark.parametrize("shape", [(10, 6, 9), (10, 54), (10,), (10, 1, 6, 9, 3)], ids=str)
def test_images_without_four_axes_are_an_error(shape):
    expected = ", ".join(map(str, shape))
    with pytest.raises(ValueError, match=rf"flow: x of shape \({expected},?\): expected four axes"):
        flow(np.zeros(shape))


@one_test
@pytest.mark.parametrize("num_parts", [1, 3])
def test_images_and_more_than_further_inputs_are_an_error(num_parts):
    with pytest.raises(ValueError, match=f"x of {num_parts} parts: expected images, and further"):
        flow((IMAGES,) * num_parts)


def test_no_images_are_an_error():
    with pytest.raises(ValueError, match="no images: expected at least one"):
        flow(IMAGES[:0], LABELS[:0])


@one_test
@pytest.mark.parametrize("split", [0.0, 0.05])
def test_a_subset_without_images_is_an_error(split):
    generator = ImageDataGenerator(validation_split=split)
    with pytest.raises(ValueError, match="no images: expected at least one"):
        generator.flow(IMAGES, subset="validation")


def test_a_subset_of_another_name_is_an_error():
    with pytest.raises(ValueError, match="subset='test': expected 'training' or 'validation'"):
        flow(subset="test")


@one_test
@pytest.mark.parametrize("batch_size", [0, -1, 2.0, None, True])
def test_a_batch_size_that_makes_no_sense_is_an_error_that_shows_it(batch_size):
    with pytest.raises(ValueError, match=f"batch_size={batch_size}: expected an integer of at"):
        flow(batch_size=batch_size)


def test_a_batch_size_may_be_one_of_numpys_integers():
    assert_same_flow(*both(batch_size=np.int64(4)))


def test_a_missing_folder_for_saving_is_an_error_that_names_it(tmp_path):
    missing = tmp_path / "missing"
    for folder in (missing, str(missing)):
        with pytest.raises(ValueError, match=f"save_to_dir='{missing}': there is no such folder"):
            flow(save_to_dir=folder)


def test_images_that_cannot_be_saved_are_an_error(tmp_path):
    with pytest.warns(UserWarning, match="has 2 channels"):
        batches = flow(IMAGES[..., :2], save_to_dir=tmp_path)
    with pytest.raises(ValueError, match="image with 2 channels: expected 1, 3 or 4"):
        next(batches)


CHANNELS = [((10, 6, 9, 2), "channels_last", 3), ((10, 2, 6, 9), "channels_first", 1)]


@one_test
@pytest.mark.parametrize(("shape", "data_format", "axis"), CHANNELS)
def test_an_unusual_number_of_channels_is_a_warning_as_in_keras(shape, data_format, axis):
    options = {**OPTIONS, "data_format": data_format}
    images = np.random.default_rng(2).random(shape, np.float32)
    np.random.seed(5)
    with pytest.warns(UserWarning, match=f"channels on axis {axis}"):
        theirs = KerasGenerator(**options).flow(images, LABELS, batch_size=4)
    generator = ImageDataGenerator(**options, random_state=np.random.RandomState(5))
    expected = rf"flow: x of shape .* has 2 channels on axis {axis} \(data_format='{data_format}'"
    with pytest.warns(UserWarning, match=expected) as caught:
        ours = generator.flow(images, LABELS, batch_size=4)
    assert [warning.filename for warning in caught] == [__file__]
    assert_same_flow(ours, theirs, epochs=1)


@one_test
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_usual_numbers_of_channels_are_no_warning(channels):
    """A warning is an error here."""
    flow(np.zeros((10, 2, 2, channels)))


def test_a_warning_about_channels_points_to_the_line_of_the_caller():
    generator = ImageDataGenerator(featurewise_center=True)
    for call in (generator.flow, generator.fit):
        with pytest.warns(UserWarning, match="has 2 channels on axis 3") as caught:
            call(torch.rand(2, 5, 5, 2))
        assert caught[0].filename == __file__


def test_an_array_that_may_not_be_written_to_is_taken_without_a_warning():
    images = np.zeros((4, 3, 3, 1), dtype=np.float32)
    images.flags.writeable = False
    assert ImageDataGenerator().flow(images, images)[0][0].shape == (4, 3, 3, 1)
