"""image_data_generator: the augmentation of a spec."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from torch_impl.seeds import KerasSeeds

if TYPE_CHECKING:
    from parity.programs.run_spec import Augmentation
    from torch_impl.augment import ImageDataGenerator


def image_data_generator(
    augmentation: Augmentation, dtype: str, seeds: KerasSeeds | None = None
) -> ImageDataGenerator:
    """Returns the generator with the arguments of a spec.

    Args:
        augmentation: of the spec.
        dtype: of the images, "float32" or "float64".
        seeds: of the program; None: it draws from torch's seed.
    """
    from torch_impl.augment import ImageDataGenerator  # torchvision takes as long as torch

    return ImageDataGenerator(
        **asdict(augmentation),
        data_format="channels_first",
        dtype=dtype,
        random_state=None if seeds is None else seeds.numpy,
    )
