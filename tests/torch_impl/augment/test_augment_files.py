"""Images are read from files and made into pictures as Keras does it, to the last bit."""

import re

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from helpers import assert_same_bits
from keras_flows import picture
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
# Smaller, larger, wider, higher; the size of the files; one for which the narrow file is cut to a
# box without width, 3/100 of its height.
TARGETS = [(5, 7), (30, 40), (4, 31), (23, 6), (HEIGHT, WIDTH), (100, 3)]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A file of every kind in every format, one with a transparent colour, and a narrow one."""
    images = {
        f"{kind.replace(';', '')}.{ending}": picture(kind, HEIGHT, WIDTH)
        for kind, endings in KINDS.items()
        for ending in endings
    }
    transparent = picture("P", HEIGHT, WIDTH)
    transparent.info["transparency"] = 3
    images |= {"transparent.png": transparent, "narrow.png": picture("RGB", 1, 5)}
    folder = tmp_path_factory.mktemp("files")
    for name, image in images.items():
        image.save(folder / name)
    return [str(folder / name) for name in images]


PLAIN = {"color_mode": "rgb", "target_size": (HEIGHT, WIDTH), "interpolation": "nearest"}
PLAIN |= {"keep_aspect_ratio": False, "dtype": torch.float32}


@one_test
@pytest.mark.parametrize("keep_aspect_ratio", [False, True], ids=["stretched", "cropped"])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("color_mode", COLOR_MODES)
@pytest.mark.parametrize("target_size", TARGETS)
def test_every_kind_of_file_has_keras_pixels(
    files, color_mode, interpolation, keep_aspect_ratio, target_size
):
    options = {"color_mode": color_mode, "interpolation": interpolation}
    options |= {"keep_aspect_ratio": keep_aspect_ratio, "target_size": target_size}
    for path in files:
        ours = load_image(path, **options, dtype=torch.float32)
        assert_same_bits(ours, keras.utils.img_to_array(keras.utils.load_img(path, **options)))
        assert torch.equal(load_image(path, **options, dtype=torch.float64), ours.double())


def of_a_wrong_length(data):
    """A SyntaxError, says Pillow."""
    length_at = data.index(b"IDAT") - 4
    return data[:length_at] + (16).to_bytes(4) + data[length_at + 4 :]


READING = "cannot be read as an image "
BROKEN = [
    *(
        (name, lambda data: data[: len(data) // 2], rf"{READING}\(.*truncated.*\)")
        for name in ("a.png", "a.jpg", "a.bmp", "a.ppm")
    ),
    ("a.png", lambda data: data.replace(b"IHDR", b"IHDX"), rf"{READING}\(.*\)"),
    ("a.png", of_a_wrong_length, rf"{READING}\(broken PNG file.*\)"),
    ("a.ppm", lambda data: data.replace(b"255", b"2x5", 1), rf"{READING}\(.*2x5.*\)"),
    ("a.png", lambda data: data[:20], rf"{READING}\(.*Truncated.*\)"),
    ("a.jpg", lambda data: data[:20], rf"{READING}\(not an image\)"),
    ("a.png", lambda data: b"", rf"{READING}\(not an image\)"),
    ("a.jpg", lambda data: b"no image\n", rf"{READING}\(not an image\)"),
    ("a.png", None, rf"{READING}\(.*No such file.*\)"),
    ("large.png", lambda data: data, ".*decompression bomb.*"),
]


@one_test
@pytest.mark.parametrize(("name", "change", "told"), BROKEN)
def test_a_file_that_cannot_be_read_is_an_error_that_names_it(
    tmp_path, monkeypatch, name, change, told
):
    path = tmp_path / name
    picture("RGB", 40, 50).save(path)
    content = path.read_bytes()
    path.unlink()
    if change:
        path.write_bytes(change(content))
    if name == "large.png":
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)  # twice as many are an error to Pillow
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: {told}"):
        load_image(str(path), **PLAIN)


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
    """By hand: -1 to 0, 3 to 255, and 1 between them to 127.5, cut off; the image stays."""
    image = torch.tensor([[-1.0, 1.0, 3.0]], requires_grad=True)[None]
    assert np.asarray(to_pil(image, "channels_first")).tolist() == [[0, 127, 255]]
    assert image.tolist() == [[[-1.0, 1.0, 3.0]]]
    for channels in (2, 5):
        with pytest.raises(ValueError, match=f"{channels} channels: expected 1, 3 or 4"):
            to_pil(torch.zeros(6, 7, channels), "channels_last")
