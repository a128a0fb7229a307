"""The contestants of `benchmarks/speed/augment.py`: ours, Keras, and other libraries."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

PIPELINE: dict[str, Any] = {
    "rotation_range": 10,
    "width_shift_range": 0.1,
    "height_shift_range": 0.1,
    "shear_range": 0.1,  # degrees
    "zoom_range": 0.1,
    "horizontal_flip": True,
}


@dataclass
class Case:
    """Images (N, H, W, C) float32 and their order, which are the same in every process."""

    size: tuple[int, int, int]
    num_images: int
    batch_size: int
    seed: int = 0

    def __post_init__(self) -> None:
        random = np.random.default_rng(1)
        self.images = random.random((self.num_images, *self.size), dtype=np.float32)
        self.labels, self.order = np.arange(self.num_images), random.permutation(self.num_images)

    def index(self, number: int) -> np.ndarray:
        """Returns the image numbers of a batch, for libraries that do not shuffle."""
        return self.order[number * self.batch_size : (number + 1) * self.batch_size]

    def channels_first(self) -> Any:
        """Returns the images as a tensor (N, C, H, W)."""
        import torch

        return torch.from_numpy(self.images).permute(0, 3, 1, 2).contiguous()


# Each function takes a case, and returns a function from the number of a batch to the batch.


def ours(case: Case) -> Callable[[int], Any]:
    """The flow of `torch_impl.augment`."""
    from torch_impl.augment import ImageDataGenerator

    generator = ImageDataGenerator(**PIPELINE, random_state=np.random.RandomState(case.seed))
    return generator.flow(case.images, case.labels, case.batch_size).__getitem__


def keras_generator(case: Case) -> Callable[[int], Any]:
    """The reference."""
    from tensorflow.keras.preprocessing.image import ImageDataGenerator

    np.random.seed(case.seed)
    return (
        ImageDataGenerator(**PIPELINE).flow(case.images, case.labels, case.batch_size).__getitem__
    )


def keras_layers(case: Case) -> Callable[[int], Any]:
    """Preprocessing layers, as one graph."""
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(int(os.environ["OMP_NUM_THREADS"]))
    tf.config.threading.set_inter_op_parallelism_threads(int(os.environ["OMP_NUM_THREADS"]))
    layers, edge = keras.layers, {"fill_mode": "nearest"}
    steps = [
        layers.RandomRotation(10 / 360, **edge),
        layers.RandomTranslation(0.1, 0.1, **edge),
        layers.RandomShear(x_factor=float(np.tan(np.deg2rad(0.1))), **edge),
        layers.RandomZoom(0.1, 0.1, **edge),
        layers.RandomFlip("horizontal"),
    ]
    pipeline = keras.Sequential(steps)
    graph = tf.function(lambda images: pipeline(images, training=True))
    return lambda number: graph(tf.constant(case.images[case.index(number)]))


def torchvision_loop(case: Case) -> Callable[[int], Any]:
    """v2 transforms, image by image."""
    import torch
    from torchvision.transforms import v2

    bilinear = v2.InterpolationMode.BILINEAR
    affine = v2.RandomAffine(10, (0.1, 0.1), (0.9, 1.1), shear=0.1, interpolation=bilinear)
    transform, images = v2.Compose([affine, v2.RandomHorizontalFlip()]), case.channels_first()
    return lambda number: torch.stack([transform(images[i]) for i in case.index(number)])


def albumentations_loop(case: Case) -> Callable[[int], Any]:
    """OpenCV's warpAffine, image by image."""
    import albumentations as A
    import cv2

    affine = A.Affine(
        scale={"x": (0.9, 1.1), "y": (0.9, 1.1)},
        translate_percent={"x": (-0.1, 0.1), "y": (-0.1, 0.1)},
        rotate=(-10, 10),
        shear={"x": (-0.1, 0.1), "y": (0, 0)},
        border_mode=cv2.BORDER_REPLICATE,
        p=1,
    )
    transform, images = A.Compose([affine, A.HorizontalFlip(p=0.5)]), case.images
    return lambda number: np.stack(
        [transform(image=images[i])["image"] for i in case.index(number)]
    )


def kornia_batch(case: Case) -> Callable[[int], Any]:
    """A batch at a time, with separate parameters for each image."""
    import torch
    from kornia.augmentation import RandomAffine, RandomHorizontalFlip

    zooms = (0.9, 1.1, 0.9, 1.1)
    affine = RandomAffine(10, (0.1, 0.1), zooms, shear=0.1, padding_mode="border", p=1)
    transform = torch.nn.Sequential(affine, RandomHorizontalFlip(p=0.5))
    images = case.channels_first()
    return lambda number: transform(images[case.index(number)])


def grid_sample(case: Case) -> Callable[[int], Any]:
    """The least work with torch's own operations."""
    import torch
    import torch.nn.functional as F

    images = case.channels_first()

    def batch(number: int) -> Any:
        some = images[case.index(number)]
        maps = torch.eye(2, 3) + 0.2 * (torch.rand(len(some), 2, 3) - 0.5)
        grid = F.affine_grid(maps, list(some.shape), align_corners=False)
        return F.grid_sample(some, grid, padding_mode="border", align_corners=False)

    return batch


@dataclass(frozen=True)
class Contestant:
    """A way to augment, the libraries it needs, and the parts of the pipeline that it lacks."""

    build: Callable[[Case], Callable[[int], Any]]
    libraries: Sequence[str]
    lacks: str
    environment: dict[str, str] = field(default_factory=dict)


OURS, UNCOMPILED, KERAS = "ours", "ours, uncompiled", "Keras ImageDataGenerator"
CONTESTANTS = {
    OURS: Contestant(ours, ["torch"], "-"),
    UNCOMPILED: Contestant(ours, ["torch"], "-", {"PARITY_NATIVE": "0"}),
    KERAS: Contestant(keras_generator, ["tensorflow", "scipy"], "- (the reference)"),
    "torchvision v2, a loop": Contestant(
        torchvision_loop,
        ["torchvision"],
        "draws once for a batch, hence the loop; one zoom for both axes, whole-pixel shifts, "
        "tangent shear, no edge fill, another order",
    ),
    "albumentations, a loop": Contestant(
        albumentations_loop,
        ["albumentations", "cv2"],
        "whole-pixel shifts, tangent shear, another order, no float64; positions rounded to 1/32 "
        "pixel before OpenCV 5",
    ),
    "kornia": Contestant(
        kornia_batch, ["kornia"], "tangent shear, another order, positions in float32"
    ),
    "Keras layers": Contestant(
        keras_layers,
        ["tensorflow"],
        "interpolates once for each of four layers, shears about the corner, positions in float32",
    ),
    "affine_grid, grid_sample": Contestant(
        grid_sample, ["torch"], "the floor: any matrices, no flip, positions in float32"
    ),
}
