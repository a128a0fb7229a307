"""The statistics of ImageDataGenerator: rescaling, centring, scaling, ZCA whitening.

`fit` computes with NumPy, as Keras does, so that the statistics have Keras's bits; `standardize`
computes in torch, for a whole batch.

Source: keras 3.15 `legacy/preprocessing/image.py`, `fit` and `standardize`.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

_EPSILON = 1e-6  # added to standard deviations


@dataclass
class Standardization:
    """The steps that follow the random transform, in Keras's order.

    Attributes:
        featurewise_center: subtract the mean of each channel over the data given to `fit`.
        samplewise_center: subtract the mean of each image, over all its channels.
        featurewise_std_normalization: divide by the standard deviation of each channel.
        samplewise_std_normalization: divide each image by its own.
        zca_whitening: multiply by a matrix that makes the pixels of the data uncorrelated.
        zca_epsilon: added to its singular values.
        rescale: factor, or None.
        keras_quirks: whether `standardize` centres and scales a whole batch by one number; if not,
            each image by its own, as for single images.
        mean: of the channels, broadcasts over an image; None before `fit`.
        std: of the channels, broadcasts over an image; None before `fit`.
        zca_whitening_matrix: (pixels, pixels) over the flattened image; None before `fit`.
    """

    featurewise_center: bool = False
    samplewise_center: bool = False
    featurewise_std_normalization: bool = False
    samplewise_std_normalization: bool = False
    zca_whitening: bool = False
    zca_epsilon: float = 1e-6
    rescale: float | None = None
    keras_quirks: bool = True
    mean: Any = None
    std: Any = None
    zca_whitening_matrix: Any = None

    def __post_init__(self) -> None:
        if self.zca_whitening:
            self._override("zca_whitening", "featurewise_center", True)
            self._override("zca_whitening", "featurewise_std_normalization", False)
        if self.featurewise_std_normalization:
            self._override("featurewise_std_normalization", "featurewise_center", True)
        if self.samplewise_std_normalization:
            self._override("samplewise_std_normalization", "samplewise_center", True)

    def _override(self, reason: str, name: str, value: bool) -> None:
        if getattr(self, name) != value:
            warnings.warn(
                f"This ImageDataGenerator specifies `{reason}`, which overrides setting of "
                f"`{name}`.",
                stacklevel=5,
            )
            setattr(self, name, value)

    def fit(self, x: np.ndarray, channel_axis: int) -> None:
        """Computes what the data-dependent steps need.

        Args:
            x: four axes, images first, in the dtype of the statistics; already rescaled; is
                changed.
            channel_axis: 1 or 3.
        """
        axes = tuple(axis for axis in range(4) if axis != channel_axis)
        if self.featurewise_center:
            self.mean = np.mean(x, axis=axes, keepdims=True)[0]
            x -= self.mean
        if self.featurewise_std_normalization:
            self.std = np.std(x, axis=axes, keepdims=True)[0]
            x /= self.std + _EPSILON
        if self.zca_whitening:
            flat = x.reshape(len(x), -1)
            u, s, _ = np.linalg.svd(flat.T, full_matrices=False)
            self.zca_whitening_matrix = (u * (np.sqrt(len(x)) / (s + self.zca_epsilon))).dot(u.T)

    def apply(self, images: torch.Tensor, one_by_one: bool = True) -> torch.Tensor:
        """Standardizes images.

        Args:
            images: (N, ...) in the layout of `fit`, or one image of three axes.
            one_by_one: whether each image of a batch has its own statistics.
        """
        axes = (1, 2, 3) if images.ndim == 4 and one_by_one else tuple(range(images.ndim))
        if self.rescale:
            images = images * self.rescale
        if self.samplewise_center:
            images = images - images.mean(axes, keepdim=True)
        if self.samplewise_std_normalization:
            images = images / (images.std(axes, correction=0, keepdim=True) + _EPSILON)
        if self.featurewise_center and self._is_fitted("featurewise_center", self.mean):
            images = images - torch.as_tensor(self.mean).to(images)
        if self.featurewise_std_normalization and self._is_fitted(
            "featurewise_std_normalization", self.std
        ):
            images = images / (torch.as_tensor(self.std).to(images) + _EPSILON)
        if self.zca_whitening and self._is_fitted("zca_whitening", self.zca_whitening_matrix):
            matrix = torch.as_tensor(self.zca_whitening_matrix).to(images)
            flat = images.reshape(-1, matrix.shape[0])
            images = (flat @ matrix).reshape(images.shape)
        return images

    def _is_fitted(self, name: str, statistic: Any) -> bool:
        if statistic is None:
            warnings.warn(
                f"This ImageDataGenerator specifies `{name}`, but it hasn't been fit on any "
                "training data. Fit it first by calling `.fit(data)`.",
                stacklevel=4,
            )
        return statistic is not None
