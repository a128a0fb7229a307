"""The data of a run or a program: read, split once, handed to both halves as one file."""

from __future__ import annotations

import numbers
import operator
import os
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from parity.data.dataset import ARRAYS, Data
from parity.data.sources import NAMED, Source, open_source, read_npz
from parity.errors import InputError
from parity.programs.factories import load_factory
from parity.programs.program_spec import ProgramSpec
from parity.programs.run_spec import SPLITS, RunSpec

__all__ = ["SCHEMA", "Data", "load_data", "program_data", "read_data", "run_data", "save_data"]


# --- `Data` as one file, from the parent to its two children --------------------------------------
#
# In and out: a safetensors file (no pickle) with six arrays, written completely or not at all. Its
# metadata hold the schema, the source, the number of classes, the SHA-256 of each array and a seal,
# a SHA-256 over all of these. Reading the file finds any damage.


SCHEMA = "parity.data/1"


def save_data(data: Data, path: str | os.PathLike[str]) -> None:
    """Writes `data` as one safetensors file; an existing file is replaced.

    Raises:
        InputError: the file cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    from parity.files.atomic import atomic_path

    metadata = {"schema": SCHEMA, "source": data.source, "num_classes": str(data.num_classes)}
    metadata |= {f"sha256.{name}": digest for name, digest in data.sha256.items()}
    metadata["seal"] = _seal(metadata)
    try:
        with atomic_path(Path(path)) as temporary:
            save_file(dict(data.arrays()), temporary, metadata)
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"data cannot be written to {path} ({error}); expected a path in an existing folder "
            "with enough room; name another path"
        ) from None


def read_data(path: str | os.PathLike[str]) -> Data:
    """Reads a file of `save_data` and checks every array against its hash.

    Returns:
        The same arrays, bit by bit, with the same source and number of classes.

    Raises:
        InputError: the file cannot be read, is of another kind, or is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(os.fspath(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            names = set(file.keys())
            if metadata.get("schema") != SCHEMA or names != set(ARRAYS):
                raise ValueError(f"its schema is not {SCHEMA}")
            if metadata.get("seal") != _seal(metadata):
                raise ValueError("its metadata are damaged")
            arrays = {name: file.get_tensor(name) for name in ARRAYS}
        data = Data(**arrays, num_classes=int(metadata["num_classes"]), source=metadata["source"])
        for name, digest in data.sha256.items():
            if digest != metadata[f"sha256.{name}"]:
                raise ValueError(f"{name} is damaged: its SHA-256 differs from the stored one")
    # An InputError of Data is a ValueError, and says only what is damaged.
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path} cannot be read ({reason}); expected an intact file of save_data; "
            "write it again"
        ) from None
    return data


def _seal(metadata: Mapping[str, str]) -> str:
    import hashlib

    lines = sorted(f"{key}={value}\n" for key, value in metadata.items() if key != "seal")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


# --- The data of a run: read from a source, and split once for both halves ------------------------
#
# In: a source and the sizes of the parts. Out: `Data`. NumPy draws the split here from the seed of
# the run, so that neither framework's generator is involved; `save_data` and `read_data` pass the
# arrays to the two child processes.
#
# This module imports only NumPy: readers of files, and the network, are imported when a source
# needs them.


