"""Private folders: for one user, gone at the end, and after a death gone with the next one."""

import os
import signal
import stat
import subprocess
import sys

import pytest
from paths import ROOT

from parity.files.atomic import OWNER, private_folder, remove_dead

HOLDS = """
import sys, time
from pathlib import Path
from parity.files.atomic import private_folder
with private_folder("check", Path(sys.argv[1])) as folder:
    (folder / "bundle").mkdir()
    (folder / "bundle" / "arrays").write_bytes(bytes(1000))
    print(folder, flush=True)
    time.sleep(600)
"""


def holder(parent):
    """A process that holds a private folder, and the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, parent],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    return process, parent / os.path.basename(process.stdout.readline().strip())


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


def left_by_the_dead(parent):
    process, folder = holder(parent)
    kill(process)
    assert (folder / "bundle" / "arrays").exists()
    return folder


def test_it_is_for_its_owner_alone_and_gone_at_the_end(tmp_path):
    with private_folder("check", tmp_path) as folder:
        assert folder.parent == tmp_path
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert folder.stat().st_uid == os.getuid()
        (folder / "a" / "b").mkdir(parents=True)
        (folder / "a" / "b" / "c").write_text("c")
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_it_is_removed_and_not_what_it_points_at(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "kept").write_text("kept")
    with private_folder("check", tmp_path) as folder:
        (folder / "link").symlink_to(other, target_is_directory=True)
        (folder / "a").mkdir()
        (folder / "a" / "link").symlink_to(other / "kept")
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
    assert (other / "kept").read_text() == "kept"


def test_what_a_killed_process_left_is_removed_by_the_next_one(tmp_path):
    folder = left_by_the_dead(tmp_path)
    with private_folder("run", tmp_path):
        assert not folder.exists()


def test_that_of_a_living_process_is_not_touched(tmp_path):
    process, folder = holder(tmp_path)
    try:
        with private_folder("run", tmp_path):
            pass
        assert (folder / "bundle" / "arrays").exists()
    finally:
        kill(process)
    remove_dead(tmp_path)
    assert not folder.exists()


def test_what_is_not_surely_ours_stays(tmp_path):
    names = ["parity-check-abcdefgh", "parity-check-abcdefg1", "parity-check-abcdefg2"]
    for name in names:
        (tmp_path / name).mkdir(mode=0o700)
        (tmp_path / name / "a").touch()
    open_folder, link, no_lock = (tmp_path / name for name in names)
    for folder in (open_folder, link):
        (folder / OWNER).touch(mode=0o600)
    open_folder.chmod(0o755)
    (link / OWNER).unlink()
    (link / OWNER).symlink_to(open_folder / OWNER)
    other = tmp_path / "parity-mine"  # not of such a name
    other.mkdir(mode=0o700)
    (other / OWNER).touch(mode=0o600)
    remove_dead(tmp_path)
    assert all((folder / "a").exists() for folder in (open_folder, link, no_lock))
    assert other.exists()


def test_a_link_in_the_place_of_a_folder_is_not_followed(tmp_path):
    elsewhere = left_by_the_dead(tmp_path)
    target = tmp_path / "target"
    elsewhere.rename(target)
    elsewhere.symlink_to(target, target_is_directory=True)
    remove_dead(tmp_path)
    assert elsewhere.is_symlink()
    assert (target / "bundle" / "arrays").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to somebody else")
def test_that_of_another_user_stays(tmp_path):
    folder = left_by_the_dead(tmp_path)
    os.chown(folder, 12345, 12345)
    remove_dead(tmp_path)
    assert (folder / "bundle" / "arrays").exists()


def test_files_that_are_to_stay_do_so_until_the_next_one(tmp_path):
    with private_folder("sweep", tmp_path, kept="*.log") as folder:
        (folder / "a.log").write_text("reason")
        (folder / "a").mkdir()
        (folder / "a" / "b.log").touch()
        (folder / "feed").touch()
    assert sorted(path.name for path in folder.iterdir()) == [OWNER, "a.log"]
    with private_folder("sweep", tmp_path, kept="*.log"):
        assert not folder.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_read_has_nothing_to_remove(tmp_path):
    remove_dead(tmp_path / "missing")
    (tmp_path / "file").touch()
    remove_dead(tmp_path / "file")
    with pytest.raises(OSError, match="file"), private_folder("check", tmp_path / "file"):
        pass
