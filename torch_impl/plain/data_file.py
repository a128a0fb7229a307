"""Reads the file of data of a training, and ends the program if it is not as needed.

    file = opened(Path("data.npz"), ["x", "y"], ["weight"])
    x = real_input(file, "x", (32, 32, 3))
    y = label_targets(file, "y", (), 10)

One line on stderr says what was found, what was expected and what to do. Shapes are
those of one sample in Keras's layout; None: any size.
"""

from __future__ import annotations

import math
import sys
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from torch_impl.plain.array_checks import (
    Shape,
    check_finite,
    check_range,
    check_whole,
    fits,
    refuse_shape,
    shape_told,
)

Arrays = dict[str, np.ndarray]


def opened(path: Path, needed: Sequence[str], more: Sequence[str] = ()) -> Arrays:
    """Returns the arrays of a .npz file by name, with one number of samples in all.

    Args:
        path: of the file.
        needed: names of arrays without which there is no training.
        more: names of others that are used.

    Each array may be there for the validation, too, with "_val" behind its name. Those
    of other names are told, and left alone.
    """
    if not path.is_file():
        raise SystemExit(f"{path}: no such file: expected a .npz file of np.savez")
    if not zipfile.is_zipfile(path):
        told = "expected a .npz file, whole, as np.savez(path, x=x, y=y) writes it"
        raise SystemExit(f"{path}: {told}")
    known = [*needed, *more]
    known += [f"{name}_val" for name in known]
    with np.load(path) as file:
        there = list(file.files)
        wanted = list(needed)
        if any(name.endswith("_val") for name in known if name in there):
            wanted += [f"{name}_val" for name in needed]
        for name in wanted:
            if name not in there:
                told = f"expected {', '.join(wanted)}, and found {', '.join(there)}"
                raise SystemExit(f"the file of data has no {name}: {told}")
        arrays = {name: stored(file, name) for name in known if name in there}
    if others := [name for name in there if name not in known]:
        print(f"not used: {', '.join(others)}", file=sys.stderr)
    for is_val in (False, True):
        check_sizes({n: a for n, a in arrays.items() if n.endswith("_val") == is_val})
    return arrays


def stored(file: Mapping[str, Any], name: str) -> np.ndarray:
    """Returns an array of numbers that a file has."""
    try:
        array = file[name]
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if "allow_pickle" in str(error):
            told = "holds Python objects: expected one array of numbers, as of np.stack"
        else:
            told = f"is damaged ({error}): expected an array; write the file anew"
        raise SystemExit(f"{name} {told}") from None
    kind = getattr(array, "dtype", type(array))
    if getattr(kind, "kind", "") not in tuple("biuf"):
        told = "expected numbers; number classes by np.unique, convert text by astype"
        raise SystemExit(f"{name} has the dtype {kind}: {told}")
    # torch computes little with wider numbers without a sign.
    is_wide = array.dtype.kind == "u" and array.dtype.itemsize > 1
    found: np.ndarray = array.astype(np.int64) if is_wide else array
    return found


def check_sizes(arrays: Arrays) -> None:
    """Rejects arrays without samples, or with another number than the others."""
    for name, array in arrays.items():
        if not array.ndim or not len(array):
            told = "expected at least one sample, along the first axis"
            raise SystemExit(f"{name} has the shape {array.shape}: {told}")
    if len({len(array) for array in arrays.values()}) > 1:
        told = ", ".join(f"{name} has {len(array)}" for name, array in arrays.items())
        what = "expected as many in each; write arrays of the same samples"
        raise SystemExit(f"samples: {told}: {what}")


def is_validated(file: Arrays) -> bool:
    """Whether a file has arrays for the validation."""
    return any(name.endswith("_val") for name in file)


def validation_share(file: Arrays, split: float) -> float:
    """Returns the share of samples for validation; 0 if the file has one of its own."""
    size = len(next(iter(file.values())))
    if is_validated(file) or not split:
        return 0.0
    if not 0 < math.floor(size * (1.0 - split)) < size:
        told = "leaves none for one of both parts: give more, or --validation-split 0"
        raise SystemExit(f"--validation-split {split} of {size} samples {told}")
    return split


def real_input(
    file: Arrays, name: str, shape: Shape, may_be_nan: bool = False
) -> np.ndarray:
    """Returns an input as real numbers, as Keras takes the bytes of images."""
    array = as_input(file[name], name, shape)
    if not may_be_nan:
        check_finite(array, name)
    return array.astype(np.result_type(array, np.float32), copy=False)


def whole_input(
    file: Arrays, name: str, shape: Shape, below: int | None = None
) -> np.ndarray:
    """Returns an input as whole numbers, of which an Embedding has so many rows."""
    array = as_input(file[name], name, shape)
    check_whole(array, name)
    if below is not None:
        check_range(array, name, below, f"the rows of its Embedding({below}, ...)")
    return array.astype(np.int64, copy=False)


