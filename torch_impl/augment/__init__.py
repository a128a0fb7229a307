"""ImageDataGenerator for torch: Keras's arguments and random stream, and its pixels.

`ImageDataGenerator` feeds batches, and `FitFlow` feeds them in the order of Keras's `fit`.
`KerasTransform` is the random transform alone, for `v2.Compose`, and `LayerTransform` has Keras 3's
layers of images there. `AugmentedDataset` is for a
DataLoader. Nothing here needs the harness.
"""

from torch_impl.augment.dataset import AugmentedDataset
from torch_impl.augment.directory import DirectoryIterator
from torch_impl.augment.fit_flow import FitFlow
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
    "KerasTransform",
    "LayerTransform",
    "NumpyArrayIterator",
    "Parameters",
]

explain_torch_names(__name__)
