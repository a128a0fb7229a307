"""A folder of images is read as Keras reads it: files, classes, labels, pixels and stream."""

import re
import shutil

import keras
import numpy as np
import pytest
from covering import one_test
from helpers import MOVED, assert_same_bits, assert_same_images
from PIL import Image
from tensorflow.keras.preprocessing.image import ImageDataGenerator as KerasGenerator

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
    directory = str(photos) if flow else f"{photos}/"
    assert_same_flow(*both(directory, options=options, **flow))


ERRORS = {
    "missing": ({}, "there is no such folder"),
    "a/1.png": ({}, "there is no such folder"),
    "b/sub": ({}, "holds no subfolder"),
    "": ({"classes": ["a", "c"]}, "there is no such folder, although 'c'"),
}


@one_test
@pytest.mark.parametrize(("name", "options", "message"), [(k, *v) for k, v in ERRORS.items()])
def test_a_folder_that_cannot_be_read_is_an_error_that_names_it(
    two_classes, name, options, message
):
    folder = two_classes / (name or "c")
    for given in (two_classes / name, str(two_classes / name)):
        with pytest.raises(ValueError, match=f"^{re.escape(str(folder))}: {message}"):
            flow(given, **options)


@one_test
@pytest.mark.parametrize("file", ["notes.txt", "sub/film.gif", None])
def test_a_class_without_images_is_an_error_that_names_it(two_classes, file):
    """A folder of notes would otherwise be a class that nothing belongs to, as in Keras."""
    shutil.rmtree(two_classes / "c", ignore_errors=True)
    path = two_classes / "c" / (file or "")
    (path.parent if file else path).mkdir(parents=True)
    if file:
        path.write_text("not to be read")
    folder = re.escape(str(two_classes / "c"))
    with pytest.raises(ValueError, match=f"^{folder}: holds no image .png, jpg.*`classes`$"):
        flow(two_classes)
    assert flow(two_classes, classes=["a", "b"]).samples == 4


def test_linked_folders_are_followed_where_it_is_wanted(two_classes, tmp_path_factory):
    """A linked class is one in any case."""
    outside = tmp_path_factory.mktemp("outside")
    save(outside / "5.png", seed=5)
    save(outside / "more/6.png", seed=6)
    (two_classes / "a/linked").symlink_to(outside)
    (two_classes / "b/file.png").symlink_to(outside / "5.png")
    (two_classes / "c").symlink_to(outside)
    files = ["a/1.png", "a/2.png", "b/3.png", "b/file.png", "b/sub/4.png"]
    files += ["c/5.png", "c/more/6.png"]
    for follow_links in (False, True):
        ours, theirs = both(two_classes, follow_links=follow_links)
        assert ours.filenames == files
        assert list(ours.class_indices) == ["a", "b", "c"]
        assert_same_flow(ours, theirs)
        files[2:2] = ["a/linked/5.png", "a/linked/more/6.png"]


def flow(directory, **options):
    options = {"target_size": (8, 11)} | options
    return ImageDataGenerator(validation_split=0.4).flow_from_directory(directory, **options)


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


def test_a_subset_without_files_is_an_error_that_says_why(two_classes):
    (two_classes / "a/2.png").unlink()
    message = r"no images for subset='validation' with validation_split=0\.4"
    with pytest.raises(ValueError, match=f"^{re.escape(str(two_classes))}: {message}"):
        flow(two_classes, classes=["a"], subset="validation")
    assert flow(two_classes, classes=["a"], subset="training").samples == 1
