"""Images are read from files and made into pictures as Keras does it, to the last bit."""

import re

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from helpers import assert_same_bits
from PIL import Image

from torch_impl.augment.files import COLOR_MODES, INTERPOLATIONS, load_image, to_pil

HEIGHT, WIDTH = 11, 18
# What a file may hold, by Pillow's name, and the endings of formats that can hold it.
KINDS = {
    "1": ("png", "bmp", "tif"),
    "L": ("png", "bmp", "jpg", "ppm", "tif"),
    "LA": ("png",),
    "P": ("png", "bmp", "tif"),
    "RGB": ("png", "bmp", "jpeg", "ppm", "tif"),
    "RGBA": ("png", "tif"),
    "CMYK": ("jpg", "tif"),
    "YCbCr": ("jpg",),
    "I;16": ("png", "tif"),
    "I": ("tif",),
    "F": ("tif",),
}
# Smaller, larger, wider, higher; the last one is the size of the files.
TARGETS = [(5, 7), (30, 40), (4, 31), (23, 6), (HEIGHT, WIDTH)]


def picture(kind, height=HEIGHT, width=WIDTH, seed=0):
    """Noise of one of the `KINDS`, with its darkest and its brightest value."""
    generator = np.random.default_rng(seed)
    if kind in ("I;16", "I", "F"):
        # Values above 255: Pillow cuts them where Keras converts, and Keras keeps integers.
        top, dtype = {"I;16": (65535, "u2"), "I": (100_000, "i4"), "F": (300, "f4")}[kind]
        pixels = generator.uniform(0, top, (height, width))
        pixels.flat[:2] = 0, top
        return Image.fromarray(pixels.astype(dtype))
    pixels = generator.integers(0, 256, (height, width, 4), dtype=np.uint8)
    pixels[0, :2] = [[0] * 4, [255] * 4]
    if kind in ("RGBA", "LA"):
        return Image.fromarray(pixels).convert(kind)
    return Image.fromarray(pixels[:, :, :3].copy()).convert(kind)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A file of every kind in every format."""
    folder = tmp_path_factory.mktemp("files")
    paths = []
    for kind, endings in KINDS.items():
        for ending in endings:
            paths.append(str(folder / f"{kind.replace(';', '')}.{ending}"))
            picture(kind).save(paths[-1])
    return paths


def loaded(path, **options):
    options = {
        "color_mode": "rgb",
        "target_size": (HEIGHT, WIDTH),
        "interpolation": "nearest",
        "keep_aspect_ratio": False,
        "dtype": torch.float32,
    } | options
    return load_image(path, **options)


def loaded_by_keras(path, **options):
    return keras.utils.img_to_array(keras.utils.load_img(path, **options))


@pytest.mark.parametrize("keep_aspect_ratio", [False, True], ids=["stretched", "cropped"])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("color_mode", COLOR_MODES)
def test_every_kind_of_file_has_keras_pixels(files, color_mode, interpolation, keep_aspect_ratio):
    options = {
        "color_mode": color_mode,
        "interpolation": interpolation,
        "keep_aspect_ratio": keep_aspect_ratio,
    }
    for path in files:
        for target_size in TARGETS:
            ours = loaded(path, target_size=target_size, **options)
            assert_same_bits(ours, loaded_by_keras(path, target_size=target_size, **options))


def test_the_files_hold_what_they_are_to_hold(files):
    """Or the test above compares one kind of file several times."""
    held = set()
    for path in files:
        with Image.open(path) as file:
            held.add(file.mode)
    assert held >= {"1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"}


@pytest.mark.parametrize(("color_mode", "channels"), COLOR_MODES.items())
def test_the_color_mode_decides_the_number_of_channels(files, color_mode, channels):
    for path in files:
        assert loaded(path, color_mode=color_mode, target_size=(3, 4)).shape == (3, 4, channels)


def test_a_file_of_the_wanted_size_is_read_as_it_is(tmp_path):
    path = str(tmp_path / "a.png")
    picture("RGB").save(path)
    ours = loaded(path, interpolation="lanczos", keep_aspect_ratio=True)
    np.testing.assert_array_equal(ours, np.asarray(picture("RGB")))


def test_sixteen_bits_are_kept_as_grayscale(tmp_path):
    path = str(tmp_path / "a.png")
    pixels = np.array([[0, 255, 256], [40_000, 65_534, 65_535]], dtype=np.uint16)
    Image.fromarray(pixels).save(path)
    ours = loaded(path, color_mode="grayscale", target_size=(2, 3))
    assert ours[:, :, 0].tolist() == pixels.tolist()


@pytest.mark.parametrize(
    ("target_size", "rows", "columns"),
    [
        ((4, 4), slice(0, 4), slice(3, 7)),  # a square from the middle of 4 x 10
        ((2, 2), slice(0, 4, 2), slice(3, 7, 2)),  # the same square, every second pixel
        ((2, 10), slice(1, 3), slice(0, 10)),  # the two middle rows
    ],
    ids=["square", "half", "wide"],
)
def test_the_middle_of_an_image_is_kept_for_the_aspect_ratio(tmp_path, target_size, rows, columns):
    """By hand; of two pixels, Pillow's nearest neighbour takes the right and lower one."""
    path = str(tmp_path / "a.png")
    pixels = np.arange(40, dtype=np.uint8).reshape(4, 10)
    Image.fromarray(pixels).save(path)
    ours = loaded(path, color_mode="grayscale", target_size=target_size, keep_aspect_ratio=True)
    step = (rows.step or 1) - 1
    expected = pixels[step:][rows][:, step:][:, columns]
    assert ours[:, :, 0].tolist() == expected.tolist()


