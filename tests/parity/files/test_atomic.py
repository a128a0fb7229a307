"""A file is there whole or not at all, whatever happens while it is written."""

import os
import signal
import subprocess
import sys
import time

import pytest

from parity.files.atomic import PREFIX, STALE_SECONDS, SUFFIX, atomic_path, sweep


def test_the_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "file"
    with atomic_path(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
        assert temporary.parent == tmp_path
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_what_was_there_and_nothing_else(tmp_path, error):
    path = tmp_path / "file"
    path.write_text("old")

    def write_half():
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_killed_writer_leaves_no_file_and_its_rest_is_swept_later(tmp_path):
    script = (
        "import sys, time, pathlib; from parity.files.atomic import atomic_path\n"
        "with atomic_path(pathlib.Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half'); print('written', flush=True); time.sleep(60)\n"
    )
    path = tmp_path / "file"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-c", script, path], stdout=subprocess.PIPE, text=True, env=environment
    ) as writer:
        assert writer.stdout.readline() == "written\n"
        writer.send_signal(signal.SIGKILL)
    assert not path.exists()
    (left,) = tmp_path.iterdir()

    sweep(tmp_path)
    assert left.exists(), "a young file may belong to a running writer"

    old = time.time() - STALE_SECONDS - 1
    os.utime(left, (old, old))
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_sweeping_touches_no_other_files(tmp_path):
    other = tmp_path / "my.part"
    stale = tmp_path / f"{PREFIX}1-2{SUFFIX}"
    for file in (other, stale):
        file.touch()
        os.utime(file, (0, 0))
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [other]
