"""Reads and writes image files as Keras and `tf.image.decode_image` do."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from torch_impl.augment.layout import to_channels_first

# --- Reads image files as `tf.image.decode_image` does: the same formats, channels and errors -----
#
# PNG, BMP and GIF give TensorFlow's pixels. A JPEG's differ by 1 unit in the mean, 5 at quality
# 100: TensorFlow takes libjpeg's fast integer transform, and Pillow, which reads the files here,
# the accurate one.
#
# Source: tensorflow 2.21 `core/kernels/image/decode_image_op.cc`, `core/lib/png/png_io.cc`.


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


# --- Reads and writes image files with Pillow, as Keras does --------------------------------------
#
# Source: keras 3.15 `utils/image_utils.py`, `load_img`, `img_to_array`, `array_to_img`.


COLOR_MODES = {"grayscale": 1, "rgb": 3, "rgba": 4}  # and their number of channels
INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "hamming": Image.Resampling.HAMMING,
    "box": Image.Resampling.BOX,
    "lanczos": Image.Resampling.LANCZOS,
}


def load_image(
    path: str,
    *,
    color_mode: str,
    target_size: tuple[int, int],
    interpolation: str,
    keep_aspect_ratio: bool,
    dtype: torch.dtype,
) -> torch.Tensor:
    """Reads an image from a file.

    Args:
        path: of the file.
        color_mode: "grayscale", "rgb" or "rgba"; as in Keras, "grayscale" keeps the values of a
            file with 16 or 32 bits per pixel.
        target_size: (height, width) to which the image is resized, if it has another size.
        interpolation: of the resizing.
        keep_aspect_ratio: whether the image is cropped at its centre first, to the ratio of
            `target_size`.
        dtype: of the result.

    Returns:
        (height, width, channels), values in [0, 255].

    Raises:
        ValueError: the file cannot be read, or is not an image; the message names it.
    """
    try:
        with Image.open(path) as file:
            file.load()
            image = _in_color_mode(file, color_mode)
            image = _resized(image, target_size, INTERPOLATIONS[interpolation], keep_aspect_ratio)
    except Image.DecompressionBombError as error:
        raise ValueError(f"{path}: {error}") from None
    except (OSError, SyntaxError, ValueError) as error:
        # Pillow raises SyntaxError for a broken PNG.
        reason = "not an image" if isinstance(error, UnidentifiedImageError) else str(error)
        raise ValueError(
            f"{path}: cannot be read as an image ({reason}): replace the file or remove it"
        ) from None
    pixels = torch.from_numpy(np.array(image)).to(dtype)
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def _in_color_mode(image: Image.Image, color_mode: str) -> Image.Image:
    if color_mode == "grayscale":
        return image if image.mode in ("L", "I;16", "I") else image.convert("L")
    wanted = color_mode.upper()
    return image if image.mode == wanted else image.convert(wanted)


def _resized(
    image: Image.Image, target_size: tuple[int, int], resample: int, keep_aspect_ratio: bool
) -> Image.Image:
    target_height, target_width = target_size
    size = (target_width, target_height)
    if image.size == size:
        return image.copy()
    if not keep_aspect_ratio:
        return image.resize(size, resample)
    width, height = image.size
    crop_height = min(height, (width * target_height) // target_width)
    crop_width = min(width, (height * target_width) // target_height)
    left, top = (width - crop_width) // 2, (height - crop_height) // 2
    box = (left, top, left + crop_width, top + crop_height)
    return image.resize(size, resample, box=box)


def to_pil(image: torch.Tensor, data_format: str) -> Image.Image:
    """Returns a PIL image, with the range of the values stretched to 0 ... 255.

    Args:
        image: with 1, 3 or 4 channels, in `data_format`.
        data_format: "channels_last" or "channels_first".
    """
    pixels = to_channels_first(image.detach().cpu(), data_format).movedim(0, -1).numpy()
    if pixels.shape[2] not in (1, 3, 4):
        raise ValueError(f"image with {pixels.shape[2]} channels: expected 1, 3 or 4")
    stretched = pixels - pixels.min()
    top = stretched.max()
    if top != 0:
        stretched = stretched / top
    whole = (stretched * 255).astype(np.uint8)
    return Image.fromarray(whole[:, :, 0] if whole.shape[2] == 1 else whole)
