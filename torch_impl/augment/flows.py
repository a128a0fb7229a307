"""The methods of a generator that make iterators, typed by what a batch of them is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, overload

import numpy as np
import torch

from torch_impl.augment.directory import DirectoryIterator
from torch_impl.augment.iterators import NumpyArrayIterator

if TYPE_CHECKING:
    from torch_impl.augment.generator import ImageDataGenerator

Array = torch.Tensor | np.ndarray
Pair = tuple[torch.Tensor, torch.Tensor]
Triple = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
Labels = Literal["categorical", "binary", "sparse", "input"]


class BatchOptions(TypedDict, total=False):
    """Arguments of both methods that do not decide what a batch is."""

    seed: int | None
    save_to_dir: str | os.PathLike[str] | None
    save_prefix: str
    save_format: str
    subset: str | None


class FlowOptions(BatchOptions, total=False):
    """Those of `flow`."""

    ignore_class_split: bool


class DirectoryOptions(BatchOptions, total=False):
    """Those of `flow_from_directory`."""

    batch_size: int
    shuffle: bool
    follow_links: bool
    interpolation: str
    keep_aspect_ratio: bool


class Flows:
    """What feeds the images of a generator."""

    @overload
    def flow(
        self,
        x: Array,
        y: None = None,
        batch_size: int = 32,
        shuffle: bool = True,
        **options: Unpack[FlowOptions],
    ) -> NumpyArrayIterator[torch.Tensor]: ...
    @overload
    def flow(
        self,
        x: Array,
        y: Array,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: None = None,
        **options: Unpack[FlowOptions],
    ) -> NumpyArrayIterator[Pair]: ...
    @overload
    def flow(
        self,
        x: Array,
        y: Array,
        batch_size: int = 32,
        shuffle: bool = True,
        *,
        sample_weight: Array,
        **options: Unpack[FlowOptions],
    ) -> NumpyArrayIterator[Triple]: ...
    @overload
    def flow(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: Any = None,
        seed: int | None = None,
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        ignore_class_split: bool = False,
        subset: str | None = None,
    ) -> NumpyArrayIterator[Any]: ...
    def flow(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: Any = None,
        seed: int | None = None,
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        ignore_class_split: bool = False,
        subset: str | None = None,
    ) -> NumpyArrayIterator[Any]:
        """Returns batches of augmented images held in memory; see `NumpyArrayIterator`."""
        return NumpyArrayIterator(
            x,
            y,
            self._generator,
            batch_size=batch_size,
            shuffle=shuffle,
            sample_weight=sample_weight,
            seed=seed,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            ignore_class_split=ignore_class_split,
            subset=subset,
        )

    @overload
    def flow_from_directory(
        self,
        directory: str | os.PathLike[str],
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: Labels = "categorical",
        **options: Unpack[DirectoryOptions],
    ) -> DirectoryIterator[Pair]: ...
    @overload
    def flow_from_directory(
        self,
        directory: str | os.PathLike[str],
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        *,
        class_mode: None,
        **options: Unpack[DirectoryOptions],
    ) -> DirectoryIterator[torch.Tensor]: ...
    @overload
    def flow_from_directory(
        self,
        directory: str | os.PathLike[str],
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
    ) -> DirectoryIterator[Any]: ...
    def flow_from_directory(
        self,
        directory: str | os.PathLike[str],
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
    ) -> DirectoryIterator[Any]:
        """Returns batches of augmented images read from files; see `DirectoryIterator`."""
        return DirectoryIterator(
            directory,
            self._generator,
            target_size=target_size,
            color_mode=color_mode,
            classes=classes,
            class_mode=class_mode,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            follow_links=follow_links,
            subset=subset,
            interpolation=interpolation,
            keep_aspect_ratio=keep_aspect_ratio,
        )

    @property
    def _generator(self) -> ImageDataGenerator:
        raise NotImplementedError
