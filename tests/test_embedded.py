"""The data that come with the package: what they hold, and that they can be made again."""

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from paths import ROOT

from parity.data.sources import EMBEDDED

SCRIPT = ROOT / "scripts" / "make_embedded.py"

# Of MNIST's 60,000 training images (5923, 6742, 5958, ... of each class) a tenth, and of its 10,000
# test images (980, 1135, 1032, ...) a fifth: shares rounded down, then one more for the largest
# fractions, worked out by hand. Training: classes 9, 2, 6, 7. Test: 8, 9, 6, 7.
TRAIN_COUNTS = [592, 674, 596, 613, 584, 542, 592, 627, 585, 595]
TEST_COUNTS = [196, 227, 206, 202, 196, 178, 192, 206, 195, 202]


@pytest.fixture(scope="module")
def arrays():
    with np.load(EMBEDDED, allow_pickle=False) as file:
        return dict(file)


@pytest.fixture(scope="module")
def mnist_folder():
    folder = Path(os.environ.get("PARITY_DATA_DIR", ""))
    if not any((folder / f"train-images-idx3-ubyte{end}").is_file() for end in ("", ".gz")):
        pytest.skip("PARITY_DATA_DIR names no folder with MNIST's four IDX files")
    return folder


def make(*arguments):
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_file_is_the_committed_one_and_small():
    content = EMBEDDED.read_bytes()
    assert len(content) < 2_000_000
    assert hashlib.sha256(content).hexdigest() == (
        "f69b53cf55f5a590482997ab3c1e1115ccdca460c6bcd975588c606b15801806"
    )


def test_classes_are_in_the_proportions_of_mnist(arrays):
    assert np.bincount(arrays["y_train"]).tolist() == TRAIN_COUNTS
    assert np.bincount(arrays["y_test"]).tolist() == TEST_COUNTS


def test_no_image_is_there_twice(arrays):
    images = np.concatenate([arrays["x_train"], arrays["x_test"]])
    assert len({image.tobytes() for image in images}) == 8000


def test_nothing_in_the_archive_depends_on_when_and_where_it_was_made():
    with zipfile.ZipFile(EMBEDDED) as file:
        for member in file.infolist():
            assert member.date_time == (1980, 1, 1, 0, 0, 0)
            assert member.create_system == 3
            assert member.compress_type == zipfile.ZIP_BZIP2


def test_a_folder_without_mnist_is_refused(tmp_path):
    result = make(tmp_path, "--out", tmp_path / "new.npz")
    assert result.returncode == 2
    assert "lacks train-images-idx3-ubyte" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.full_mnist
def test_the_script_makes_the_committed_file_byte_for_byte(mnist_folder, tmp_path):
    new = tmp_path / "new.npz"
    result = make(mnist_folder, "--out", new)
    assert result.returncode == 0, result.stderr
    assert new.read_bytes() == EMBEDDED.read_bytes()


@pytest.mark.full_mnist
def test_a_check_tells_the_same_file_from_another(mnist_folder, tmp_path):
    assert make(mnist_folder, "--check").returncode == 0
    other = tmp_path / "other.npz"
    other.write_bytes(EMBEDDED.read_bytes()[:-1])
    assert make(mnist_folder, "--check", "--out", other).returncode == 1
    assert make(mnist_folder, "--check", "--out", tmp_path / "none.npz").returncode == 1
