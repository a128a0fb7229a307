"""A folder of images is read as Keras reads it: files, classes, labels, pixels and stream."""

import re
import shutil

import keras
import numpy as np
import pytest
from covering import one_test
from helpers import MOVED
from keras_flows import assert_same_flow, generators, picture

from torch_impl.augment import ImageDataGenerator

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

AUGMENTED = {**MOVED, "channel_shift_range": 40.0, "vertical_flip": True, "rescale": 1 / 255}


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


def both(directory, options, **flow):
    """Our iterator and Keras's, for the same arguments and streams."""
    flow = {"target_size": (8, 11), "batch_size": 4} | flow
    return [each.flow_from_directory(directory, **flow) for each in generators(**options)]


def assert_same(ours, theirs, epochs=2):
    """The same files and classes, and what is fed."""
    for name in ("filenames", "filepaths", "num_classes", "samples"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert list(ours.class_indices.items()) == list(theirs.class_indices.items())
    assert ours.classes.tolist() == ours.labels.tolist() == theirs.classes.tolist()
    assert_same_flow(ours, theirs, epochs)


ROWS = {
    "plain": ({}, {}),
    "at once": (AUGMENTED, {"batch_size": 64, "class_mode": "binary"}),
    "one by one": (AUGMENTED, {"batch_size": 1, "class_mode": "sparse"}),
    "images as labels": (AUGMENTED, {"class_mode": "input"}),
    "no labels": (AUGMENTED, {"class_mode": None}),
    "grey": (AUGMENTED, {"color_mode": "grayscale", "interpolation": "bilinear"}),
    "cropped": (AUGMENTED, {"color_mode": "rgba", "keep_aspect_ratio": True}),
    "larger": ({}, {"interpolation": "lanczos", "target_size": [30, np.int64(20)]}),
    "in order": (AUGMENTED, {"shuffle": False}),
    "seed": (AUGMENTED, {"seed": 3}),
    "training": ({**AUGMENTED, "validation_split": 0.4}, {"subset": "training"}),
    "validation": ({"validation_split": 0.4}, {"subset": "validation", "seed": 3}),
    "a class is missing": ({"validation_split": 0.2}, {"subset": "validation", "shuffle": False}),
    "other order": ({}, {"classes": ["dogs", "Zoos", "cats"]}),
    "two classes": ({}, {"classes": ("cats", "Zoos")}),
    "no classes named": ({}, {"classes": []}),
    "first": ({**AUGMENTED, "data_format": "channels_first"}, {}),
    "double": ({**AUGMENTED, "data_format": "channels_first", "dtype": "float64"}, {}),
    "brightness": ({"brightness_range": (0.5, 1.5)}, {}),
    "standardized": ({"samplewise_center": True, "samplewise_std_normalization": True}, {}),
    "function": ({"preprocessing_function": lambda image: image[..., [2, 1, 0]] - 100}, {}),
}


@one_test
@pytest.mark.parametrize(("options", "flow"), ROWS.values(), ids=ROWS)
def test_the_batches_of_every_setting_are_keras_batches(photos, options, flow):
    keras.config.set_floatx(options.get("dtype", "float32"))
    assert_same(*both(str(photos) if flow else f"{photos}/", options, **flow))


def flow(directory, **options):
    options = {"target_size": (8, 11)} | options
    return ImageDataGenerator(validation_split=0.4).flow_from_directory(directory, **options)


NO_IMAGE = "holds no image .png, jpg.*`classes`$"


# What there is beside the two classes, the folder that is read, its settings, the error.
@one_test
@pytest.mark.parametrize(
    ("more", "name", "options", "named", "message"),
    [
        (None, "missing", {}, "missing", "there is no such folder"),
        (None, "a/1.png", {}, "a/1.png", "there is no such folder"),
        (None, "b/sub", {}, "b/sub", "holds no subfolder"),
        (None, "", {"classes": ["a", "c"]}, "c", "there is no such folder, although 'c'"),
        # A folder of notes would otherwise be a class that nothing belongs to, as in Keras.
        ("c/notes.txt", "", {}, "c", NO_IMAGE),
        ("c/sub/film.gif", "", {}, "c", NO_IMAGE),
        ("c/", "", {}, "c", NO_IMAGE),
        (
            *(None, "", {"classes": ["a"], "subset": "validation"}, ""),
            r"no images for subset='validation' with validation_split=0\.4",
        ),
    ],
)
def test_a_folder_that_cannot_be_read_is_an_error_that_names_it(
    two_classes, more, name, options, named, message
):
    shutil.rmtree(two_classes / "c", ignore_errors=True)
    if more is not None:
        path = two_classes / more
        (path if more.endswith("/") else path.parent).mkdir(parents=True)
        if not more.endswith("/"):
            path.write_text("not to be read")
        assert flow(two_classes, classes=["a", "b"]).samples == 4
    if "subset" in options:
        (two_classes / "a/2.png").unlink()
        assert flow(two_classes, classes=["a"], subset="training").samples == 1
    told = f"^{re.escape(str(two_classes / named))}: {message}"
    for given in (two_classes / name, str(two_classes / name)):
        with pytest.raises(ValueError, match=told):
            flow(given, **options)


def test_linked_folders_are_followed_where_it_is_wanted(two_classes, tmp_path_factory):
    """A linked class is one in any case."""
    outside = tmp_path_factory.mktemp("outside")
    save(outside / "5.png", seed=5)
    save(outside / "more/6.png", seed=6)
    for name, target in (("a/linked", outside), ("b/file.png", outside / "5.png"), ("c", outside)):
        (two_classes / name).symlink_to(target)
    files = ["a/1.png", "a/2.png", "b/3.png", "b/file.png", "b/sub/4.png"]
    files += ["c/5.png", "c/more/6.png"]
    for follow_links in (False, True):
        ours, theirs = both(two_classes, {}, follow_links=follow_links)
        assert (ours.filenames, list(ours.class_indices)) == (files, ["a", "b", "c"])
        assert_same(ours, theirs)
        files[2:2] = ["a/linked/5.png", "a/linked/more/6.png"]


@one_test
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"color_mode": "bgr"}, "color_mode='bgr': expected one of 'grayscale', 'rgb', 'rgba'"),
        ({"class_mode": "raw"}, "class_mode='raw': expected one of 'categorical', .*, None"),
        ({"subset": "test"}, "subset='test': expected one of 'training', 'validation', None"),
        ({"interpolation": "linear"}, "interpolation='linear': expected one of 'nearest', 'bili"),
        *(
            ({"target_size": size}, rf"target_size={re.escape(str(size))}: expected \(height, wid")
            for size in ((8,), (8, 9, 3), (0, 9), (8, -9), (8.0, 9), None, 8)
        ),
        ({"batch_size": 0}, "batch_size=0: expected an integer of at least 1"),
        ({"save_to_dir": "/missing"}, "save_to_dir='/missing': there is no such folder"),
    ],
)
def test_an_argument_that_makes_no_sense_is_an_error_that_shows_it(photos, options, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        flow(photos, **options)


def test_a_tiff_file_is_a_warning_that_names_it_as_in_keras(two_classes):
    path = two_classes / "b/5.TIFF"
    save(two_classes / "b/9.tif")
    (two_classes / "b/9.tif").rename(path)
    ours, theirs = generators()
    with pytest.warns(UserWarning, match=r'Using "\.tiff" files'):
        theirs = theirs.flow_from_directory(two_classes, target_size=(8, 11))
    with pytest.warns(UserWarning, match=f"^{re.escape(str(path))}: a .tiff file") as caught:
        ours = ours.flow_from_directory(two_classes, target_size=(8, 11))
    assert [warning.filename for warning in caught] == [__file__]
    assert_same(ours, theirs, epochs=1)
