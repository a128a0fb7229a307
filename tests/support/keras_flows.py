"""What ImageDataGenerator feeds, Keras's and ours from the same streams, and pictures for files."""

import numpy as np
from helpers import assert_same_bits, assert_same_images
from PIL import Image
from tensorflow.keras.preprocessing.image import ImageDataGenerator as KerasGenerator

from torch_impl.augment import ImageDataGenerator


def generators(seed=5, **options):
    """Ours and Keras's; NumPy's global stream is Keras's."""
    np.random.seed(seed)
    ours = ImageDataGenerator(**options, random_state=np.random.RandomState(seed))
    return ours, KerasGenerator(**options)


def assert_same_batch(ours, theirs):
    """Images within one rounding of their range of values; all the rest to the bit."""
    if isinstance(theirs, tuple | list):
        assert type(ours) is type(theirs)
        for part, expected in zip(ours, theirs, strict=True):
            assert_same_batch(part, expected)
    else:
        (assert_same_images if np.ndim(theirs) == 4 else assert_same_bits)(ours, theirs)


def assert_same_stream(ours):
    """Nothing more and nothing less was drawn; call it last."""
    assert ours.generator.random_state.random_sample() == np.random.random()


def assert_same_flow(ours, theirs, epochs=3):
    """What `next` gives is what Keras's `next` gives, epoch after epoch."""
    assert (ours.n, len(ours)) == (theirs.n, len(theirs))
    for _ in range(epochs * len(theirs)):
        assert_same_batch(next(ours), next(theirs))
    assert_same_stream(ours)


# What is above 255: Pillow cuts it where Keras converts, and Keras keeps integers.
DEEP = {"I;16": (65535, "u2"), "I": (100_000, "i4"), "F": (300, "f4")}


def picture(kind, height, width, seed=0):
    """Noise with its darkest and its brightest value; `kind` is Pillow's name of a pixel."""
    generator = np.random.default_rng(seed)
    if kind in DEEP:
        top, dtype = DEEP[kind]
        pixels = generator.uniform(0, top, (height, width))
        pixels.flat[:2] = 0, top
        return Image.fromarray(pixels.astype(dtype))
    pixels = generator.integers(0, 256, (height, width, 4), dtype=np.uint8)
    pixels[0, :2] = [[0] * 4, [255] * 4]
    image = Image.fromarray(pixels)
    return (image if kind in ("RGBA", "LA") else image.convert("RGB")).convert(kind)
