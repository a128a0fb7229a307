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
# Smaller, larger, wider, higher; the size of the files; one for which the narrow file is cut to a
# box without width, 3/100 of its height.
TARGETS = [(5, 7), (30, 40), (4, 31), (23, 6), (HEIGHT, WIDTH), (100, 3)]


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
    """A file of every kind in every format, one with a transparent colour, and a narrow one."""
    folder = tmp_path_factory.mktemp("files")
    paths = []
    for kind, endings in KINDS.items():
        for ending in endings:
            paths.append(str(folder / f"{kind.replace(';', '')}.{ending}"))
            picture(kind).save(paths[-1])
    transparent, narrow = picture("P"), picture("RGB", 1, 5)
    transparent.info["transparency"] = 3
    for name, image in (("transparent", transparent), ("narrow", narrow)):
        paths.append(str(folder / f"{name}.png"))
        image.save(paths[-1])
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


@one_test
@pytest.mark.parametrize("keep_aspect_ratio", [False, True], ids=["stretched", "cropped"])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("color_mode", COLOR_MODES)
@pytest.mark.parametrize("target_size", TARGETS)
def test_every_kind_of_file_has_keras_pixels(
    files, color_mode, interpolation, keep_aspect_ratio, target_size
):
    options = {
        "color_mode": color_mode,
        "interpolation": interpolation,
        "keep_aspect_ratio": keep_aspect_ratio,
        "target_size": target_size,
    }
    for path in files:
        ours = loaded(path, **options)
        assert_same_bits(ours, loaded_by_keras(path, **options))
        assert torch.equal(loaded(path, **options, dtype=torch.float64), ours.double())


def of_a_wrong_length(data):
    """A SyntaxError, says Pillow."""
    length_at = data.index(b"IDAT") - 4
    return data[:length_at] + (16).to_bytes(4) + data[length_at + 4 :]


BROKEN = [
    ("a.png", lambda data: data[: len(data) // 2], r"\(.*truncated.*\)"),
    ("a.jpg", lambda data: data[: len(data) // 2], r"\(.*truncated.*\)"),
    ("a.bmp", lambda data: data[: len(data) // 2], r"\(.*truncated.*\)"),
    ("a.ppm", lambda data: data[: len(data) // 2], r"\(.*truncated.*\)"),
    ("a.png", lambda data: data.replace(b"IHDR", b"IHDX"), r"\(.*\)"),
    ("a.png", of_a_wrong_length, r"\(broken PNG file.*\)"),
    ("a.ppm", lambda data: data.replace(b"255", b"2x5", 1), r"\(.*2x5.*\)"),
    ("a.png", lambda data: data[:20], r"\(.*Truncated.*\)"),
    ("a.jpg", lambda data: data[:20], r"\(not an image\)"),
    ("a.png", lambda data: b"", r"\(not an image\)"),
    ("a.jpg", lambda data: b"no image\n", r"\(not an image\)"),
    ("a.png", "missing", r"\(.*No such file.*\)"),
    ("a.png", "too large", r".*decompression bomb.*"),
]


@one_test
@pytest.mark.parametrize(("name", "how", "reason"), BROKEN)
def test_a_file_that_cannot_be_read_is_an_error_that_names_it(
    tmp_path, monkeypatch, name, how, reason
):
    path = tmp_path / name
    picture("RGB", 40, 50).save(path)
    if how == "too large":
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)  # twice as many are an error to Pillow
    elif how == "missing":
        path.unlink()
    else:
        path.write_bytes(how(path.read_bytes()))
    reading = "" if how == "too large" else "cannot be read as an image "
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: {reading}{reason}"):
        loaded(str(path))


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
