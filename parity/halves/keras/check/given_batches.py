"""What `fit` gets in the place of arrays, and how many samples its batches have.

A reference goes in. The kind of what gives batches, its class and its batch size come out. One
batch is made for that, of a reference that is not trained.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.reference import Reference
from parity.halves.keras import versions


def batches_given(reference: Reference) -> dict[str, Any] | None:
    """Returns what gives `fit` batches of its own; None: it gets arrays, or nothing is known.

    Returns:
        "kind": "PyDataset", "tf.data.Dataset", "DataLoader" or "generator"; "class" of it, "" of a
        generator; "batch_size": samples of its first batch, None if that cannot be known.
    """
    x = reference.x
    if x is None or reference.y is not None or versions.are_arrays(x):
        return None
    kind = _kind(x)
    name = "" if kind in ("generator", "tf.data.Dataset") else type(x).__name__
    return {"kind": kind, "class": name, "batch_size": _size(x)}


def _kind(x: Any) -> str:
    if isinstance(x, keras.utils.PyDataset):
        return "PyDataset"
    if isinstance(x, tf.data.Dataset | tf.distribute.DistributedDataset):
        return "tf.data.Dataset"
    is_loader = hasattr(x, "batch_sampler") and hasattr(x, "dataset")
    return "DataLoader" if is_loader else "generator"


def _size(x: Any) -> int | None:
    """Returns the size of the first batch."""
    said = getattr(x, "batch_size", None)
    if versions.is_kerass_own(x) and isinstance(said, int):  # such as of images in a directory
        return said
    with suppress(Exception), _unmoved():  # code of the user's, which may raise anything
        batch = x[0] if isinstance(x, keras.utils.PyDataset) else next(iter(x))
        return len(keras.tree.flatten(batch)[0])
    return None


@contextmanager
def _unmoved() -> Iterator[None]:
    """Leaves the generators of the program as they are, which a batch may draw from."""
    of_python, of_numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)
