"""Damaged and hostile files of weights give one line, execute nothing and need little memory."""

import json
import subprocess
import sys

import pytest
from damaged_weights import MADE, READABLE, damaged
from paths import ROOT
from weight_files import values, weight_files

from parity.errors import InputError
from parity.weights.read import read_weights

COUNT = 200
# Reads all files of a list in one process, so that a crash of the library would be seen.
READ = r"""
import json, re, sys
from pathlib import Path
from parity.errors import InputError
from parity.weights.read import read_weights
told = []
for path in json.loads(sys.stdin.read()):
    try:
        told.append({n: [str(a.dtype), list(a.shape)] for n, a in read_weights(path).items()})
    except InputError as error:
        told.append(str(error))
status = Path("/proc/self/status")  # ru_maxrss would be that of who started this process
most = re.search(r"VmHWM:\s+(\d+)", status.read_text())[1] if status.exists() else 0
print(json.dumps([told, int(most)]))
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return weight_files(tmp_path_factory)


@pytest.mark.long
def test_200_damaged_files_give_one_line_each_or_arrays_of_the_same_form(files, tmp_path):
    made = list(damaged(files, tmp_path, COUNT))
    done = subprocess.run(
        [sys.executable, "-c", READ],
        input=json.dumps([str(path) for _, path in made]),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told, most = json.loads(done.stdout)
    shapes = sorted(list(array.shape) for array in values(files, "rows").values())
    lines = 0
    for (name, path), each in zip(made, told, strict=True):
        if isinstance(each, str):
            assert "\n" not in each, name
            assert each.startswith(f"{path}: no weights that can be used: "), name
            assert each.isprintable(), name
            lines += 1
        else:  # the change is in a number or a name, which has no checksum
            assert name not in MADE, name
            assert sorted(shape for _, shape in each.values()) == shapes, name
    # Of 172 changes at random, most are seen; a checkpoint and an archive have checksums.
    assert lines > 120
    assert most < 400_000  # kB, with h5py and NumPy; the largest claims are 8 TB


@pytest.mark.parametrize("name", READABLE)
def test_code_in_a_configuration_is_text(name, files, tmp_path):
    assert len(read_weights(READABLE[name](files, tmp_path / "model.keras"))) == 6


@pytest.mark.parametrize("kind", ["keras", "h5"])
def test_a_name_in_a_file_does_not_move_the_terminal(kind, tmp_path):
    path = tmp_path / f"model.{kind}"
    path.write_bytes(b"PK\3\4\x1b[2J" if kind == "keras" else b"\x89HDF\r\n\x1a\n\x1b[2J")
    with pytest.raises(InputError) as caught:
        read_weights(path)
    assert str(caught.value).isprintable()