def test_a_palette_with_a_transparent_color_has_keras_pixels(tmp_path):
    path = str(tmp_path / "a.png")
    image = picture("P")
    image.info["transparency"] = 3
    image.save(path)
    for color_mode in COLOR_MODES:
        theirs = loaded_by_keras(path, color_mode=color_mode)
        assert_same_bits(loaded(path, color_mode=color_mode), theirs)


@pytest.mark.parametrize("kind", ["L", "RGB", "I;16"])
def test_float64_holds_the_same_numbers(tmp_path, kind):
    path = str(tmp_path / "a.png")
    picture(kind).save(path)
    options = {"color_mode": "grayscale", "target_size": (5, 7), "interpolation": "bicubic"}
    ours = loaded(path, dtype=torch.float64, **options)
    assert ours.dtype == torch.float64
    assert_same_bits(ours.float(), loaded_by_keras(path, **options))


def test_the_file_is_closed_again(tmp_path):
    """An open one is a ResourceWarning, which is an error here; and it can be replaced."""
    path = tmp_path / "a.png"
    for seed in (1, 2):
        picture("RGB", seed=seed).save(path)
        np.testing.assert_array_equal(loaded(str(path)), np.asarray(picture("RGB", seed=seed)))


def broken(path, how):
    """Writes a file that is no image, or a broken one."""
    picture("RGB", 40, 50).save(path)
    data = path.read_bytes()
    if how == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif how == "cut in its header":
        path.write_bytes(data[:20])
    elif how == "of a misspelled chunk":
        path.write_bytes(data.replace(b"IHDR", b"IHDX"))
    elif how == "of a wrong length":  # a SyntaxError, says Pillow
        length_at = data.index(b"IDAT") - 4
        path.write_bytes(data[:length_at] + (16).to_bytes(4) + data[length_at + 4 :])
    elif how == "of a misspelled number":
        path.write_bytes(data.replace(b"255", b"2x5", 1))
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "a text":
        path.write_text("no image\n")
    else:
        path.unlink()


