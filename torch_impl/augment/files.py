"""Images from and to files, by Pillow, as Keras reads and writes them.

Source: keras 3.15 `utils/image_utils.py`, `load_img`, `img_to_array`, `array_to_img`.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from torch_impl.augment.layout import to_channels_first

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
        color_mode: "grayscale", "rgb" or "rgba"; as in Keras, a file with 16 or 32 bits a pixel
            keeps its values as "grayscale".
        target_size: (height, width) to which the image is resized, if it has another.
        interpolation: of the resizing.
        keep_aspect_ratio: whether the image is cropped at its centre first, to the ratio of
            `target_size`.
        dtype: of the result.

    Returns:
        (height, width, channels), values in [0, 255].

    Raises:
        ValueError: the file cannot be read, or is no image; the message names it.
    """
    try:
        with Image.open(path) as file:
            file.load()
            image = _in_color_mode(file, color_mode)
            image = _resized(image, target_size, INTERPOLATIONS[interpolation], keep_aspect_ratio)
    except Image.DecompressionBombError as error:
        raise ValueError(f"{path}: {error}") from None
    except (OSError, SyntaxError, ValueError) as error:
        # Pillow says that a broken PNG is a SyntaxError.
        reason = "is no image" if isinstance(error, UnidentifiedImageError) else str(error)
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
    """Returns an image of any range of values, stretched to 0 ... 255.

    Args:
        image: of 1, 3 or 4 channels, in `data_format`.
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
