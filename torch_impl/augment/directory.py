"""Batches of augmented images from a folder with one subfolder for each class.

Source: keras 3.15 `legacy/preprocessing/image.py`, `DirectoryIterator`.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from torch_impl.augment.files import COLOR_MODES, INTERPOLATIONS, load_image
from torch_impl.augment.iterators import SUBSETS, BatchIterator, BatchT_co, is_count, part_of
from torch_impl.augment.layout import from_channels_first
from torch_impl.augment.parameters import Parameters

if TYPE_CHECKING:
    from torch_impl.augment.generator import ImageDataGenerator

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

    def _told(self) -> str:
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
