"""Data: all data of a run in one value, six arrays that nobody can change by accident.

In: arrays, from `load_data`, `read_data` or made by hand. Out: `Data`, checked, read-only, with the
SHA-256 of each array, which shows that two runs have used the same data.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from parity.errors import InputError

# A label above this is an identifier or a damaged file, and would make the model absurdly wide.
MAX_CLASSES = 65_536
ARRAYS = ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test")


@dataclass(frozen=True, eq=False)
class Data:
    """The training, validation and test data of a run. The arrays become read-only views.

    Attributes:
        x_train: float32 (N, H, W, C) in [0, 1], C-contiguous; x_val and x_test have the same H, W
            and C. No part is empty.
        y_train: int64 (N,) in 0..num_classes-1; the same for y_val and y_test.
        num_classes: number of classes, at least 2.
        source: the source that was given to `load_data`.

    Raises:
        InputError: an array has another dtype, shape or range.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    num_classes: int
    source: str

    def __post_init__(self) -> None:
        if not 2 <= self.num_classes <= MAX_CLASSES:
            raise InputError(
                f"num_classes is {self.num_classes}; expected 2..{MAX_CLASSES}; count the classes"
            )
        for name, array in self.arrays():
            self._check(name, array)
            frozen = np.ascontiguousarray(array).view()
            frozen.flags.writeable = False
            object.__setattr__(self, name, frozen)

    def arrays(self) -> Iterator[tuple[str, np.ndarray]]:
        """Returns the six arrays with their names, in the order of the fields."""
        return ((name, getattr(self, name)) for name in ARRAYS)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of one image."""
        height, width, channels = self.x_train.shape[1:]
        return height, width, channels

    @cached_property
    def sha256(self) -> dict[str, str]:
        """The SHA-256 of each array in hexadecimal, by name; see `array_sha256`."""
        return {name: array_sha256(array) for name, array in self.arrays()}

    def _check(self, name: str, array: np.ndarray) -> None:
        is_image = name.startswith("x")
        dtype = np.dtype(np.float32 if is_image else np.int64)
        shape = f"(N, {', '.join(map(str, self.x_train.shape[1:]))})" if is_image else "(N,)"
        fits = array.shape[1:] == self.x_train.shape[1:] if is_image else array.ndim == 1
        if array.dtype != dtype or array.ndim != (4 if is_image else 1) or not fits:
            raise InputError(
                f"{name} is {array.dtype.name} {array.shape}; expected {dtype.name} {shape}; "
                "convert the array, or let load_data do it"
            )
        count = len(getattr(self, f"x{name[1:]}"))
        if array.size == 0 or len(array) != count:
            raise InputError(
                f"{name} has {len(array)} items for {count} images; expected as many, and at "
                "least one; make both from the same samples"
            )
        if is_image:
            check_unit_range(array, name)
        elif array.min() < 0 or array.max() >= self.num_classes:
            raise InputError(
                f"{name} has labels {array.min()}..{array.max()}; expected "
                f"0..{self.num_classes - 1}; number the classes from 0"
            )


def check_unit_range(pixels: np.ndarray, what: str) -> None:
    """Checks that floating-point `pixels` (any shape, not empty) lie in [0, 1].

    Raises:
        InputError: a pixel is NaN, infinite, negative or above 1; the message starts with `what`.
    """
    with np.errstate(invalid="ignore"):  # a NaN makes min and max NaN, which is tested below
        low, high = float(pixels.min()), float(pixels.max())
    if not np.isfinite([low, high]).all():
        raise InputError(
            f"{what} has pixels that are NaN or infinite; expected numbers in 0..1; "
            "clean the data first"
        )
    if low < 0:
        raise InputError(
            f"{what} has negative pixels (down to {low:g}); expected 0..1; "
            "store images before any standardisation"
        )
    if high > 1:
        raise InputError(
            f"{what} has floating-point pixels up to {high:g}; expected 0..1; "
            "divide them by their range (usually 255) or store 0..255 as uint8"
        )


def array_sha256(array: np.ndarray) -> str:
    r"""Returns the SHA-256 of dtype, shape and bytes (C order), different for different arrays.

    It hashes the text `"<f4 (2, 3)\n"` (NumPy's `dtype.str` and the shape), then the bytes.
    """
    import hashlib

    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}\n".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
