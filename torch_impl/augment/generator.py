"""ImageDataGenerator with Keras's arguments, methods and random stream, for torch tensors."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypedDict, Unpack, overload

import numpy as np
import torch

from torch_impl.augment.directory import DirectoryIterator
from torch_impl.augment.iterators import NumpyArrayIterator
from torch_impl.augment.layout import (
    DATA_FORMATS,
    check_images,
    from_channels_first,
    to_channels_first,
    to_tensor,
)
from torch_impl.augment.parameters import AT_REST, Parameters, ShiftRange
from torch_impl.augment.standardize import Standardization
from torch_impl.augment.transform import KerasTransform

# --- The methods of a generator that make iterators, typed by what a batch of them is -------------


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


# --- ImageDataGenerator with Keras's arguments, methods and random stream, for torch tensors ------


class ImageDataGenerator(Flows):
    """Augments images as `tensorflow.keras.preprocessing.image.ImageDataGenerator` does.

    Arguments, defaults, draws and pixels are those of Keras 3.15. Tensors (or arrays) go in,
    tensors come out; see `KerasTransform` for the ranges and `Standardization` for the statistics.

    Args:
        featurewise_center: subtract the mean of each channel of the data given to `fit`.
        samplewise_center: subtract the mean of each image.
        featurewise_std_normalization: divide by the standard deviation of each channel.
        samplewise_std_normalization: divide each image by its own standard deviation.
        zca_whitening: whiten by the covariance of the data given to `fit`.
        zca_epsilon: added to the singular values of the whitening.
        rotation_range: degrees.
        width_shift_range: a fraction if below 1, else pixels; an integer or a list gives choices.
        height_shift_range: the same.
        brightness_range: two bounds, or None.
        shear_range: degrees.
        zoom_range: one number, or two bounds.
        channel_shift_range: in units of pixel values.
        fill_mode: "nearest", "constant", "reflect" or "wrap".
        cval: the value outside, for `fill_mode="constant"`.
        horizontal_flip: whether left and right are exchanged at random.
        vertical_flip: whether top and bottom are exchanged at random.
        rescale: factor applied after the random transform, or None.
        preprocessing_function: called with each image, a tensor in `data_format`, after the random
            transform and before anything else; returns an image of the same shape.
        data_format: "channels_last" (the default, as in Keras) or "channels_first".
        validation_split: fraction of the samples, the first ones, that are `subset="validation"`.
        interpolation_order: 0, 1 or 3.
        dtype: torch.float32 or torch.float64, or its name; None takes torch's default dtype.
        keras_quirks: see `KerasTransform` and `Standardization`.
        random_state: replaces NumPy's global state, see `KerasSeeds.numpy`; None takes a new
            generator, seeded from torch's.

    Raises:
        ValueError: an argument has another form; the message shows it.

    Attributes:
        transform: the random transform, usable on its own.
        mean, std, zca_whitening_matrix: computed by `fit`; may be set.
    """

    def __init__(
        self,
        featurewise_center: bool = False,
        samplewise_center: bool = False,
        featurewise_std_normalization: bool = False,
        samplewise_std_normalization: bool = False,
        zca_whitening: bool = False,
        zca_epsilon: float = 1e-6,
        rotation_range: float = 0,
        width_shift_range: ShiftRange = 0.0,
        height_shift_range: ShiftRange = 0.0,
        brightness_range: Sequence[float] | None = None,
        shear_range: float = 0.0,
        zoom_range: float | Sequence[float] = 0.0,
        channel_shift_range: float = 0.0,
        fill_mode: str = "nearest",
        cval: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        rescale: float | None = None,
        preprocessing_function: Callable[[torch.Tensor], Any] | None = None,
        data_format: str | None = None,
        validation_split: float = 0.0,
        interpolation_order: int = 1,
        dtype: torch.dtype | str | None = None,
        *,
        keras_quirks: bool = True,
        random_state: np.random.RandomState | None = None,
    ) -> None:
        if data_format is None:
            data_format = "channels_last"
        if data_format not in DATA_FORMATS:
            raise ValueError(
                f"data_format={data_format!r}: expected 'channels_last' (channel after row and "
                "column) or 'channels_first' (channel before row and column)"
            )
        if validation_split and not 0 < validation_split < 1:
            raise ValueError(
                f"validation_split={validation_split!r}: expected a fraction strictly between 0 "
                "and 1, or 0 for none"
            )
        self.transform = KerasTransform(
            rotation_range=rotation_range,
            width_shift_range=width_shift_range,
            height_shift_range=height_shift_range,
            brightness_range=brightness_range,
            shear_range=shear_range,
            zoom_range=zoom_range,
            channel_shift_range=channel_shift_range,
            fill_mode=fill_mode,
            cval=cval,
            horizontal_flip=horizontal_flip,
            vertical_flip=vertical_flip,
            interpolation_order=interpolation_order,
            keras_quirks=keras_quirks,
            random_state=random_state,
        )
        self.standardization = Standardization(
            featurewise_center=featurewise_center,
            samplewise_center=samplewise_center,
            featurewise_std_normalization=featurewise_std_normalization,
            samplewise_std_normalization=samplewise_std_normalization,
            zca_whitening=zca_whitening,
            zca_epsilon=zca_epsilon,
            rescale=rescale,
            keras_quirks=keras_quirks,
        )
        self.preprocessing_function = preprocessing_function
        self.data_format = data_format
        self.validation_split = validation_split
        self.dtype = _float_dtype(dtype)

    @property
    def channel_axis(self) -> int:
        """The axis of the channels in a batch: 1 or 3."""
        return 1 if self.data_format == "channels_first" else 3

    @property
    def random_state(self) -> np.random.RandomState:
        """The generator from which orders and parameters are drawn."""
        return self.transform.sampler.random_state

    mean = property(
        lambda self: self.standardization.mean,
        lambda self, value: setattr(self.standardization, "mean", value),
        doc="Of each channel, broadcasts over an image; None before `fit`.",
    )
    std = property(
        lambda self: self.standardization.std,
        lambda self, value: setattr(self.standardization, "std", value),
        doc="Of each channel, broadcasts over an image; None before `fit`.",
    )
    zca_whitening_matrix = property(
        lambda self: self.standardization.zca_whitening_matrix,
        lambda self, value: setattr(self.standardization, "zca_whitening_matrix", value),
        doc="(pixels, pixels) over the flattened image; None before `fit`.",
    )

    @property
    def _generator(self) -> ImageDataGenerator:
        return self

    def fit(self, x: Any, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Computes what the data-dependent steps need.

        Args:
            x: four axes, images first, in `data_format`; not changed.
            augment: whether to fit on randomly transformed images.
            rounds: with `augment`, how often to pass over the data.
            seed: of the random transforms.

        Raises:
            ValueError: there are no images, or the number of axes is not four.
        """
        images = to_tensor(x, self.dtype)
        check_images(images, self.data_format, "fit", stacklevel=2)
        if len(images) == 0:
            raise ValueError(f"fit: x of shape {tuple(images.shape)}: expected at least one image")
        if seed is not None:
            self.random_state.seed(seed)
        images = images * self.standardization.rescale if self.standardization.rescale else images
        if augment:
            # One image after the other, to draw in Keras's order.
            images = torch.cat([self._moved(images)[0] for _ in range(rounds)])
        self.standardization.fit(np.array(images.cpu().numpy()), self.channel_axis)

    def standardize(self, x: Any) -> torch.Tensor:
        """Applies preprocessing function, rescaling and statistics.

        Unlike in Keras, `x` is not changed.

        Args:
            x: an image, or a batch, in `data_format`.
        """
        images = to_tensor(x)
        if self.preprocessing_function is not None:
            images = self._preprocessed(images)
        return self.standardization.apply(images, one_by_one=not self.standardization.keras_quirks)

    def get_random_transform(
        self, img_shape: Sequence[int], seed: int | None = None
    ) -> dict[str, Any]:
        """Draws the parameters of one image.

        Args:
            img_shape: of the image, in `data_format`.
            seed: seeds the random state first.

        Returns:
            Parameters by Keras's names, as `apply_transform` takes them; see
            `ParameterSampler.draw`.
        """
        if len(img_shape) != 3:
            raise ValueError(f"img_shape={tuple(img_shape)}: expected three axes, one image")
        if seed is not None:
            self.random_state.seed(seed)
        row_axis = 1 if self.data_format == "channels_first" else 0
        params = self.transform.draw(1, img_shape[row_axis], img_shape[row_axis + 1])
        return {name: params[name][0].item() if name in params else None for name in AT_REST}

    def apply_transform(self, x: Any, transform_parameters: Mapping[str, Any]) -> torch.Tensor:
        """Transforms an image by given parameters.

        Args:
            x: an image, or a batch, in `data_format`.
            transform_parameters: by Keras's names, see `get_random_transform`; a parameter that is
                missing or None changes nothing. For a batch, arrays or tensors with one value for
                each image.

        Raises:
            ValueError: a name is unknown, or the number of values is wrong.
        """
        moved = self.transform.transform(
            to_channels_first(to_tensor(x), self.data_format), transform_parameters
        )
        return from_channels_first(moved, self.data_format)

    def random_transform(self, x: Any, seed: int | None = None) -> torch.Tensor:
        """Transforms an image by parameters drawn now.

        Args:
            x: an image in `data_format`.
            seed: seeds the random state first.
        """
        return self.apply_transform(x, self.get_random_transform(x.shape, seed))

    def augmented(
        self, images: torch.Tensor, index: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Parameters]:
        """Draws parameters for a batch, transforms and standardizes it. The iterators feed this.

        Args:
            images: in `data_format`.
            index: which images are the batch; None takes all of them in their order.

        Returns:
            The batch and its parameters.
        """
        if self.preprocessing_function is None:
            moved, params = self._moved(images, index)
            return self.standardization.apply(moved), params
        # The function may draw from the same stream, so images go one by one, as in Keras.
        done, drawn = [], []
        for number in torch.arange(len(images)) if index is None else index:
            moved, params = self._moved(images, number[None])
            done.append(self.standardization.apply(self._preprocessed(moved[0])))
            drawn.append(params)
        return torch.stack(done), {
            name: np.concatenate([params[name] for params in drawn]) for name in drawn[0]
        }

    def _moved(
        self, images: torch.Tensor, index: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Parameters]:
        nchw = to_channels_first(images, self.data_format)
        num_images = (nchw if index is None else index).shape[0]
        params = self.transform.draw(num_images, *nchw.shape[-2:])
        moved = self.transform.apply(nchw, params, index)
        return from_channels_first(moved, self.data_format), params

    def _preprocessed(self, image: torch.Tensor) -> torch.Tensor:
        assert self.preprocessing_function is not None
        result = torch.as_tensor(self.preprocessing_function(image), device=image.device)
        if result.shape != image.shape:
            raise ValueError(
                f"preprocessing_function returned shape {tuple(result.shape)} for an image of "
                f"shape {tuple(image.shape)}: expected the same shape"
            )
        return result.to(image.dtype)


def _float_dtype(dtype: torch.dtype | str | None) -> torch.dtype:
    if dtype is None:
        return torch.get_default_dtype()
    named = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if named not in (torch.float32, torch.float64):
        raise ValueError(f"dtype={dtype!r}: expected float32 or float64")
    return named