BROKEN = [
    ("a.png", "truncated", r"\(.*truncated.*\)"),
    ("a.jpg", "truncated", r"\(.*truncated.*\)"),
    ("a.bmp", "truncated", r"\(.*truncated.*\)"),
    ("a.ppm", "truncated", r"\(.*truncated.*\)"),
    ("a.png", "of a misspelled chunk", r"\(.*\)"),
    ("a.png", "of a wrong length", r"\(broken PNG file.*\)"),
    ("a.ppm", "of a misspelled number", r"\(.*2x5.*\)"),
    ("a.png", "cut in its header", r"\(.*Truncated.*\)"),
    ("a.jpg", "cut in its header", r"\(not an image\)"),
    ("a.png", "empty", r"\(not an image\)"),
    ("a.jpg", "a text", r"\(not an image\)"),
    ("a.png", "missing", r"\(.*No such file.*\)"),
]


@pytest.mark.parametrize(
    ("name", "how", "reason"), BROKEN, ids=[f"{name} {how}" for name, how, _ in BROKEN]
)
def test_a_file_that_cannot_be_read_is_an_error_that_names_it(tmp_path, name, how, reason):
    path = tmp_path / name
    broken(path, how)
    expected = f"^{re.escape(str(path))}: cannot be read as an image {reason}: replace the file"
    with pytest.raises(ValueError, match=expected):
        loaded(str(path))


def test_a_picture_too_large_to_be_meant_is_an_error_that_names_it(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    picture("RGB").save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)  # twice as many are an error to Pillow
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: .*decompression bomb"):
        loaded(str(path))


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_an_image_too_narrow_for_its_crop_has_keras_pixels(tmp_path, interpolation):
    """Of one row, 3/100 of its height: Pillow resizes a box without width, or says no."""
    path = str(tmp_path / "a.png")
    picture("RGB", 1, 5).save(path)
    options = {"target_size": (100, 3), "keep_aspect_ratio": True, "interpolation": interpolation}
    assert_same_bits(loaded(path, **options), loaded_by_keras(path, **options))


IMAGES = {
    "noise of both signs": lambda generator, shape: generator.normal(scale=3, size=shape),
    "between 0 and 1": lambda generator, shape: generator.random(shape),
    "whole numbers": lambda generator, shape: generator.integers(0, 256, shape),
    "16 bits": lambda generator, shape: generator.integers(0, 65536, shape),
    "zeros": lambda generator, shape: np.zeros(shape),
    "one value": lambda generator, shape: np.full(shape, 0.7),
    "a narrow range": lambda generator, shape: 1000 + generator.random(shape) / 1000,
}


@one_test
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("make", IMAGES.values(), ids=IMAGES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_picture_is_the_one_that_keras_makes(make, data_format, channels, dtype):
    keras.config.set_floatx(dtype)  # to which Keras rounds first
    shape = (50, 60, channels) if data_format == "channels_last" else (channels, 50, 60)
    image = make(np.random.default_rng(1), shape).astype(dtype)
    ours = to_pil(torch.tensor(image), data_format)
    theirs = keras.utils.array_to_img(image, data_format=data_format, scale=True)
    assert (ours.mode, ours.size) == (theirs.mode, theirs.size)
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def test_a_picture_is_stretched_from_black_to_white():
    """By hand: -1 to 0, 3 to 255, and 1 between them to 127.5, cut off."""
    image = torch.tensor([[-1.0, 1.0, 3.0]])[None]
    assert np.asarray(to_pil(image, "channels_first")).tolist() == [[0, 127, 255]]


def test_a_picture_is_made_of_a_tensor_that_needs_a_gradient():
    image = torch.rand(3, 4, 5)
    expected = np.asarray(to_pil(image, "channels_first"))
    ours = to_pil(image.requires_grad_(), "channels_first")
    np.testing.assert_array_equal(np.asarray(ours), expected)


def test_making_a_picture_does_not_change_the_image():
    image = torch.tensor([[-1.0, 1.0, 3.0]])[None]
    to_pil(image, "channels_first")
    assert image.tolist() == [[[-1.0, 1.0, 3.0]]]


@one_test
@pytest.mark.parametrize("channels", [2, 5])
def test_a_picture_of_another_number_of_channels_is_an_error(channels):
    with pytest.raises(ValueError, match=f"{channels} channels: expected 1, 3 or 4"):
        to_pil(torch.zeros(6, 7, channels), "channels_last")
