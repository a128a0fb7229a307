"""Reads image files as `tf.image.decode_image` does: the same formats, channels and errors.

PNG, BMP and GIF give TensorFlow's pixels. A JPEG's differ by 1 unit in the mean, 5 at quality 100:
TensorFlow takes libjpeg's fast integer transform, and Pillow, which reads the files here, the
accurate one.

Source: tensorflow 2.21 `core/kernels/image/decode_image_op.cc`, `core/lib/png/png_io.cc`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
# Which numbers of channels TensorFlow makes of a file of a format.
_CHANNELS = {"PNG": (1, 3, 4), "JPEG": (1, 3), "GIF": (3,), "BMP": (3, 4)}
# libpng's weights of red, green and blue in 32768ths, from TensorFlow's 0.299 and 0.587.
_GREY = (9797, 19234, 3737)


def decode(path: str, num_channels: int) -> torch.Tensor:
    """Returns the pixels of an image file.

    Args:
        path: of a PNG, JPEG, GIF (its first image) or BMP.
        num_channels: 1 (grey), 3 (RGB) or 4 (RGBA).

    Returns:
        (num_channels, height, width) uint8.

    Raises:
        ValueError: the file cannot be read, is no image of these formats, or TensorFlow makes no
            such channels of it; the message names it.
    """
    try:
        with Image.open(path) as file:
            _check(path, file, num_channels)
            opaque = 2 ** min(_bits(file), 8) - 1
            if file.format == "JPEG" and num_channels == 1:
                file.draft("L", file.size)  # the file's own luminance
            file.load()
            pixels = _pixels(file, num_channels)
            if num_channels == 4 and file.mode != "RGBA" and "transparency" not in file.info:
                # Of few bits, TensorFlow's alpha is 1, 3 or 15, which is next to transparent.
                pixels[:, :, 3] = pixels[:, :, 3] if file.mode == "LA" else opaque
    except Image.DecompressionBombError as error:
        raise ValueError(f"{path}: {error}") from None
    except (OSError, SyntaxError) as error:
        # Pillow raises SyntaxError for a broken PNG.
        reason = "not an image" if isinstance(error, UnidentifiedImageError) else str(error)
        raise ValueError(
            f"{path}: cannot be read as an image ({reason}): replace the file or remove it"
        ) from None
    return torch.from_numpy(pixels).movedim(-1, 0)


def _check(path: str, file: Image.Image, num_channels: int) -> None:
    allowed = _CHANNELS.get(file.format or "", ())
    if not allowed:
        raise ValueError(f"{path}: a file of format {file.format}: expected PNG, JPEG, GIF or BMP")
    if num_channels not in allowed:
        raise ValueError(
            f"{path}: {num_channels} channels of a {file.format}: TensorFlow makes "
            f"{' or '.join(map(str, allowed))} of it; choose another color_mode, or convert it"
        )
    if file.format == "BMP" and (_raw_mode(file) == "1" or ";" in _raw_mode(file)):
        raise ValueError(f"{path}: a BMP of another depth than 8, 24 or 32 bits: convert it")
    if file.format == "BMP" and num_channels == 4 and "X" in _raw_mode(file):
        raise ValueError(f"{path}: 4 channels of a BMP of 32 bits: not offered, convert it")


def _raw_mode(file: Image.Image) -> str:
    """Returns Pillow's name of the way in which pixels are stored, such as "P;4"."""
    tile: Any = getattr(file, "tile", None)
    arguments = tile[0].args if tile else ""
    return str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments)


def _bits(file: Image.Image) -> int:
    """Returns the number of bits for each channel of a PNG, or 8."""
    raw = _raw_mode(file)
    end = raw.rpartition(";")[2]
    return 1 if raw == "1" else int(end) if file.format == "PNG" and end in ("1", "2", "4") else 8


def _pixels(file: Image.Image, num_channels: int) -> np.ndarray:
    """Returns (height, width, num_channels) uint8."""
    image: Image.Image = file
    if file.format == "BMP" and file.mode == "P":
        image = Image.fromarray(np.array(file))  # TensorFlow does not look at the palette
    if file.mode in ("I;16", "I;16B", "I"):
        # 16 bits: TensorFlow cuts off the low ones.
        image = Image.fromarray((np.array(file).astype(np.uint32) >> 8).astype(np.uint8))
    if num_channels == 1 and image.mode not in ("L", "LA", "1"):
        return _grey(np.array(image.convert("RGB")))
    if image.mode == "LA" and num_channels < 4:
        image = image.getchannel("L")
    if image.mode == "RGBA" and num_channels == 3:
        return np.array(image)[:, :, :3]
    pixels = np.array(image.convert(_MODES[num_channels]))
    if file.format == "GIF" and isinstance(file.info.get("transparency"), int):
        pixels[np.array(file) == file.info["transparency"]] = 0  # black in TensorFlow
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def _grey(rgb: np.ndarray) -> np.ndarray:
    """Returns libpng's grey of colours, (height, width, 1)."""
    red, green, blue = (rgb[:, :, i].astype(np.int64) for i in range(3))
    total = red * _GREY[0] + green * _GREY[1] + blue * _GREY[2]
    grey = np.where((red == green) & (red == blue), red, total >> 15)
    return grey.astype(np.uint8)[:, :, None]
