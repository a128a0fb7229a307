"""How the training samples are fed: the first arguments of `model.fit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from keras_impl.augment import image_data_generator

if TYPE_CHECKING:
    from parity.data.dataset import Data
    from parity.programs.run_spec import RunSpec

# Batch size of evaluations, which larger batches make faster.
EVALUATION_BATCH_SIZE = 256


def training_data(spec: RunSpec, data: Data) -> dict[str, Any]:
    """Returns the arguments of `model.fit` for training: arrays, or an iterator that augments.

    Args:
        spec: gives batch size, augmentation and dtype.
        data: the arrays of the run.
    """
    x = data.x_train.astype(spec.dtype)
    if spec.augmentation is None:
        return {"x": x, "y": data.y_train, "batch_size": spec.batch_size}
    datagen = image_data_generator(spec.augmentation)
    datagen.fit(x)
    return {"x": datagen.flow(x, data.y_train, batch_size=spec.batch_size)}


def validation_data(spec: RunSpec, data: Data) -> tuple[np.ndarray, np.ndarray]:
    """Returns the `validation_data` of `model.fit`: images (N, H, W, C), labels (N,)."""
    return data.x_val.astype(spec.dtype), data.y_val


def evaluation_data(spec: RunSpec, data: Data) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns batches of the training samples for evaluation: in order, not augmented."""
    return in_batches(data.x_train.astype(spec.dtype), data.y_train)


def in_batches(x: np.ndarray, y: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns images and labels in batches for evaluation."""
    ends = np.arange(EVALUATION_BATCH_SIZE, len(x), EVALUATION_BATCH_SIZE)
    return list(zip(np.split(x, ends), np.split(y, ends), strict=True))