def load_data(
    source: str | os.PathLike[str] = "embedded",
    *,
    train: int | None = None,
    val: int | None = None,
    test: int | None = None,
    seed: int = 0,
    split: str = "random",
    label_noise: float = 0.0,
    leakage: float = 0.0,
) -> Data:
    """Reads a source and splits its training part into training and validation sets.

    A pixel p stored as uint8 becomes exactly `np.float32(p) / np.float32(255)`.

    Args:
        source: `embedded` (8,000 images of MNIST, part of the package), `mnist` (all of MNIST, from
            `PARITY_DATA_DIR` or the cache folder, downloaded if it is missing), a folder with
            the four IDX files under MNIST's names, gzipped or not, or a `.npz` with x_train,
            y_train, x_test and y_test as Keras stores data sets (uint8, or floats in [0, 1]).
        train: size of the training set; by default all samples that validation leaves.
        val: size of the validation set; by default a sixth of the source's training part.
        test: number of test images, the first of the source; by default all.
        seed: seed of the random split, not negative. NumPy's global state is not used.
        split: `random` draws train and val from the whole training part: the first `train` of
            `np.random.default_rng(seed).permutation`, then the next `val`.
            `last` is the rule of Keras's `fit(validation_split=...)`: it takes the first train +
            val samples in the source's order, and validates on the last `val` of them.
            `sorted` is that rule when it goes wrong: it draws train + val samples as `random`
            does, sorts them by label, and validates on the last `val`, so on the last classes.
        label_noise: probability with which each label of training and validation is redrawn
            uniformly from all classes; it has its own random stream, from the seed.
        leakage: fraction of the validation samples whose copies replace training samples. The
            copies have the labels after `label_noise`. It has its own random stream, from the
            seed.

    Raises:
        InputError: the source cannot be used, or has too few images.
    """
    if split not in SPLITS:
        raise InputError(f"split is {split!r}; expected one of {', '.join(SPLITS)}; choose one")
    if (seed := _integer("seed", seed)) < 0:
        raise InputError(f"seed is {seed}; expected 0 or more; choose another")
    # Rejects impossible sizes before anything is read or downloaded.
    sizes = {"train": train, "val": val, "test": test}
    for name, size in sizes.items():
        if size is not None and _integer(name, size) < 1:
            raise InputError(f"{name} is {size}; expected at least 1 image; ask for more")
    for name, fraction in (("label_noise", label_noise), ("leakage", leakage)):
        # Python counts a bool as a number, but leakage=True is a mistake.
        is_number = isinstance(fraction, numbers.Real) and not isinstance(fraction, bool)
        if not (is_number and 0 <= fraction <= 1):
            raise InputError(
                f"{name} is {fraction!r}; expected a fraction in [0, 1]; choose another"
            )
    opened = open_source(source)
    train, val, test = _resolve(opened, train, val, test)
    order = np.arange(train + val)
    if split != "last":
        order = np.random.default_rng(seed).permutation(len(opened.x_train))[: train + val]
    labels = opened.y_train
    if split == "sorted":
        order = order[np.argsort(labels[order], kind="stable")]
    train_index, val_index = order[:train], order[train:]
    if label_noise:
        labels = _noisy(labels, label_noise, opened.num_classes, seed)
    if leakage:
        train_index = _leaked(train_index, val_index, leakage, seed)
    return Data(
        x_train=_unit_pixels(opened.x_train[train_index]),
        y_train=labels[train_index],
        x_val=_unit_pixels(opened.x_train[val_index]),
        y_val=labels[val_index],
        x_test=_unit_pixels(opened.x_test[:test]),
        y_test=opened.y_test[:test],
        num_classes=opened.num_classes,
        source=opened.name,
    )


def run_data(spec: RunSpec) -> Data:
    """Returns the data of a run, on which both halves train.

    Raises:
        InputError: as `load_data`.
    """
    return load_data(
        spec.data,
        train=spec.train_size,
        val=spec.val_size,
        seed=spec.seed,
        split=spec.split,
        label_noise=spec.label_noise,
        leakage=spec.leakage,
    )


def _noisy(labels: np.ndarray, fraction: float, num_classes: int, seed: int) -> np.ndarray:
    """Redraws each label with a probability; the new one may be the old one."""
    generator = np.random.default_rng([seed, 1])
    is_redrawn = generator.random(len(labels)) < fraction
    drawn = generator.integers(num_classes, size=len(labels))
    return np.where(is_redrawn, drawn, labels)


