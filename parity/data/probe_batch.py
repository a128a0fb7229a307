"""The probe batch, drawn in NumPy, so that both halves get the same numbers.

One half is training images, the other signed noise. MNIST alone has one channel, square images and
a black border, which hide a wrong axis, a wrong padding or a wrong order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from parity.data.dataset import Data
    from parity.programs.run_spec import RunSpec

NUM_PROBE_STEPS = 20  # optimizer steps of the probe
PROBE_STEPS = (1, 20)  # weights and slots are compared after these steps
NUM_MASKS = 3  # recorded masks of each Dropout
NUM_FEED_EPOCHS = 3  # epochs with a recorded feeding order
NUM_FEED_IMAGES = 256  # images per epoch with recorded pixels


def probe_batch(spec: RunSpec, data: Data) -> tuple[np.ndarray, np.ndarray]:
    """Returns images (N, H, W, C) float64 and labels (N,) int64, N at most 32."""
    num_images = min(32, len(data.x_train))
    generator = np.random.default_rng(spec.seed)
    images = data.x_train[:num_images].astype(np.float64)
    half = num_images // 2
    images[half:] = generator.normal(size=images[half:].shape)
    return images, data.y_train[:num_images]


def probe_step_batch(spec: RunSpec, data: Data, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the batch of a probe step (from 1): the next `batch_size` samples, cyclically.

    The images are float64 (N, H, W, C), the labels int64 (N,).
    """
    num_samples = len(data.x_train)
    index = np.arange((step - 1) * spec.batch_size, step * spec.batch_size) % num_samples
    index = index[:num_samples]
    return data.x_train[index].astype(np.float64), data.y_train[index]
