"""The augmentation of Example 2: Keras's ImageDataGenerator.

Keras 3 no longer exports the class as `keras.preprocessing.image`; it lives under
`tensorflow.keras`, deprecated and unchanged.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from tensorflow.keras.preprocessing.image import ImageDataGenerator

if TYPE_CHECKING:
    from parity.programs.run_spec import Augmentation


def image_data_generator(augmentation: Augmentation) -> ImageDataGenerator:
    """Returns the generator with the arguments of a spec."""
    return ImageDataGenerator(**dataclasses.asdict(augmentation))