def _leaked(train: np.ndarray, val: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Replaces random training samples by a part of the validation samples."""
    count = round(fraction * len(val))
    if count > len(train):
        raise InputError(
            f"leakage {fraction:g} of {len(val)} validation samples is {count}; expected at most "
            f"the {len(train)} training samples; use a smaller fraction or a larger training set"
        )
    places = np.random.default_rng([seed, 2]).permutation(len(train))[:count]
    leaked = train.copy()
    leaked[places] = val[:count]
    return leaked


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
    # Python counts a bool as an int, but train=True is a mistake.
    if not isinstance(value, bool):
        try:
            return operator.index(value)  # type: ignore[arg-type]
        except TypeError:
            pass
    raise InputError(f"{name} is {value!r}; expected an integer; pass a whole number")


# --- The data of a user's program: arrays for `fit`, from a file, a folder or a function ----------
#
# In: what `data` of a program says. Out: x, y and what validates, under the names of `fit`.


# Names in an archive or in a mapping -> argument of `fit`. The first pair that is there counts.
_PAIRS = (("x_train", "y_train"), ("x", "y"))
_VALIDATION = (("x_val", "y_val"), ("x_test", "y_test"))


def program_data(spec: ProgramSpec) -> dict[str, Any]:
    """Returns the arguments x, y and validation_data of `fit`; nothing if `data` is None.

    Raises:
        InputError: the data cannot be used.
    """
    if spec.data is None:
        return {}
    path = Path(spec.folder) / spec.data
    if spec.data in NAMED or path.is_dir():
        source = spec.data if spec.data in NAMED else path
        found = load_data(source, train=spec.train_size, val=spec.val_size, seed=spec.seed)
        return _fit_arguments(
            {n: getattr(found, n) for n in ("x_train", "y_train", "x_val", "y_val")}, spec.data
        )
    if spec.data.endswith(".npz"):
        if not path.is_file():
            raise InputError(f"data={spec.data!r}: there is no such file")
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
        known = {name for pair in (*_PAIRS, *_VALIDATION) for name in pair}
        if not any(name in known for name in names):
            raise _without_pair(names, spec.data)
        return _fit_arguments(read_npz(path, [n for n in names if n in known]), spec.data)
    load: Callable[[], Any] = load_factory("data", spec.data, spec.folder)
    return _of_function(load(), spec.data)


def _of_function(found: Any, name: str) -> dict[str, Any]:
    """Sorts what a function of the user returned: a mapping, (x, y), or pairs of these."""
    if isinstance(found, Mapping):
        is_fit = "x" in found and set(found) <= {"x", "y", "sample_weight", "validation_data"}
        return dict(found) if is_fit else _fit_arguments(found, name)
    if isinstance(found, tuple) and len(found) in (2, 3):
        first = found[0]
        if len(found) == 2 and isinstance(first, tuple) and isinstance(found[1], tuple):
            train, validation = (_parts(part, name) for part in found)
            arguments = dict(zip(("x", "y", "sample_weight"), train, strict=False))
            return {**arguments, "validation_data": validation}
        return dict(zip(("x", "y", "sample_weight"), found, strict=False))
    raise InputError(
        f"data={name!r} returned {type(found).__name__}; expected (x, y), "
        "((x, y), (x_val, y_val)), or a mapping with x_train, y_train, x_val, y_val"
    )


def _parts(part: tuple[Any, ...], name: str) -> tuple[Any, ...]:
    if len(part) not in (2, 3):
        raise InputError(
            f"data={name!r} returned a part of {len(part)} arrays; expected (x, y) or "
            "(x, y, weight)"
        )
    return part


def _fit_arguments(arrays: Mapping[str, Any], name: str) -> dict[str, Any]:
    pair = next((pair for pair in _PAIRS if all(n in arrays for n in pair)), None)
    if pair is None:
        raise _without_pair(arrays, name)
    x, y = (arrays[n] for n in pair)
    found = {"x": x, "y": y}
    validation = next((pair for pair in _VALIDATION if all(n in arrays for n in pair)), None)
    if validation is not None:
        found["validation_data"] = tuple(arrays[n] for n in validation)
    for part, value in found.items():
        for array in value if isinstance(value, tuple) else (value,):
            if isinstance(array, np.ndarray) and array.dtype.kind == "O":
                raise InputError(f"data={name!r}: {part} has objects; expected numbers")
    return found


def _without_pair(names: Iterable[Any], data: str) -> InputError:
    shown = ", ".join(sorted(map(str, names))[:8]) or "nothing"
    return InputError(
        f"data={data!r} has {shown}; expected x_train and y_train, or x and y; x_val and y_val for "
        "validation"
    )
