"""Finds the images of a folder, their classes and their order, as Keras does it.

Source: keras 3.15 `utils/image_dataset_utils.py`, `utils/dataset_utils.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from torch_impl.augment.files import COLOR_MODES
from torch_impl.augment.image_dataset import ImageDataset
from torch_impl.augment.layout import DATA_FORMATS
from torch_impl.layers.image.resample import FILE_METHODS, METHODS
from torch_impl.seeds import KerasSeeds

FILE_NAME_ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
LABEL_MODES = ("int", "categorical", "binary", None)
SUBSETS = ("training", "validation", "both", None)


def image_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: str | Sequence[int] | None = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: int | Sequence[int] = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: str = "channels_first",
    *,
    seeds: KerasSeeds | None = None,
) -> Any:
    """Returns batches of the images in a folder: Keras's files, classes, orders, sizes and pixels.

    Args:
        directory: has a subfolder for each class, with images at any depth; without inferred
            labels, images at any depth.
        labels: "inferred" from the subfolders; an integer for each file, in the order in which the
            files are found, sorted by folder and name; or None.
        label_mode: "int", "categorical" (one-hot), "binary" (of two classes), None (no labels).
        class_names: names of the subfolders that are used, in the order of their numbers; None
            takes all, sorted.
        color_mode: "rgb", "rgba" or "grayscale".
        batch_size: None gives single images.
        image_size: (height, width), or one number for both.
        shuffle: whether files are shuffled, and each epoch again.
        seed: of both; None draws one, from `seeds` if they are given, else from torch.
        validation_split: fraction of the files that are kept for validation, the last ones after
            the first shuffle.
        subset: "training", "validation", or "both" for a list of the two datasets, of which the
            second is not shuffled again.
        interpolation: "bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5", "gaussian"
            or "mitchellcubic"; the last two not with `crop_to_aspect_ratio`. Nothing is averaged
            when an image becomes smaller, but for "area".
        follow_links: whether symbolic links to folders are followed.
        crop_to_aspect_ratio: whether images of another shape are cropped at their centre first.
        pad_to_aspect_ratio: whether they keep their shape, with zeros around them.
        data_format: "channels_first", torch's, or "channels_last", Keras's.
        seeds: those of a program that called `keras.utils.set_random_seed` before this; the order
            of the epochs depends on that seed, too. None: it was not called.

    Raises:
        ValueError: the folder does not exist or has no images, or an argument has another form.
    """
    directory = os.fspath(directory)
    allowed_methods = METHODS if crop_to_aspect_ratio else FILE_METHODS
    for name, value, allowed in (
        ("label_mode", label_mode, LABEL_MODES),
        ("color_mode", color_mode, tuple(COLOR_MODES)),
        ("interpolation", interpolation, allowed_methods),
        ("subset", subset, SUBSETS),
        ("data_format", data_format, DATA_FORMATS),
    ):
        if value not in allowed:
            choices = ", ".join(map(repr, allowed))
            raise ValueError(f"{name}={value!r}: expected one of {choices}")
    _check_split(validation_split, subset, shuffle, seed)
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError(
            "crop_to_aspect_ratio=True, pad_to_aspect_ratio=True: expected one of them"
        )
    if batch_size is not None and not _is_count(batch_size):
        raise ValueError(f"batch_size={batch_size!r}: expected an integer of at least 1, or None")
    size = [image_size, image_size] if isinstance(image_size, int) else list(image_size)
    if len(size) != 2 or not all(map(_is_count, size)):
        raise ValueError(f"image_size={image_size!r}: expected (height, width) of at least 1")
    if not os.path.isdir(directory):
        raise ValueError(f"{directory}: there is no such folder")
    if label_mode is None:
        labels = None
    if seed is None:
        drawn = torch.randint(10**6, ()) if seeds is None else seeds.numpy.randint(10**6)
        seed = int(drawn)
    paths, numbers, names = _index(directory, labels, class_names, follow_links)
    if label_mode == "binary" and labels is not None and len(names or ()) != 2:
        raise ValueError(f'label_mode="binary" with classes {names}: expected two')
    if shuffle:
        for values in (paths, numbers):
            if values is not None:
                np.random.RandomState(seed).shuffle(values)

    def dataset(part: slice, what: str, shuffled: bool) -> ImageDataset:
        if not paths[part]:
            endings = ", ".join(FILE_NAME_ENDINGS)
            raise ValueError(
                f"{directory}: no images{what} among {len(paths)} ({endings}): add images, or "
                "choose another validation_split"
            )
        return ImageDataset(
            paths[part],
            None if numbers is None else numbers[part],
            names,
            label_mode=None if numbers is None else label_mode,
            image_size=(size[0], size[1]),
            num_channels=COLOR_MODES[color_mode],
            interpolation=interpolation,
            shape="crop" if crop_to_aspect_ratio else "pad" if pad_to_aspect_ratio else None,
            data_format=data_format,
            batch_size=batch_size,
            shuffle_seeds=(seed, None if seeds is None else seeds.seed) if shuffled else None,
        )

    if not validation_split:
        return dataset(slice(None), "", shuffle)
    kept = int(validation_split * len(paths))
    cut = len(paths) - kept if kept else 0  # without any for validation, Keras has none at all
    training = slice(0, cut), " for training", shuffle
    validation = slice(cut, cut + kept), " for validation", shuffle and subset != "both"
    if subset == "both":
        return [dataset(*training), dataset(*validation)]
    return dataset(*(training if subset == "training" else validation))


def _check_split(
    validation_split: float | None, subset: str | None, shuffle: bool, seed: int | None
) -> None:
    if validation_split and not 0 < validation_split < 1:
        raise ValueError(f"validation_split={validation_split!r}: expected a fraction in (0, 1)")
    if bool(validation_split) != bool(subset):
        raise ValueError(
            f"validation_split={validation_split!r}, subset={subset!r}: expected both or none"
        )
    if validation_split and shuffle and seed is None:
        raise ValueError(
            "validation_split without a seed: expected seed=..., so that both parts are cut from "
            "one order, or shuffle=False"
        )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _index(
    directory: str,
    labels: Any,
    class_names: Sequence[str] | None,
    follow_links: bool,
) -> tuple[list[str], list[int] | None, list[str] | None]:
    """Returns paths, the numbers of their classes, and the names of the classes."""
    if labels == "inferred":
        found = sorted(
            name
            for name in os.listdir(directory)
            if os.path.isdir(os.path.join(directory, name)) and not name.startswith(".")
        )
        names = found if class_names is None else list(class_names)
        unknown = sorted(set(names) - set(found))
        if unknown:
            raise ValueError(f"class_names {unknown}: expected names among the folders {found}")
        each = [list(_files(os.path.join(directory, name), follow_links)) for name in names]
        numbers = [number for number, files in enumerate(each) for _ in files]
        return [path for files in each for path in files], numbers, names
    if class_names is not None:
        raise ValueError('class_names is given: expected labels="inferred"')
    paths = list(_files(directory, follow_links))
    if labels is None:
        return paths, None, None
    if isinstance(labels, str) or not all(isinstance(label, int | np.integer) for label in labels):
        raise ValueError(
            f'labels={labels!r}: expected "inferred", None or an integer for each file'
        )
    if len(labels) != len(paths):
        raise ValueError(f"{len(labels)} labels of {len(paths)} files in {directory}")
    numbers = [int(label) for label in labels]
    return paths, numbers, [str(label) for label in sorted(set(numbers))]


def _files(folder: str, follow_links: bool) -> Iterator[str]:
    walk = sorted(os.walk(folder, followlinks=follow_links), key=lambda entry: entry[0])
    for root, _, names in walk:
        for name in sorted(names):
            if name.lower().endswith(FILE_NAME_ENDINGS):
                yield os.path.join(root, name)
