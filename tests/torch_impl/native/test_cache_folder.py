"""The cache folder: nobody else can write to it, nor put another one in its place."""

import os
import shutil
import stat
import tempfile
from pathlib import Path

import pytest

from torch_impl.native.store import cache_folder, check_reach


@pytest.fixture
def base(monkeypatch):
    """A cache folder that others reach, as they reach nothing below the tests' own folder."""
    above = Path(tempfile.mkdtemp())
    folder = closed(above / "base", 0o755)
    above.chmod(0o755)
    if any(not path.stat().st_mode & 0o077 for path in above.resolve().parents):
        pytest.skip(f"nobody else reaches {above}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    yield folder
    shutil.rmtree(above)


def closed(path, mode):
    path.mkdir()
    path.chmod(mode)
    return path


def test_folders_that_are_made_are_closed_whatever_the_umask(base, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(base / "a" / "b"))
    before = os.umask(0)
    try:
        folder = cache_folder()
    finally:
        os.umask(before)
    assert folder == cache_folder() == base / "a" / "b" / "keras-torch-parity" / "native"
    made = (folder, *list(folder.parents)[:3])
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o700}


@pytest.mark.parametrize(
    ("above", "mode"), [(0o1777, 0o755), (0o700, 0o775), (0o755, 0o755)], ids=oct
)
def test_a_folder_below_a_closed_or_sticky_one_or_that_others_only_read_is_used(base, above, mode):
    """In a sticky folder others cannot rename, and nobody reaches what is below a closed one."""
    base.chmod(mode)
    base.parent.chmod(above)
    closed(closed(base / "keras-torch-parity", 0o755) / "native", 0o755)
    assert cache_folder().parent.parent == base


@pytest.mark.parametrize("home", ["", "/", "relative", "/nowhere/at/all", None])
def test_a_home_that_is_none_is_an_error_and_nothing_is_made(home, monkeypatch):
    """Nor has a user one that is in no list of users."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    if home is not None:
        monkeypatch.setenv("HOME", home)
    with pytest.raises(OSError, match="there is no home folder; XDG_CACHE_HOME can name"):
        cache_folder()
    assert home in ("/", "", None) or not os.path.exists(home)


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o757])
@pytest.mark.parametrize("which", ["above", "base", "link", "own"])
def test_a_folder_that_others_can_write_to_is_refused(base, mode, which, monkeypatch):
    """What the cache itself holds even below a closed one; the base may be a link to a safe one."""
    folder = {"above": base.parent, "own": base / "keras-torch-parity"}.get(which, base)
    if which == "own":
        base.parent.chmod(0o700)
        folder.mkdir()
    elif which == "link":
        folder = base.parent / "link"
        folder.symlink_to(base)
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
        assert cache_folder() == folder / "keras-torch-parity" / "native"
    folder.chmod(mode)
    names = "(base|link)" if which == "link" else folder.name
    told = f"can be written to by others; run: chmod go-w {folder.parent}/{names}$"
    with pytest.raises(PermissionError, match=told):
        cache_folder()


def test_a_folder_above_of_another_user_is_refused(base):
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    os.chown(base, 12345, 12345)
    with pytest.raises(PermissionError, match="belongs to another user"):
        cache_folder()
    os.chown(base, 65534, 65534)  # of a user that does not exist in a container
    check_reach(base)


def test_a_relative_cache_home_is_ignored_and_the_home_is_used(tmp_path, monkeypatch):
    """XDG Base Directory Specification: relative paths are invalid."""
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert cache_folder() == tmp_path / ".cache" / "keras-torch-parity" / "native"
    assert not (tmp_path / "here").exists()
