"""A folder of images is read as Keras reads it: files, classes, labels, pixels and stream."""

import re

import keras
import numpy as np
import pytest
import torch
from helpers import MOVED, assert_same_bits, assert_same_images
from PIL import Image
from tensorflow.keras.preprocessing.image import ImageDataGenerator as KerasGenerator

from torch_impl.augment import ImageDataGenerator
from torch_impl.augment.directory import FILE_NAME_ENDINGS

# Each of another size. Sorted as Keras sorts: by the path of the folder, so that "young-2" comes
# between "young" and "young/deep", and then by name; capitals come first.
FILES = {
    "Zoos/1.Jpeg": "RGB",
    "Zoos/10.png": "RGB",
    "Zoos/2.png": "RGB",
    "cats/Z.jpg": "RGB",
    "cats/a.JPEG": "CMYK",
    "cats/b.PNG": "RGB",
    "cats/without_a_dotpng": "RGB",
    "cats/young/c.bmp": "RGB",
    "cats/young-2/deep.png": "L",
    "cats/young/deep/16_bits.png": "I;16",
    "cats/young/deep/album.png/page.png": "RGB",
    "dogs/.png": "RGB",
    "dogs/alpha.png": "RGBA",
    "dogs/gray.jpg": "L",
    "dogs/palette.Png": "P",
    "dogs/portable.ppm": "RGB",
    "dogs/old/bits.bmp": "1",
    "dogs/old/gray_alpha.png": "LA",
    "dogs/old/integers.tif": "I",
}
# Files that Keras does not take, although some of them are images.
OTHERS = (
    "loose.png",
    "Zoos/notes.txt",
    "cats/a.png.bak",
    "cats/film.gif",
    "cats/modern.webp",
    "dogs/old/Thumbs.db",
)
CLASSES = ["Zoos", "cats", "dogs"]

AUGMENTED = {**MOVED, "channel_shift_range": 40.0, "vertical_flip": True, "rescale": 1 / 255}


def picture(kind, height, width, seed):
    """Noise; `kind` is Pillow's name of what a pixel holds."""
    generator = np.random.default_rng(seed)
    if kind in ("I;16", "I"):
        dtype = {"I;16": np.uint16, "I": np.int32}[kind]
        return Image.fromarray(generator.integers(0, 60_000, (height, width)).astype(dtype))
    pixels = generator.integers(0, 256, (height, width, 4), dtype=np.uint8)
    if kind in ("RGBA", "LA"):
        return Image.fromarray(pixels).convert(kind)
    return Image.fromarray(pixels[:, :, :3].copy()).convert(kind)


