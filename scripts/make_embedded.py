"""Makes `parity/data/embedded/mnist_subset.npz`, the data that come with the package.

    python scripts/make_embedded.py DIR            writes the file from the four IDX files in DIR
    python scripts/make_embedded.py DIR --check    exits 1 if the committed file differs

It holds 6,000 training and 2,000 test images of MNIST, in the proportions of MNIST's classes and in
random order, as uint8: x_train, y_train, x_test, y_test.

The same bytes come out everywhere, and what could move them is held still. Selection: RandomState,
whose streams NumPy has frozen (NEP 19), where those of `default_rng` may change. Compression:
bzip2, which is smaller here than deflate and has one implementation, unchanged for decades, while
zlib, zlib-ng and others each write their own bytes. Archive: fixed times, system and permissions.
"""

import argparse
import io
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # so that it runs from a checkout that is not installed

from parity.data.sources import EMBEDDED, check_is_mnist, read_idx_folder  # noqa: E402
from parity.errors import InputError  # noqa: E402
from parity.files.atomic import atomic_path  # noqa: E402

SEED = 20
SIZES = {"train": 6000, "test": 2000}
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that zip can express


def class_counts(labels: np.ndarray, total: int) -> np.ndarray:
    """How many of each class `total` samples have, in proportion to `labels`.

    Largest remainder: each class gets its share rounded down, and the samples left over go to the
    largest fractions, the lower class first among equals.

    Args:
        labels: integers (N,) from 0.
        total: at most N.

    Returns:
        int64 (K,), which sums to `total`.
    """
    counts = np.bincount(labels)
    counts_down, remainder = np.divmod(counts * total, len(labels))
    largest = np.argsort(-remainder, kind="stable")[: total - counts_down.sum()]
    counts_down[largest] += 1
    return counts_down


def stratified(labels: np.ndarray, total: int, random: np.random.RandomState) -> np.ndarray:
    """Indices (total,) of a stratified subset, in random order.

    Each class is drawn on its own, and then all are shuffled together: one shuffle, from which a
    sample is taken while its class has places left, would end in the classes that filled up last.
    """
    counts = class_counts(labels, total)
    drawn = [
        random.permutation(np.flatnonzero(labels == label))[:count]
        for label, count in enumerate(counts)
    ]
    return random.permutation(np.concatenate(drawn))


def subset(mnist: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of the embedded file, uint8, from MNIST's."""
    random = np.random.RandomState(SEED)
    arrays = {}
    for part, total in SIZES.items():
        index = stratified(mnist[f"y_{part}"], total, random)
        arrays[f"x_{part}"] = mnist[f"x_{part}"][index]
        arrays[f"y_{part}"] = mnist[f"y_{part}"][index]
    return arrays


def archive(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The arrays as the bytes of a `.npz` that depend on nothing else."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", EPOCH)
            member.create_system = 3  # Unix, on every machine
            member.external_attr = 0o644 << 16
            member.compress_type = zipfile.ZIP_BZIP2
            content = io.BytesIO()
            np.lib.format.write_array(content, array, version=(1, 0), allow_pickle=False)
            file.writestr(member, content.getvalue(), compresslevel=9)
    return stream.getvalue()


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; 0 done, 1 the committed file differs, 2 the input is not MNIST."""
    parser = argparse.ArgumentParser(description="Make the embedded subset of MNIST.")
    parser.add_argument("folder", type=Path, help="folder with MNIST's four IDX files")
    parser.add_argument("--out", type=Path, default=EMBEDDED, help="file to write or compare")
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 if different")
    options = parser.parse_args(arguments)
    try:
        mnist = read_idx_folder(options.folder)
        check_is_mnist(mnist, options.folder)
    except InputError as error:
        print(f"make_embedded: {error}", file=sys.stderr)
        return error.exit_code
    content = archive(subset(mnist))
    if options.check:
        same = options.out.is_file() and options.out.read_bytes() == content
        print(f"{options.out} {'is' if same else 'is NOT'} what this script makes")
        return 0 if same else 1
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(options.out) as temporary:
        temporary.write_bytes(content)
    print(f"{options.out}: {len(content)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
