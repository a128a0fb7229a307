"""The data of a run: read from a source, and split once for both halves.

In: a source and the sizes of the parts. Out: `Data`. The split is drawn here, by NumPy from the
run's seed, so that neither framework's generator is involved; `save_data` and `read_data` carry the
arrays to the two child processes.

NumPy is all that importing this module costs: readers of files, and the network, are imported when
a source needs them.
"""

import operator
import os

import numpy as np

from parity.data_file import read_data, save_data
from parity.dataset import Data
from parity.errors import InputError
from parity.sources import Source, open_source

__all__ = ["Data", "load_data", "read_data", "save_data"]

SPLITS = ("random", "last")


def load_data(
    source: str | os.PathLike[str] = "embedded",
    *,
    train: int | None = None,
    val: int | None = None,
    test: int | None = None,
    seed: int = 0,
    split: str = "random",
) -> Data:
    """Reads a source and splits its training part into training and validation sets.

    A pixel p stored as uint8 becomes exactly `np.float32(p) / np.float32(255)`.

    Args:
        source: `embedded` (8,000 images of MNIST, comes with the package), `mnist` (all of it: from
            `PARITY_DATA_DIR` or the cache folder, downloaded when it is not there), a folder with
            the four IDX files under MNIST's names, gzipped or not, or a `.npz` with x_train,
            y_train, x_test and y_test as Keras stores data sets (uint8, or floats in [0, 1]).
        train: size of the training set; all that validation leaves by default.
        val: size of the validation set; a sixth of the source's training part by default.
        test: how many of the source's first test images are used; all by default.
        seed: of the random split, not negative. NumPy's global state is neither read nor changed.
        split: `random` draws train and val from the whole training part:
            `np.random.default_rng(seed).permutation`, first `train`, then `val` of it.
            `last` is the rule of Keras's `fit(validation_split=...)`: of the first train + val
            samples in the source's own order, the last `val`, before any shuffling.

    Raises:
        InputError: the source cannot be used, or has not that many images.
    """
    if split not in SPLITS:
        raise InputError(f"split is {split!r}; expected one of {', '.join(SPLITS)}; choose one")
    if (seed := _integer("seed", seed)) < 0:
        raise InputError(f"seed is {seed}; expected 0 or more; choose another")
    # Sizes that can never fit are told before anything is read, or downloaded.
    sizes = {"train": train, "val": val, "test": test}
    for name, size in sizes.items():
        if size is not None and _integer(name, size) < 1:
            raise InputError(f"{name} is {size}; expected at least 1 image; ask for more")
    opened = open_source(source)
    train, val, test = _resolve(opened, train, val, test)
    if split == "random":
        order = np.random.default_rng(seed).permutation(len(opened.x_train))
        train_index, val_index = order[:train], order[train : train + val]
    else:
        order = np.arange(train + val)
        train_index, val_index = order[:train], order[train:]
    return Data(
        x_train=_unit_pixels(opened.x_train[train_index]),
        y_train=opened.y_train[train_index],
        x_val=_unit_pixels(opened.x_train[val_index]),
        y_val=opened.y_train[val_index],
        x_test=_unit_pixels(opened.x_test[:test]),
        y_test=opened.y_test[:test],
        num_classes=opened.num_classes,
        source=opened.name,
    )


def _resolve(
    source: Source, train: int | None, val: int | None, test: int | None
) -> tuple[int, int, int]:
    """Fills in the default sizes and compares all of them with what the source has."""
    has, has_test = len(source.x_train), len(source.x_test)
    val = max(1, has // 6) if val is None else val
    train = has - val if train is None else train
    if train < 1 or train + val > has:
        raise InputError(
            f"the training part of {source.name} has {has} images; expected at least train + val "
            f"= {max(train, 1)} + {val}; ask for fewer"
        )
    test = has_test if test is None else test
    if test > has_test:
        raise InputError(
            f"the test part of {source.name} has {has_test} images; expected at least test = "
            f"{test}; ask for fewer"
        )
    return train, val, test


def _unit_pixels(pixels: np.ndarray) -> np.ndarray:
    converted = pixels.astype(np.float32)
    if pixels.dtype == np.uint8:
        converted /= np.float32(255)
    return converted


def _integer(name: str, value: object) -> int:
    # A bool is an int to Python, and train=True is a slip.
    if not isinstance(value, bool):
        try:
            return operator.index(value)  # type: ignore[arg-type]
        except TypeError:
            pass
    raise InputError(f"{name} is {value!r}; expected an integer; pass a whole number")