def save(path, kind="RGB", height=9, width=13, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    ending = path.name.lower()[-3:]
    file_format = {"jpg": "jpeg", "peg": "jpeg", "tif": "tiff"}.get(ending, ending)
    with path.open("wb") as file:
        picture(kind, height, width, seed).save(file, format=file_format)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for number, (name, kind) in enumerate(FILES.items()):
        save(folder / name, kind, height=7 + number, width=25 - number, seed=number)
    for name in OTHERS:
        (folder / name).write_text("not to be read")
    return folder


@pytest.fixture
def two_classes(tmp_path):
    """A small folder that a test may spoil."""
    for number, name in enumerate(("a/1.png", "a/2.png", "b/3.png", "b/sub/4.png")):
        save(tmp_path / name, seed=number)
    return tmp_path


def both(directory, *, options=None, seed_before=5, **flow):
    """Our iterator and Keras's, for the same arguments and streams."""
    options = options or {}
    flow = {"target_size": (8, 11), "batch_size": 4} | flow
    ours = ImageDataGenerator(**options, random_state=np.random.RandomState(seed_before))
    np.random.seed(seed_before)
    theirs = KerasGenerator(**options)
    return ours.flow_from_directory(directory, **flow), theirs.flow_from_directory(
        directory, **flow
    )


def assert_same_batch(ours, theirs):
    """Images within one rounding of their range of values; labels to the bit."""
    if isinstance(theirs, tuple):
        images, labels = ours
        assert_same_images(images, theirs[0])
        # The images themselves, if they are their labels.
        is_images = theirs[1].ndim == 4
        (assert_same_images if is_images else assert_same_bits)(labels, theirs[1])
    else:
        assert_same_images(ours, theirs)


def assert_same_flow(ours, theirs, epochs=2):
    """The same files and classes, and what `next` gives, epoch after epoch."""
    assert ours.filenames == theirs.filenames
    assert ours.filepaths == theirs.filepaths
    assert list(ours.class_indices.items()) == list(theirs.class_indices.items())
    assert ours.classes.tolist() == ours.labels.tolist() == theirs.classes.tolist()
    assert (ours.num_classes, ours.samples) == (theirs.num_classes, theirs.samples)
    assert (ours.n, len(ours)) == (theirs.n, len(theirs))
    for _ in range(epochs * len(theirs)):
        assert_same_batch(next(ours), next(theirs))
    # Nothing more and nothing less was drawn.
    assert ours.generator.random_state.random_sample() == np.random.random()


def test_the_files_are_found_in_keras_order(photos):
    ours, _ = both(photos)
    assert ours.filenames == list(FILES)  # as written down above
    assert ours.class_indices == {"Zoos": 0, "cats": 1, "dogs": 2}
    assert ours.classes.tolist() == [0] * 3 + [1] * 8 + [2] * 8
    assert_same_flow(*both(photos))


def test_keras_takes_these_endings_and_no_others(two_classes):
    theirs = KerasGenerator().flow_from_directory(two_classes)
    assert theirs.white_list_formats == FILE_NAME_ENDINGS


@pytest.mark.parametrize("class_mode", ["categorical", "binary", "sparse", "input", None])
def test_every_class_mode_gives_keras_labels(photos, class_mode):
    assert_same_flow(*both(photos, options=AUGMENTED, class_mode=class_mode))


def test_labels_are_those_of_the_files(photos):
    """By hand: 3, 8 and 8 files, see `FILES`."""
    for class_mode, expected in (
        ("categorical", [[1, 0, 0]] * 3 + [[0, 1, 0]] * 8 + [[0, 0, 1]] * 8),
        ("sparse", [0] * 3 + [1] * 8 + [2] * 8),
    ):
        ours, _ = both(photos, class_mode=class_mode, shuffle=False)
        assert torch.cat([labels for _, labels in ours]).tolist() == expected


def test_images_as_labels_can_be_changed_alone(two_classes):
    ours, _ = both(two_classes, class_mode="input")
    images, labels = next(ours)
    before = labels.clone()
    images.zero_()
    assert torch.equal(labels, before)


@pytest.mark.parametrize("keep_aspect_ratio", [False, True], ids=["stretched", "cropped"])
@pytest.mark.parametrize("color_mode", ["rgb", "rgba", "grayscale"])
def test_every_color_mode_gives_keras_pixels(photos, color_mode, keep_aspect_ratio):
    flow = {"color_mode": color_mode, "keep_aspect_ratio": keep_aspect_ratio}
    assert_same_flow(*both(photos, **flow, interpolation="bilinear"))
    assert_same_flow(*both(photos, **flow, options=AUGMENTED))


@pytest.mark.parametrize("target_size", [(8, 11), (30, 20), (1, 1)], ids=str)
@pytest.mark.parametrize(
    "interpolation", ["nearest", "bilinear", "bicubic", "hamming", "box", "lanczos"]
)
def test_every_interpolation_gives_keras_pixels(photos, interpolation, target_size):
    flow = {"interpolation": interpolation, "target_size": target_size}
    assert_same_flow(*both(photos, **flow), epochs=1)


def test_the_default_size_is_that_of_keras(two_classes):
    np.random.seed(5)
    theirs = KerasGenerator().flow_from_directory(two_classes)
    generator = ImageDataGenerator(random_state=np.random.RandomState(5))
    ours = generator.flow_from_directory(two_classes)
    assert_same_flow(ours, theirs, epochs=1)
    assert next(ours)[0].shape == (4, 256, 256, 3)


@pytest.mark.parametrize("subset", [None, "training", "validation"])
@pytest.mark.parametrize("shuffle", [True, False], ids=["shuffled", "in order"])
@pytest.mark.parametrize("seed", [None, 3], ids=["no seed", "seed"])
def test_every_subset_and_order_is_that_of_keras(photos, subset, shuffle, seed):
    options = {**AUGMENTED, "validation_split": 0.4}
    flow = {"subset": subset, "shuffle": shuffle, "seed": seed}
    assert_same_flow(*both(photos, options=options, **flow))


def test_a_subset_takes_the_first_files_of_each_class(photos):
    """By hand: 0.4 of 3, 8 and 8 files are cut to 1, 3 and 3."""
    names = list(FILES)
    first = names[:1] + names[3:6] + names[11:14]
    options = {"validation_split": 0.4}
    validation, _ = both(photos, options=options, subset="validation")
    training, _ = both(photos, options=options, subset="training")
    assert validation.filenames == first
    assert training.filenames == [name for name in names if name not in first]


def test_a_class_may_be_missing_in_a_subset(photos):
    """By hand: 0.2 of 3 is cut to 0; Keras keeps the number of the class."""
    flow = {"options": {"validation_split": 0.2}, "subset": "validation"}
    ours, theirs = both(photos, **flow)
    assert ours.classes.tolist() == [1, 2]
    assert_same_flow(ours, theirs)


@pytest.mark.parametrize(
    "classes",
    [["dogs", "Zoos", "cats"], ("cats", "Zoos"), ["dogs"], []],
    ids=["turned", "two", "one", "none"],
)
def test_classes_may_be_given_in_an_order(photos, classes):
    assert_same_flow(*both(photos, classes=classes))


def test_a_folder_may_be_given_as_text(photos):
    assert_same_flow(*both(str(photos)), epochs=1)
    assert_same_flow(*both(f"{photos}/"), epochs=1)


@pytest.mark.parametrize("batch_size", [1, 5, 19, 64])
def test_every_batch_size_gives_keras_batches(photos, batch_size):
    assert_same_flow(*both(photos, options=AUGMENTED, batch_size=batch_size))


@pytest.mark.parametrize("seed", [None, 3], ids=["no seed", "seed"])
def test_batches_by_number_are_keras_batches_in_any_order(photos, seed):
    ours, theirs = both(photos, options=AUGMENTED, seed=seed)
    for numbers in ((2, 0, 0, 4, 1), (3, 1)):
        for number in numbers:
            assert_same_batch(ours[number], theirs[number])
        for iterator in (ours, theirs):
            iterator.on_epoch_end()
    assert_same_flow(ours, theirs, epochs=1)


def test_a_for_loop_is_one_epoch_of_keras(photos):
    ours, theirs = both(photos, options=AUGMENTED)
    for _ in range(2):
        batches = list(ours)
        assert len(batches) == 5
        for number, batch in enumerate(batches):
            assert_same_batch(batch, theirs[number])
        theirs.on_epoch_end()
    assert ours.generator.random_state.random_sample() == np.random.random()


@pytest.mark.parametrize("color_mode", ["rgb", "grayscale"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
def test_both_layouts_and_dtypes_give_keras_batches(photos, data_format, dtype, color_mode):
    keras.config.set_floatx(dtype)
    options = {**AUGMENTED, "data_format": data_format, "dtype": dtype}
    assert_same_flow(*both(photos, options=options, color_mode=color_mode))


@pytest.mark.parametrize(
    "options",
    [
        {"brightness_range": (0.5, 1.5)},
        {"samplewise_center": True, "samplewise_std_normalization": True},
        {"rotation_range": 40, "fill_mode": "constant", "cval": 7.0},
        {"width_shift_range": [1, 3], "fill_mode": "wrap", "interpolation_order": 0},
        {"zoom_range": (0.5, 0.8), "fill_mode": "reflect", "interpolation_order": 3},
        {"preprocessing_function": lambda image: image[..., [2, 1, 0]] - 100},
    ],
    ids=lambda options: "+".join(options),
)
def test_other_options_give_keras_batches(photos, options):
    assert_same_flow(*both(photos, options=options))


def test_linked_folders_are_followed_where_it_is_wanted(two_classes, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    save(outside / "5.png", seed=5)
    save(outside / "more/6.png", seed=6)
    (two_classes / "a/linked").symlink_to(outside)
    (two_classes / "b/file.png").symlink_to(outside / "5.png")
    files = ["a/1.png", "a/2.png", "b/3.png", "b/file.png", "b/sub/4.png"]
    for follow_links in (False, True):
        ours, theirs = both(two_classes, follow_links=follow_links)
        assert ours.filenames == files
        assert_same_flow(ours, theirs)
        files[2:2] = ["a/linked/5.png", "a/linked/more/6.png"]


@pytest.mark.parametrize("follow_links", [False, True])
def test_a_linked_class_is_a_class(two_classes, tmp_path_factory, follow_links):
    outside = tmp_path_factory.mktemp("outside")
    save(outside / "5.png", seed=5)
    (two_classes / "a2").symlink_to(outside)
    ours, theirs = both(two_classes, follow_links=follow_links)
    assert list(ours.class_indices) == ["a", "a2", "b"]
    assert_same_flow(ours, theirs)


@pytest.mark.parametrize("seed", [None, 3], ids=["no seed", "seed"])
def test_saved_images_have_keras_names_and_pixels(photos, tmp_path, seed):
    folders = [tmp_path / "ours", tmp_path / "theirs"]
    np.random.seed(5)
    generators = [
        ImageDataGenerator(**AUGMENTED, random_state=np.random.RandomState(5)),
        KerasGenerator(**AUGMENTED),
    ]
    iterators = []
    for folder, generator in zip(folders, generators, strict=True):
        folder.mkdir()
        flow = {"save_to_dir": folder, "save_prefix": "new", "batch_size": 8, "seed": seed}
        iterators.append(generator.flow_from_directory(photos, target_size=(8, 11), **flow))
    assert_same_flow(*iterators)
    saved, expected = ({path.name: path for path in folder.iterdir()} for folder in folders)
    assert len(saved) == 2 * len(FILES)
    assert sorted(saved) == sorted(expected)
    for name, path in saved.items():
        with Image.open(path) as ours, Image.open(expected[name]) as theirs:
            np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def test_the_parameters_of_the_last_batch_can_be_read(photos):
    ours, _ = both(photos, options=AUGMENTED)
    next(ours)
    assert len(ours.params["theta"]) == 4


def test_nothing_is_read_before_a_batch_is_asked_for(two_classes):
    ours, _ = both(two_classes)
    state = ours.generator.random_state.random_sample()
    assert state == np.random.RandomState(5).random_sample()
    for path in two_classes.rglob("*.png"):
        path.unlink()
    with pytest.raises(ValueError, match=r"\.png: cannot be read as an image"):
        next(ours)


def flow(directory, **options):
    options = {"target_size": (8, 11)} | options
    return ImageDataGenerator(validation_split=0.4).flow_from_directory(directory, **options)


def test_a_missing_folder_is_an_error_that_names_it(tmp_path):
    missing = tmp_path / "missing"
    for folder in (missing, str(missing)):
        with pytest.raises(ValueError, match=f"^{re.escape(str(missing))}: there is no such fold"):
            flow(folder)


def test_a_file_in_place_of_the_folder_is_an_error_that_names_it(tmp_path):
    save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png: there is no such folder"):
        flow(tmp_path / "a.png")


def test_a_folder_without_subfolders_is_an_error_that_names_it(tmp_path):
    save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=f"^{re.escape(str(tmp_path))}: holds no subfolder"):
        flow(tmp_path)


@pytest.mark.parametrize("name", ["c/notes.txt", "c/sub/film.gif", "c"])
def test_a_class_without_images_is_an_error_that_names_it(two_classes, name):
    """A folder of notes would otherwise be a class that nothing belongs to, as in Keras."""
    if name == "c":
        (two_classes / "c").mkdir()
    else:
        (two_classes / name).parent.mkdir(parents=True)
        (two_classes / name).write_text("not to be read")
    folder = re.escape(str(two_classes / "c"))
    with pytest.raises(ValueError, match=f"^{folder}: holds no image .png, jpg.*`classes`$"):
        flow(two_classes)
    assert flow(two_classes, classes=["a", "b"]).samples == 4


def test_a_class_that_has_no_folder_is_an_error_that_names_it(two_classes):
    folder = re.escape(str(two_classes / "c"))
    with pytest.raises(ValueError, match=f"^{folder}: there is no such folder, although 'c'"):
        flow(two_classes, classes=["a", "c"])


def test_a_subset_without_files_is_an_error_that_says_why(tmp_path):
    save(tmp_path / "a/1.png")
    expected = r"no images for subset='validation' with validation_split=0\.4"
    with pytest.raises(ValueError, match=f"^{re.escape(str(tmp_path))}: {expected}"):
        flow(tmp_path, subset="validation")
    assert flow(tmp_path, subset="training").samples == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"color_mode": "bgr"}, "color_mode='bgr': expected one of 'grayscale', 'rgb', 'rgba'"),
        ({"class_mode": "raw"}, "class_mode='raw': expected one of 'categorical', .*, None"),
        ({"subset": "test"}, "subset='test': expected one of 'training', 'validation', None"),
        ({"interpolation": "linear"}, "interpolation='linear': expected one of 'nearest', 'bili"),
        ({"target_size": (8,)}, r"target_size=\(8,\): expected \(height, width\) above 0"),
        ({"target_size": (8, 9, 3)}, r"target_size=\(8, 9, 3\): expected \(height, width\)"),
        ({"target_size": (0, 9)}, r"target_size=\(0, 9\): expected \(height, width\) above 0"),
        ({"target_size": (8, -9)}, r"target_size=\(8, -9\): expected \(height, width\) above 0"),
        ({"target_size": (8.0, 9)}, r"target_size=\(8.0, 9\): expected \(height, width\)"),
        ({"target_size": None}, r"target_size=None: expected \(height, width\) above 0"),
        ({"target_size": 8}, r"target_size=8: expected \(height, width\) above 0"),
        ({"batch_size": 0}, "batch_size=0: expected an integer of at least 1"),
        ({"save_to_dir": "/missing"}, "save_to_dir='/missing': there is no such folder"),
    ],
    ids=lambda value: "".join(map(str, value.items())) if isinstance(value, dict) else "",
)
def test_an_argument_that_makes_no_sense_is_an_error_that_shows_it(photos, options, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        flow(photos, **options)


@pytest.mark.parametrize("target_size", [[8, 11], (np.int64(8), np.int64(11))], ids=str)
def test_a_size_may_be_a_list_or_of_numpys_integers(two_classes, target_size):
    assert_same_flow(*both(two_classes, target_size=target_size))


@pytest.mark.parametrize("how", ["truncated", "a text", "empty", "dangling"])
@pytest.mark.parametrize("ending", ["png", "jpg", "bmp"])
def test_a_file_that_is_no_image_is_an_error_in_its_batch_that_names_it(two_classes, how, ending):
    path = two_classes / f"b/0.{ending}"
    save(path, height=40, width=50)
    data = path.read_bytes()
    path.unlink()
    if how == "dangling":
        path.symlink_to(two_classes / "nowhere")
    else:
        contents = {"truncated": data[: len(data) // 2], "a text": b"no image\n", "empty": b""}
        path.write_bytes(contents[how])
    batches = flow(two_classes, batch_size=2, shuffle=False)
    batches[0]  # a/1.png, a/2.png
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: cannot be read as an image"):
        batches[1]
    batches[2]


def test_a_tiff_file_is_a_warning_that_names_it_as_in_keras(two_classes):
    save(two_classes / "b/9.tif")
    path = two_classes / "b/5.TIFF"
    (two_classes / "b/9.tif").rename(path)
    with pytest.warns(UserWarning, match=r'Using "\.tiff" files'):
        theirs = KerasGenerator().flow_from_directory(two_classes, target_size=(8, 11))
    np.random.seed(5)
    generator = ImageDataGenerator(random_state=np.random.RandomState(5))
    with pytest.warns(UserWarning, match=f"^{re.escape(str(path))}: a .tiff file") as caught:
        ours = generator.flow_from_directory(two_classes, target_size=(8, 11))
    assert [warning.filename for warning in caught] == [__file__]
    assert_same_flow(ours, theirs, epochs=1)