def any_input(file: Arrays, name: str, shape: Shape) -> np.ndarray:
    """Returns an input as it is, such as truth values."""
    return as_input(file[name], name, shape)


def as_input(array: np.ndarray, name: str, shape: Shape) -> np.ndarray:
    """Returns an input in its shape: Keras, too, adds and drops a last axis of 1."""
    found = array.shape[1:]
    if fits(found, shape):
        return array
    if shape[-1:] == (1,) and fits(found, shape[:-1]):
        return array[..., None]
    if found[-1:] == (1,) and fits(found[:-1], shape):
        return array[..., 0]
    refuse_shape(array, name, shape)


def any_targets(file: Arrays, name: str) -> np.ndarray:
    """Returns targets as they are, for a loss that says itself what it takes."""
    return file[name]


def value_targets(
    file: Arrays, name: str, shape: Shape, is_broadcast: bool = True
) -> np.ndarray:
    """Returns targets that a loss compares with an output of this shape by entry.

    A last axis of 1 may lack, or be more, and axes of 1 may be broadcast, as in Keras.
    """
    array = file[name]
    found, wanted = array.shape[1:], shape
    if len(found) + 1 == len(wanted) and wanted[-1] in (1, None):
        wanted = wanted[:-1]
    elif len(found) == len(wanted) + 1 and found[-1] == 1:
        found = found[:-1]
    if is_broadcast and len(found) == len(wanted):
        both = zip(found, wanted, strict=True)
        found = tuple(b or 1 if a == 1 else a for a, b in both)
        wanted = tuple(None if b == 1 else b for b in wanted)
    if not fits(found, wanted):
        refuse_shape(array, name, shape)
    check_finite(array, name)
    return array.astype(np.float32) if array.dtype.kind == "b" else array


def row_targets(file: Arrays, name: str, shape: Shape) -> np.ndarray:
    """Returns targets of the shape of the output, such as one-hot rows."""
    array = file[name]
    found, size = array.shape[1:], shape[-1]
    if not fits(found, shape):
        is_label = fits(found, shape[:-1]) or fits(found, (*shape[:-1], 1))
        why = f"labels become such rows by np.eye({size})[{name}.astype(int)]"
        refuse_shape(array, name, shape, why if is_label and size != 1 else "")
    check_finite(array, name)
    return array


def label_targets(
    file: Arrays, name: str, shape: Shape, classes: int, ignored: int | None = None
) -> np.ndarray:
    """Returns targets that are numbers of classes, or the one that does not count."""
    array = file[name]
    found = array.shape[1:]
    if not fits(found, shape) and not fits(found, (*shape, 1)):
        why = f"one-hot rows become labels by {name}.argmax(-1)"
        refuse_shape(array, name, shape, why if fits(found, (*shape, classes)) else "")
    check_whole(array, name)
    counted = array if ignored is None else array[array != ignored]
    check_range(counted, name, classes, f"the {classes} classes of the output")
    return array


def sample_weight(
    file: Arrays, name: str, shape: Shape | None = None
) -> np.ndarray | None:
    """Returns weights of samples, or of the values of a loss; None: there are none.

    The values have this shape for each sample; None: it is not known.
    """
    array = file.get(name)
    if array is None:
        return None
    found = array.shape[1:-1] if array.shape[-1] == 1 else array.shape[1:]
    if shape is not None and not fits(found, shape[: len(found)]):
        told = " or ".join(dict.fromkeys([shape_told(()), shape_told(shape)]))
        what = "give each sample, or each value of the loss, one weight"
        raise SystemExit(f"{name} has the shape {array.shape}: expected {told}; {what}")
    check_finite(array, name)
    return array


def output_weights(
    every: np.ndarray | None, each: Mapping[str, np.ndarray | None]
) -> dict[str, np.ndarray] | np.ndarray | None:
    """Returns weights for all outputs alike, or by output; None: there are none."""
    found = {output: array for output, array in each.items() if array is not None}
    if found and every is not None:
        told = f"weight, for all outputs, and such for {', '.join(found)} alone"
        raise SystemExit(f"{told}: expected one of them; leave out the others")
    return found or every


def tell_unweighted(file: Arrays) -> None:
    """Tells if a file lacks weights of samples, of which the Keras program has some."""
    if not any(name.startswith("weight") for name in file):
        told = "the Keras program gives fit sample_weight, and the file has no weight"
        print(f"{told}: all samples count alike", file=sys.stderr)


def refuse_weights(file: Arrays) -> None:
    """Rejects weights of samples beside those that the program has for its classes."""
    if any(name.startswith("weight") for name in file):
        told = "the program has weights of classes, and the file those of samples"
        raise SystemExit(f"{told}: Keras takes one of them; leave out the file's")
