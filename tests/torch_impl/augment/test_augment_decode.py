"""Image files have TensorFlow's pixels; a JPEG's are some units off, and no more."""

import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from covering import one_test
from PIL import Image

from torch_impl.augment.files import decode

COLOURS = np.random.default_rng(0).integers(0, 256, (13, 16, 4)).astype(np.uint8)
GREY = COLOURS[:, :, 0]
RGB = Image.fromarray(COLOURS[:, :, :3])


def with_transparency(image, index=3):
    image.info["transparency"] = index
    return image


IMAGES = {
    "rgb": lambda: RGB,
    "rgba": lambda: Image.fromarray(COLOURS),
    "grey": lambda: Image.fromarray(GREY),
    "grey_alpha": lambda: Image.fromarray(COLOURS[:, :, :2]),
    "black_and_white": lambda: Image.fromarray(GREY).convert("1"),
    "16_bits": lambda: Image.fromarray(GREY.astype(np.uint16) * 256 + COLOURS[:, :, 1]),
    **{f"palette_{n}": lambda n=n: RGB.quantize(n) for n in (2, 4, 16, 40)},
    "palette_transparent": lambda: with_transparency(RGB.quantize(40)),
    "palette_16_transparent": lambda: with_transparency(RGB.quantize(16)),
}


def expected(path, channels):
    """TensorFlow's pixels, (C, H, W), or None if it raises an error."""
    try:
        pixels = tf.image.decode_image(
            tf.io.read_file(str(path)), channels=channels, expand_animations=False
        )
    except tf.errors.InvalidArgumentError:
        return None
    return np.moveaxis(pixels.numpy(), -1, 0)


# Pillow writes no BMP of these.
NO_BMP = ("grey_alpha", "16_bits")


@one_test
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(
    ("name", "ending"),
    [
        (name, ending)
        for name in IMAGES
        for ending in ("png", "bmp", "gif")
        if ending != "bmp" or name not in NO_BMP
    ],
)
def test_a_file_without_loss_has_tensorflows_pixels_or_its_error(name, ending, channels, tmp_path):
    path = tmp_path / f"{name}.{ending}"
    IMAGES[name]().save(path)
    wanted = expected(path, channels)
    if wanted is None or (name, ending, channels) == ("rgba", "bmp", 4):
        with pytest.raises(ValueError, match=f"{name}.{ending}: "):
            decode(str(path), channels)
    else:
        np.testing.assert_array_equal(decode(str(path), channels).numpy(), wanted)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_grey_png_of_few_bits_has_tensorflows_alpha(bits, tmp_path):
    rows = b"".join(
        b"\0" + int("".join(f"{v:0{bits}b}" for v in row), 2).to_bytes(bits, "big")
        for row in np.random.default_rng(bits).integers(0, 1 << bits, (5, 8))
    )
    header = struct.pack(">IIBBBBB", 8, 5, bits, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    path = tmp_path / "grey.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in parts
        )
    )
    for channels in (1, 3, 4):
        np.testing.assert_array_equal(decode(str(path), channels).numpy(), expected(path, channels))
    assert (decode(str(path), 4)[3] == 2**bits - 1).all()


# Quality, and the greatest difference allowed. benchmarks/accuracy/image_layers.py measures 12 for
# 95, and at most 6 below.
@pytest.mark.parametrize(("quality", "greatest"), [(95, 16), (75, 8), (50, 8)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_jpeg_is_some_units_off(quality, greatest, channels, tmp_path):
    """TensorFlow has libjpeg's fast transform, and Pillow its accurate one."""
    rows, columns = np.mgrid[0:48, 0:64]
    smooth = np.stack([rows * 5, columns * 4, (rows + columns) * 2], -1).clip(0, 255)
    for array in (smooth.astype(np.uint8), np.asarray(RGB.resize((64, 48)))):
        path = tmp_path / "image.jpg"
        Image.fromarray(array).save(path, quality=quality)
        difference = np.abs(decode(str(path), channels).int().numpy() - expected(path, channels))
        assert 0 < difference.max() <= greatest


@one_test
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no image", "a.png: cannot be read as an image .not an image."),
        (None, "a.png: cannot be read as an image"),
        (RGB, "a file of format TIFF: expected PNG, JPEG, GIF or BMP"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(content, message, tmp_path):
    path = tmp_path / "a.png"
    if content is RGB:
        RGB.save(path, format="TIFF")
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        decode(str(path), 3)
