"""Keras's augmentation for torch: its arguments and random streams, and its pixels.

`ImageDataGenerator` feeds batches, and `FitFlow` feeds them in the order of Keras's `fit`.
`KerasTransform` is its random transform alone, for `v2.Compose`. `LayerTransform` makes such a
transform of one of Keras 3's layers of images, and `MappedBatches` are batches that go through
some, as `Dataset.map` makes them. `AugmentedDataset` is for a DataLoader, and
`image_dataset_from_directory` feeds the images of a folder. Nothing here needs the harness.
"""

from torch_impl.augment.datasets import AugmentedDataset, FitFlow, MappedBatches
from torch_impl.augment.directory import (
    DirectoryIterator,
    ImageDataset,
    image_dataset_from_directory,
)
from torch_impl.augment.generator import ImageDataGenerator
from torch_impl.augment.iterators import NumpyArrayIterator
from torch_impl.augment.layer_transform import LayerTransform
from torch_impl.augment.parameters import Parameters
from torch_impl.augment.transform import KerasTransform
from torch_impl.torch_names import explain_torch_names

__all__ = [
    "AugmentedDataset",
    "DirectoryIterator",
    "FitFlow",
    "ImageDataGenerator",
    "ImageDataset",
    "KerasTransform",
    "LayerTransform",
    "MappedBatches",
    "NumpyArrayIterator",
    "Parameters",
    "image_dataset_from_directory",
]

explain_torch_names(__name__)
