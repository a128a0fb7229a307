"""Devices, pipes, links and open files stay what they are, and get all that is written."""

import os
import stat
import subprocess
import sys
import threading

import pytest

from parity.files.atomic import check_access, is_place, is_special, write_bytes

CONTENT = b"0123456789" * 100_000  # more than a pipe holds


@pytest.fixture
def pipe(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def in_a_process(code, *arguments, **options):
    """Writes from a process of its own, whose standard streams are its own."""
    code = f"import sys, pathlib\nfrom parity.files.atomic import write_bytes\n{code}"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, env=environment, timeout=60, check=False, **options)


WRITES = "write_bytes(pathlib.Path(sys.argv[1]), b'json')"


def test_a_device_is_written_into_and_stays_a_device(tmp_path):
    link = tmp_path / "link"
    link.symlink_to("/dev/null")
    write_bytes(link, CONTENT)
    assert stat.S_ISCHR(link.stat().st_mode)
    assert link.is_symlink()
    assert list(tmp_path.iterdir()) == [link]


def test_the_reader_of_a_pipe_gets_everything(pipe):
    found = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    write_bytes(pipe, CONTENT)
    reader.join(30)
    assert found == [CONTENT]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_pipe_without_a_reader_is_told_and_waited_for(pipe):
    code = f"print('begins', flush=True); {WRITES}"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    code = f"import sys, pathlib\nfrom parity.files.atomic import write_bytes\n{code}"
    with subprocess.Popen(
        [sys.executable, "-c", code, pipe], stderr=subprocess.PIPE, text=True, env=environment
    ) as writer:
        told = writer.stderr.readline()
        assert told == f"parity: {pipe} is a pipe without a reader; waiting for one\n"
        assert writer.poll() is None
        assert pipe.read_bytes() == b"json"
        assert writer.wait(30) == 0


def test_a_pipe_whose_reader_goes_is_an_error(pipe):
    opened = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    threading.Timer(0.5, os.close, [opened]).start()
    with pytest.raises(BrokenPipeError):
        write_bytes(pipe, CONTENT)


@pytest.mark.parametrize("target", ["there.json", "below/new.json"])
def test_a_link_stays_and_the_file_that_it_names_is_replaced_whole(tmp_path, target):
    (tmp_path / "below").mkdir()
    (tmp_path / "there.json").write_text("old")
    before = (tmp_path / "there.json").stat().st_ino
    link = tmp_path / "link"
    link.symlink_to(target)
    write_bytes(link, b"new")
    assert os.readlink(link) == target
    assert (tmp_path / target).read_text() == "new"
    assert (tmp_path / target).stat().st_ino != before, "replaced, not written into"
    assert {path.name for path in tmp_path.iterdir()} == {"below", "there.json", "link"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write a read-only file")
def test_a_read_only_file_is_not_replaced(tmp_path):
    path = tmp_path / "kept"
    path.write_text("old")
    path.chmod(0o400)
    with pytest.raises(PermissionError):
        write_bytes(path, b"new")
    with pytest.raises(PermissionError):
        check_access(path)
    assert path.read_text() == "old"


def test_standard_output_is_written_into_wherever_it_leads(tmp_path):
    code = f"print('before'); {WRITES}; print(); print('after')"
    ended = in_a_process(code, "/dev/stdout", stdout=subprocess.PIPE)
    assert ended.stdout == b"before\njson\nafter\n"
    for mode in ("wb", "ab"):
        with open(tmp_path / "out", mode) as file:
            file.write(b"> ") if mode == "wb" else None
            file.flush()
            in_a_process(code, "/dev/stdout", stdout=file)
    assert (tmp_path / "out").read_text() == "> " + "before\njson\nafter\n" * 2


def test_a_loop_of_links_and_a_folder_are_errors_and_no_places(tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for path in (loop, tmp_path):
        assert not is_place(path)
        with pytest.raises(OSError, match=r"directory|links"):
            write_bytes(path, b"new")
    assert list(tmp_path.iterdir()) == [loop]


def test_what_fits_as_the_path_of_a_file(tmp_path, pipe):
    (tmp_path / "dangling").symlink_to("no/such/folder/file")
    (tmp_path / "link").symlink_to("new.json")
    fits = {path: is_place(tmp_path / path) for path in ("a", "pipe", "link", "no/a", "dangling")}
    assert fits == {"a": True, "pipe": True, "link": True, "no/a": False, "dangling": False}
    assert is_special(pipe)
    assert not is_special(tmp_path / "a")
