"""Images of a folder with one subfolder for each class: found as Keras does, in batches."""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional as F

from torch_impl.augment.datasets import epoch_orders
from torch_impl.augment.files import COLOR_MODES, INTERPOLATIONS, decode, load_image
from torch_impl.augment.iterators import SUBSETS, BatchIterator, BatchT_co, is_count, part_of
from torch_impl.augment.layout import DATA_FORMATS, from_channels_first
from torch_impl.augment.parameters import Parameters
from torch_impl.layers.image.moves import largest_part
from torch_impl.layers.image.resample import FILE_METHODS, METHODS, resize
from torch_impl.seeds import KerasSeeds

if TYPE_CHECKING:
    from torch_impl.augment.generator import ImageDataGenerator


# --------------------------------------------------------------------------------------------------
#
# Batches of images from a folder, as `keras.utils.image_dataset_from_directory` makes them.
#
# Sources: keras 3.15 `utils/image_dataset_utils.py`, `utils/dataset_utils.py`; tensorflow 2.21
# `python/ops/image_ops_impl.py`, `resize_with_pad`.


class ImageDataset:
    """Batches of images and labels; each loop over it is an epoch.

    With `shuffle`, the epochs have the orders of Keras's dataset, one after the other.

    Attributes:
        file_paths: of the images, in the order before each epoch is shuffled.
        class_names: in the order of their numbers; None without labels.
        labels: (n,) int64, of the files; None without labels.
    """

    def __init__(
        self,
        file_paths: Sequence[str],
        labels: Sequence[int] | None,
        class_names: Sequence[str] | None,
        *,
        label_mode: str | None,
        image_size: tuple[int, int],
        num_channels: int,
        interpolation: str,
        shape: str | None,
        data_format: str,
        batch_size: int | None,
        shuffle_seeds: tuple[int, int | None] | None,
    ) -> None:
        self.file_paths = list(file_paths)
        self.class_names = None if class_names is None else list(class_names)
        self.labels = None if labels is None else torch.tensor(list(labels), dtype=torch.int64)
        self._label_mode, self._image_size = label_mode, image_size
        self._num_channels, self._interpolation, self._shape = num_channels, interpolation, shape
        self._data_format, self._batch_size = data_format, batch_size
        n = len(self.file_paths)
        self._orders: Iterator[list[int]] = itertools.repeat(list(range(n)))
        if shuffle_seeds is not None:
            buffer_size = 1024 if batch_size is None else 8 * batch_size
            self._orders = epoch_orders(n, buffer_size, *shuffle_seeds)

    def __len__(self) -> int:
        """The number of batches of an epoch; of images, without `batch_size`."""
        return -(-len(self.file_paths) // (self._batch_size or 1))

    def __iter__(self) -> Iterator[Any]:
        """Returns the batches of the next epoch.

        Returns:
            An iterator of images, or of (images, labels). Images are (N, C, H, W), or (N, H, W, C)
            with "channels_last": float32 in [0, 255], but uint8 with interpolation "nearest".
            Labels are (N,) int64 for "int", (N, 1) float32 for "binary", (N, classes) float32 for
            "categorical". Without `batch_size`, there is no N.

        Raises:
            ValueError: a file cannot be read as an image.
        """
        return self._batches(next(self._orders))

    def _batches(self, order: list[int]) -> Iterator[Any]:
        if self._batch_size is None:
            for number in order:
                yield self._part([number], one=True)
            return
        for start in range(0, len(order), self._batch_size):
            yield self._part(order[start : start + self._batch_size], one=False)

    def in_fit(self) -> Iterator[Iterator[Any]]:
        """Yields the epochs that Keras's `fit(dataset)` trains on, without end.

        Keras begins to read the dataset twice in each epoch, without `steps_per_epoch`, and only
        feeds the first of the two. So `fit` has every other order of a shuffled dataset.
        """
        while True:
            order = next(self._orders)
            next(self._orders)
            yield self._batches(order)

    def _part(self, numbers: list[int], *, one: bool) -> Any:
        images = torch.stack([self._image(self.file_paths[number]) for number in numbers])
        batch = from_channels_first(images, self._data_format).contiguous()
        if self.labels is None:
            return batch[0] if one else batch
        labels = self.labels[numbers]
        if self._label_mode == "binary":
            labels = labels[:, None].to(torch.float32)
        elif self._label_mode == "categorical":
            classes = torch.arange(len(self.class_names or ()))
            labels = (labels[:, None] == classes).to(torch.float32)
        return (batch[0], labels[0]) if one else (batch, labels)

    def _image(self, path: str) -> torch.Tensor:
        image = decode(path, self._num_channels)[None]
        if self._shape == "crop":
            height, width = image.shape[-2:]
            part = largest_part(height, width, self._image_size, np.float32)
            top, left = (height - part[0]) // 2, (width - part[1]) // 2
            image = image[..., top : top + part[0], left : left + part[1]]
        elif self._shape == "pad":
            return _resized_with_pad(image, self._image_size, self._interpolation)[0]
        return resize(image, self._image_size, self._interpolation)[0]


def _resized_with_pad(
    image: torch.Tensor, size: tuple[int, int], interpolation: str
) -> torch.Tensor:
    """Returns an image resized into a size with its shape kept, and zeros around it."""
    lengths, wanted = np.array(image.shape[-2:], np.float32), np.array(size, np.float32)
    exact = lengths / (lengths / wanted).max()
    new = np.maximum(np.floor(exact).astype(int), 1)
    before = np.maximum(np.floor((wanted - exact) / np.float32(2)).astype(int), 0)
    resized = resize(image, (int(new[0]), int(new[1])), interpolation)
    top, left = before.tolist()
    bottom, right = (np.array(size) - new - before).tolist()
    return F.pad(resized, (left, right, top, bottom))


# --- Finds the images of a folder, their classes and their order, as Keras does it ----------------
#
# Source: keras 3.15 `utils/image_dataset_utils.py`, `utils/dataset_utils.py`.


IMAGE_ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
LABEL_MODES = ("int", "categorical", "binary", None)
IMAGE_SUBSETS = ("training", "validation", "both", None)


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
        ("subset", subset, IMAGE_SUBSETS),
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
            endings = ", ".join(IMAGE_ENDINGS)
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
            if name.lower().endswith(IMAGE_ENDINGS):
                yield os.path.join(root, name)


# --- Batches of augmented images from a folder with one subfolder for each class ------------------
#
# Source: keras 3.15 `legacy/preprocessing/image.py`, `DirectoryIterator`.


FILE_NAME_ENDINGS = ("png", "jpg", "jpeg", "bmp", "ppm", "tif", "tiff")
CLASS_MODES = ("categorical", "binary", "sparse", "input", None)


class DirectoryIterator(BatchIterator[BatchT_co]):
    """Batches of the images in the subfolders of a folder.

    Args:
        directory: has one subfolder for each class; images in it are found at any depth.
        generator: augments the images.
        target_size: (height, width) to which images are resized.
        color_mode: "rgb", "rgba" or "grayscale".
        classes: names of the subfolders, in the order of their numbers; None takes all, sorted.
        class_mode: "categorical" (one-hot labels), "binary" or "sparse" (class numbers), "input"
            (the images themselves), None (no labels).
        follow_links: whether symbolic links to folders are followed.
        subset: "validation" takes the first files of each class, as many as the generator's
            `validation_split` says, "training" the others.
        interpolation: of the resizing: "nearest", "bilinear", "bicubic", "hamming", "box" or
            "lanczos".
        keep_aspect_ratio: whether images are cropped before they are resized.
        **batches: batch size, order and files, as `BatchIterator` takes them.

    Labels have the dtype of the generator, as in Keras; `classes` are integers.

    Raises:
        ValueError: the folder does not exist, a class has no images, or an argument has another
            form. When a batch is read: a file is not an image.

    Attributes:
        filenames: relative to `directory`, in the order of their numbers.
        filepaths: the same, with `directory`.
        classes: (n,) int64, the number of the class of each file.
        class_indices: name of a class -> its number.
        num_classes: number of classes.
        samples: number of files.
    """

    _save_names = 10_000_000

    def __init__(
        self,
        directory: str | os.PathLike[str],
        generator: ImageDataGenerator,
        *,
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
        **batches: Any,
    ) -> None:
        for name, value, allowed in (
            ("color_mode", color_mode, tuple(COLOR_MODES)),
            ("class_mode", class_mode, CLASS_MODES),
            ("subset", subset, (*SUBSETS, None)),
            ("interpolation", interpolation, tuple(INTERPOLATIONS)),
        ):
            if value not in allowed:
                choices = ", ".join(map(repr, allowed))
                raise ValueError(f"{name}={value!r}: expected one of {choices}")
        if (
            not isinstance(target_size, Sequence)
            or len(target_size) != 2
            or not all(map(is_count, target_size))
        ):
            raise ValueError(f"target_size={target_size!r}: expected (height, width) above 0")
        self.directory = str(directory)
        if not os.path.isdir(self.directory):
            raise ValueError(f"{self.directory}: there is no such folder")
        self.target_size = (int(target_size[0]), int(target_size[1]))
        self.color_mode, self.class_mode = color_mode, class_mode
        self.interpolation, self.keep_aspect_ratio = interpolation, keep_aspect_ratio
        names = list(classes) if classes else _subfolders(self.directory)
        self.class_indices = {name: number for number, name in enumerate(names)}
        self.num_classes = len(names)
        self.filenames: list[str] = []
        numbers: list[int] = []
        for name in names:
            files = _files_of_class(self.directory, name, follow_links)
            if subset is not None:
                files = part_of(files, subset, generator.validation_split)
            self.filenames += files
            numbers += [self.class_indices[name]] * len(files)
        self.classes = torch.tensor(numbers, dtype=torch.int64)
        self.samples = len(self.filenames)
        if self.samples == 0:
            raise ValueError(
                f"{self.directory}: no images for subset={subset!r} with validation_split="
                f"{generator.validation_split}"
            )
        super().__init__(self.samples, generator, **batches)

    def _sample_text(self) -> str:
        height, width = self.target_size
        labels = "no labels" if self.class_mode is None else f"{self.class_mode} labels"
        return (
            f"{self.color_mode} images of ({height}, {width}) in {self.directory!r}, "
            f"{self.num_classes} classes, {labels}"
        )

    @property
    def filepaths(self) -> list[str]:
        """The paths of the files, in the order of their numbers."""
        return [os.path.join(self.directory, name) for name in self.filenames]

    @property
    def labels(self) -> torch.Tensor:
        """The number of the class of each file, (n,) int64."""
        return self.classes

    def _augmented(self, index: torch.Tensor) -> tuple[torch.Tensor, Parameters]:
        images = [
            load_image(
                os.path.join(self.directory, self.filenames[number]),
                color_mode=self.color_mode,
                target_size=self.target_size,
                interpolation=self.interpolation,
                keep_aspect_ratio=self.keep_aspect_ratio,
                dtype=self.generator.dtype,
            )
            for number in index.tolist()
        ]
        channels_first = torch.stack(images).movedim(-1, 1)
        batch = from_channels_first(channels_first, self.generator.data_format)
        return self.generator.augmented(batch.contiguous())

    def _with_labels(self, images: torch.Tensor, index: torch.Tensor) -> Any:
        if self.class_mode is None:
            return images
        if self.class_mode == "input":
            return images, images.clone()
        numbers = self.classes[index]
        if self.class_mode == "categorical":
            one_hot = torch.nn.functional.one_hot(numbers, self.num_classes)
            return images, one_hot.to(images.dtype)
        return images, numbers.to(images.dtype)


def _subfolders(directory: str) -> list[str]:
    names = [entry.name for entry in os.scandir(directory) if entry.is_dir()]
    if not names:
        raise ValueError(
            f"{directory}: holds no subfolder: expected one for each class, with its images"
        )
    return sorted(names)


def _files_of_class(directory: str, name: str, follow_links: bool) -> list[str]:
    """Returns the images of a class in Keras's order, relative to the folder of all classes."""
    folder = os.path.join(directory, name)
    if not os.path.isdir(folder):
        raise ValueError(
            f"{folder}: there is no such folder, although {name!r} is among the classes"
        )
    files = []
    for root, _, file_names in sorted(os.walk(folder, followlinks=follow_links)):
        for file_name in sorted(file_names):
            lower = file_name.lower()
            if lower.endswith(".tiff"):
                warnings.warn(
                    f"{Path(root) / file_name}: a .tiff file with several bands will be distorted; "
                    "look at what is fed",
                    stacklevel=4,
                )
            if lower.endswith(FILE_NAME_ENDINGS):
                files.append(
                    os.path.join(name, os.path.relpath(os.path.join(root, file_name), folder))
                )
    if not files:
        raise ValueError(
            f"{folder}: holds no image ({', '.join(FILE_NAME_ENDINGS)}): add images, remove the "
            "folder, or name the classes to use by `classes`"
        )
    return files
