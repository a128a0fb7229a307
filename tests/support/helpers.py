"""What several test files share. Keras is imported where it is used: most tests do without it."""

import functools
import io
import platform

import click
import numpy as np
import pytest

from parity.cli.main import cli
from parity.data.dataset import Data
from parity.errors import InputError

SEEDS = (0, 1, 7, 42, 123, 2**31 - 1)
# Around the modulus with which TensorFlow cuts a seed, and the largest one that NumPy takes.
UNSEEN_SEEDS = (2**31 - 2, 2**31, 2**32 - 1, 31337)

# Ranges of a random transform, different for every option, so that no two are exchanged unseen.
MOVED = {
    "rotation_range": 25.0,
    "width_shift_range": 0.3,
    "height_shift_range": 0.12,
    "shear_range": 17.0,
    "zoom_range": 0.4,
    "horizontal_flip": True,
}


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self):
        return True


def make_data(shape, *, num_classes, num_train, num_val, num_test=5, seed=0):
    """Returns random images and labels; every class occurs."""
    generator = np.random.default_rng(seed)
    arrays = {}
    for name, count in (("train", num_train), ("val", num_val), ("test", num_test)):
        arrays[f"x_{name}"] = generator.random((count, *shape), dtype=np.float32)
        arrays[f"y_{name}"] = generator.permutation(np.arange(count) % num_classes)
    return Data(**arrays, num_classes=num_classes, source="made in memory")


@functools.cache
def small_data():
    """Images of 12x20x3 and five classes: not square, several channels, no black border."""
    return make_data((12, 20, 3), num_classes=5, num_train=70, num_val=20)


def refusal(read, path, *arguments):
    """The message with which a file is refused: one line, with the path; nothing is left behind."""
    before = sorted(path.parent.glob("*"))
    with pytest.raises(InputError) as error:
        read(path, *arguments)
    message = str(error.value)
    assert "\n" not in message
    assert str(path) in message
    assert sorted(path.parent.glob("*")) == before
    return message


def assert_same_bits(actual, expected):
    """Equal in type, shape and every bit: 0.0 is not -0.0, and a NaN equals itself."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
    bits = np.dtype(f"u{actual.dtype.itemsize}")
    np.testing.assert_array_equal(
        np.ascontiguousarray(actual).view(bits), np.ascontiguousarray(expected).view(bits)
    )


def matches_scipy_to_the_bit():
    """Whether interpolated pixels have scipy's bits here.

    Torch's own interpolation, where there is no compiler, rounds in another order; on processors
    other than x86, compilers fuse products and sums of scipy into one rounding.
    """
    from torch_impl import native
    from torch_impl.augment import affine

    has_loop = native.library(affine.SOURCE) is not None
    return has_loop and platform.machine() in ("x86_64", "AMD64")


def matches_normals_to_the_bit():
    """Whether normal numbers have TensorFlow's bits here.

    On Linux a compiled loop calls the logarithm and the sine that TensorFlow calls, those of the C
    library; torch has its own.
    """
    from torch_impl import native, normals

    return native.library(normals.SOURCE) is not None and platform.system() == "Linux"


def assert_same_pixels(actual, expected, spread):
    """Equal to the bit where scipy is matched so, else within rounding of the range of values."""
    if matches_scipy_to_the_bit():
        np.testing.assert_array_equal(actual, expected)
    else:
        tolerance = 5e-7 if np.asarray(expected).dtype == np.float32 else 1e-12
        np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * spread)


def assert_same_images(ours, theirs):
    """A tensor and an array of images, within one rounding of their range of values."""
    ours = ours.numpy()
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    tolerance = 5e-7 if theirs.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * np.ptp(theirs))


def assert_same_files(ours, theirs):
    """Two folders of images: the same names, and the same pixels by each name."""
    from PIL import Image

    names = sorted(path.name for path in theirs.iterdir())
    assert sorted(path.name for path in ours.iterdir()) == names
    for name in names:
        with Image.open(ours / name) as file, Image.open(theirs / name) as expected:
            assert (file.format, file.mode) == (expected.format, expected.mode)
            np.testing.assert_array_equal(np.asarray(file), np.asarray(expected))
    return names


def assert_same_weights(actual, expected):
    """Two mappings from name to array, equal in names, order and every bit."""
    assert list(actual) == list(expected)
    for name in expected:
        assert_same_bits(actual[name], expected[name])


def fed_by_keras(x, *, epochs, batch_size=None):
    """Runs a real `model.fit(x, ...)` and returns what it feeds, batch by batch.

    Args:
        x: arguments of `fit`: {"x": images, "y": labels}, or {"x": iterator}.
        epochs: of the fit.
        batch_size: of the fit, for arrays.

    Returns:
        A list of (images, labels) arrays.
    """
    import keras

    class Recorder(keras.Model):
        def call(self, inputs):
            return inputs

        def train_step(self, batch):
            fed.append(tuple(part.numpy() for part in batch))
            return {"loss": 0.0}

    fed = []
    recorder = Recorder()
    recorder.compile(optimizer="sgd", loss="mse", run_eagerly=True)
    recorder.fit(**x, epochs=epochs, batch_size=batch_size, shuffle=True, verbose=0)
    return fed


def commands():
    """Returns every command of `parity` by its name; the program imports each at its first use."""
    root = click.Context(cli)
    return {name: cli.get_command(root, name) for name in cli.list_commands(root)}
