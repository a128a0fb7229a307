"""ImageDataGenerator for torch: Keras's arguments and random stream, and its pixels.

`ImageDataGenerator` feeds batches. `KerasTransform` is the random transform alone, for
`v2.Compose`. `AugmentedDataset` is for a DataLoader. Nothing here needs the harness.
"""

from torch_impl.augment.dataset import AugmentedDataset
from torch_impl.augment.directory import DirectoryIterator
from torch_impl.augment.generator import ImageDataGenerator
from torch_impl.augment.iterators import NumpyArrayIterator
from torch_impl.augment.parameters import Parameters
from torch_impl.augment.transform import KerasTransform

__all__ = [
    "AugmentedDataset",
    "DirectoryIterator",
    "ImageDataGenerator",
    "KerasTransform",
    "NumpyArrayIterator",
    "Parameters",
]
