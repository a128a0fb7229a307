"""What `fit` gets in the place of arrays: its kind, and the form of its batches by the first one.

A reference that is not trained goes in. The kind of what gives batches, its class and its batch
size come out, or the reference with the arrays of a batch.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.reference import Reference
from parity.halves.keras import versions
from parity.halves.keras.factories import called_anew


def batches_given(reference: Reference) -> dict[str, Any] | None:
    """Returns what gives `fit` batches of its own; None: it gets arrays, or nothing is known.

    Returns:
        "kind": "PyDataset", "tf.data.Dataset", "DataLoader" or "generator"; "class" of it, "" of a
        generator; "batch_size": samples of its first batch, None if that cannot be known.
    """
    if not gives_batches(reference):
        return None
    kind, x = _kind(reference.x), reference.x
    name = "" if kind in ("generator", "tf.data.Dataset") else type(x).__name__
    return {"kind": kind, "class": name, "batch_size": _size(x)}


def gives_batches(reference: Reference) -> bool:
    """Whether `fit` gets batches in the place of arrays."""
    x = reference.x
    return x is not None and reference.y is None and not versions.are_arrays(x)


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
    if versions.is_from_keras(x) and isinstance(said, int):  # such as of images in a directory
        return said
    return _first_batch(x).get("batch_size")


def with_first_batch(
    reference: Reference, factory: Callable[[], Any], seed: int
) -> tuple[Reference, Callable[[], Any]]:
    """Puts the arrays of a first batch in the place of what gives `fit` batches.

    They tell the form of inputs, targets and weights. No batch is taken of a generator that all
    calls of the factory return, since the training would lack it.

    Args:
        reference: which the factory has returned.
        factory: returns such references.
        seed: for the factory.
    """
    if versions.IS_KERAS_2 or not gives_batches(reference):
        return reference, factory
    x = reference.x
    if isinstance(x, Iterator) and not isinstance(x, keras.utils.PyDataset):
        x = called_anew(factory, seed).x
        if x is reference.x:
            return reference, factory
    arrays = _first_batch(x)
    return replace(reference, **arrays), lambda: replace(factory(), **arrays)


def _first_batch(x: Any) -> dict[str, Any]:
    """Returns x, y, sample_weight and batch_size of the first batch; nothing if it is not known."""
    with suppress(Exception), _unmoved():  # code of the user's, which may raise anything
        batch = copy.copy(x)[0] if isinstance(x, keras.utils.PyDataset) else next(iter(x))
        parts = keras.utils.unpack_x_y_sample_weight(batch)
        parts = keras.tree.map_structure(np.asarray, parts, none_is_leaf=False)
        arrays = [each for each in keras.tree.flatten(parts) if each is not None]
        if all(each.dtype.kind in "biuf" for each in arrays):
            names = ("x", "y", "sample_weight", "batch_size")
            return dict(zip(names, (*parts, len(arrays[0])), strict=True))
    return {}


@contextmanager
def _unmoved() -> Iterator[None]:
    """Leaves the generators of the program as they are, which a batch may draw from."""
    of_python, of_numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)
