"""Sources of data, and the checks that data must pass.

In: the name that the user gave: `embedded`, `mnist`, a folder of IDX files, or a `.npz`. Out: a
`Source`, the four arrays of a data set with their training and test parts, checked but not yet
split. Pixels keep their stored dtype, so that only the used ones are converted.

Nothing is repaired silently: pixels in 0..255 stored as floats, labels that are one-hot or start
at -1, NaN and data of one class are an `InputError` that says what to do.
"""

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from parity.data.dataset import MAX_CLASSES, check_unit_range
from parity.errors import InputError

KEYS = ("x_train", "y_train", "x_test", "y_test")
NAMED = ("embedded", "mnist")

EMBEDDED = Path(__file__).parent / "embedded" / "mnist_subset.npz"


@dataclass(frozen=True, eq=False)
class Source:
    """A checked data set.

    Attributes:
        name: the name that the user gave.
        x_train: uint8 in 0..255, or floating point in [0, 1]; (N, H, W, C).
        y_train: int64 (N,) in 0..num_classes-1, of at least two classes.
        x_test: as x_train, with the same H, W and C.
        y_test: as y_train, but one class is enough.
        num_classes: the largest label of both parts plus one.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    num_classes: int


def open_source(source: str | os.PathLike[str]) -> Source:
    """Reads and checks a data source; `load_data` lists the possible names.

    Raises:
        InputError: the source does not exist, cannot be read, or is not usable as data.
    """
    name = os.fspath(source)
    if name == "embedded":
        return check_arrays(_embedded(), name)
    if name == "mnist":
        return check_arrays(_mnist(), name)
    try:
        path = Path(name).expanduser()
    except RuntimeError:
        raise InputError(
            f"data source {name!r} is in the home of an unknown user; check the name behind ~"
        ) from None
    if path.is_dir():
        from parity.data.idx import read_idx_folder

        return check_arrays(read_idx_folder(path), name)
    if path.is_file() and path.suffix == ".npz":
        return check_arrays(_npz(path), name)
    found = "is a file of another kind" if path.exists() else "does not exist"
    raise InputError(
        f"data source {name!r} {found}; expected embedded, mnist, a folder with MNIST's four IDX "
        "files, or a .npz with x_train, y_train, x_test and y_test; check the path"
    )


def check_arrays(arrays: Mapping[str, np.ndarray], name: str) -> Source:
    """Checks the four arrays of a data set and brings them into the shapes of `Source`.

    Args:
        arrays: x_train and x_test, uint8 or floating point, (N, H, W) or (N, H, W, C); y_train and
            y_test, any integer dtype, (N,) or (N, 1).
        name: name of the data set in messages.

    Raises:
        InputError: an array has another dtype, shape or range, or the parts do not match.
    """
    images = {key: _images(arrays[key], f"{key} of {name}") for key in ("x_train", "x_test")}
    labels = {key: _labels(arrays[key], f"{key} of {name}") for key in ("y_train", "y_test")}
    for part in ("train", "test"):
        pictures, classes = len(images[f"x_{part}"]), len(labels[f"y_{part}"])
        if pictures != classes:
            raise InputError(
                f"x_{part} of {name} has {pictures} images but y_{part} has {classes} labels; "
                "expected one label per image; save the matching arrays"
            )
    shapes = [images[key].shape[1:] for key in ("x_train", "x_test")]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"images of {name} have the shape {shapes[0]} in x_train but {shapes[1]} in x_test; "
            "expected one shape; resize one of the parts"
        )
    if labels["y_train"].min() == labels["y_train"].max():
        raise InputError(
            f"y_train of {name} has one class only (label {labels['y_train'][0]}); expected at "
            "least two; a classifier has nothing to learn from one class, so add another"
        )
    return Source(
        name=name,
        x_train=images["x_train"],
        y_train=labels["y_train"],
        x_test=images["x_test"],
        y_test=labels["y_test"],
        num_classes=int(max(labels["y_train"].max(), labels["y_test"].max())) + 1,
    )


def _images(array: np.ndarray, what: str) -> np.ndarray:
    if array.ndim not in (3, 4) or array.size == 0:
        raise InputError(
            f"{what} has the shape {array.shape}; expected images (N, H, W) or (N, H, W, C), with "
            "no side 0; reshape the array"
        )
    if array.dtype.kind == "f":
        check_unit_range(array, what)
    elif array.dtype != np.uint8:
        raise InputError(
            f"{what} has the dtype {array.dtype.name}; expected uint8 (0..255) or floating point "
            "in 0..1; convert it with .astype('uint8') if its values are 0..255"
        )
    return array if array.ndim == 4 else array[..., np.newaxis]


def _labels(array: np.ndarray, what: str) -> np.ndarray:
    if array.dtype.kind not in "iu":
        raise InputError(
            f"{what} has the dtype {array.dtype.name}; expected integer labels 0..K-1; "
            "convert them with .astype('int64'), one-hot rows with .argmax(axis=1)"
        )
    if array.shape != (array.size,) and array.shape != (array.size, 1):
        raise InputError(
            f"{what} has the shape {array.shape}; expected labels (N,) or (N, 1); "
            "convert one-hot rows with .argmax(axis=1)"
        )
    if array.size == 0:
        raise InputError(f"{what} is empty; expected at least one label; save a larger part")
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= MAX_CLASSES:
        raise InputError(
            f"{what} has labels {low}..{high}; expected 0..K-1 with K at most {MAX_CLASSES}; "
            "number the classes from 0"
        )
    return array.reshape(-1).astype(np.int64)


def _npz(path: Path) -> dict[str, np.ndarray]:
    from parity.data.npz import read_npz  # here, since zipfile would double the start time

    return read_npz(path, KEYS)


@functools.cache
def _embedded() -> dict[str, np.ndarray]:
    """Reads the package's own data once in a process: read-only arrays, 6.3 MB."""
    return _npz(EMBEDDED)


def _mnist() -> dict[str, np.ndarray]:
    from parity.data.download import check_is_mnist, fetch_mnist, mnist_folder
    from parity.data.idx import read_idx_folder

    folder = mnist_folder()
    fetch_mnist(folder)
    arrays = read_idx_folder(folder)
    check_is_mnist(arrays, folder)
    return arrays
