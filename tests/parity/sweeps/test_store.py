"""A store keeps whole records under their keys, and takes nothing else for one."""

import os
import sys
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import pytest

from parity.errors import InputError, RunError
from parity.files import atomic
from parity.sweeps.store import LocalStore, RemoteStore, open_store

KEY, OTHER = "ab" * 32, "cd" * 32
RECORD = {"key": KEY, "history": {"loss": [0.1, "NaN", 1e-300]}, "name": "Größe"}


@pytest.fixture(params=["folder", "file", "memory"])
def make_store(request, tmp_path):
    """Opens a store of each kind; the same one at every call."""
    if request.param == "folder":
        yield partial(LocalStore, tmp_path / "store")
        return
    fsspec = pytest.importorskip("fsspec")
    place = f"{tmp_path}/store" if request.param == "file" else tmp_path.name
    yield partial(RemoteStore, f"{request.param}://{place}")
    fsspec.filesystem("memory").store.clear()


@pytest.fixture
def store(make_store):
    return make_store()


def place(store, key):
    """Where the record of a key lies."""
    return f"{store._results}/{key[:2]}/{key}.json"


def write(store, path, content):
    """Writes a file of a store behind its back."""
    if isinstance(store, LocalStore):
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_bytes(content)
    else:
        store._files.makedirs(os.path.dirname(path), exist_ok=True)
        store._files.pipe_file(path, content)


def test_what_is_put_is_there(store, make_store):
    assert (store.finished(), KEY in store) == (set(), False)
    store.put(KEY, RECORD)
    assert place(store, KEY).endswith(f"/results/ab/{KEY}.json")
    for reader in (store, make_store()):
        assert (reader.finished(), KEY in reader, OTHER in reader) == ({KEY}, True, False)
        assert reader.get(KEY) == RECORD


def test_only_whole_records_count(store):
    store.put(KEY, RECORD)
    for name in (
        f"ab/{atomic.PREFIX}77-abc{atomic.SUFFIX}",
        f"ab/{KEY}.json.77.part",
        f"ab/{KEY[:-1]}.json",
        f"ab/{KEY.upper()}.json",
        f"ab/x{KEY}.json",
        f"ab/{OTHER}.txt",
        "ab/notes.json",
        "README",
    ):
        write(store, f"{store._results}/{name}", b"{")
    assert store.finished() == {KEY}


def test_a_write_that_breaks_off_leaves_nothing_that_counts(store, monkeypatch):
    owner, name = (atomic.os, "replace") if isinstance(store, LocalStore) else (store._files, "mv")
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, Mock(side_effect=OSError("power cut")))
        with pytest.raises(OSError, match="power cut"):
            store.put(KEY, RECORD)
    assert (store.finished(), KEY in store) == (set(), False)
    store.put(KEY, RECORD)
    assert store.get(KEY) == RECORD


def test_a_number_that_json_lacks_is_refused(store):
    with pytest.raises(ValueError, match="JSON"):
        store.put(KEY, {"key": KEY, "loss": float("nan")})
    assert store.finished() == set()


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b'{"key": "' + KEY.encode(),
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"key": "' + OTHER.encode() + b'"}',
    ],
)
def test_a_record_that_is_damaged_or_not_there_is_told_by_its_file(store, content):
    if content is not None:
        write(store, place(store, KEY), content)
    with pytest.raises(RunError, match=rf"{KEY}.*: damaged result \("):
        store.get(KEY)


def test_a_damaged_record_that_is_set_aside_is_not_finished(store):
    for content in (b"{", b"[]"):  # also if there is one already
        write(store, place(store, KEY), content)
        store.set_aside(KEY)
        assert (store.finished(), KEY in store) == (set(), False)
    store.put(KEY, RECORD)
    assert store.get(KEY) == RECORD


def test_a_record_that_cannot_be_set_aside_is_an_error(tmp_path):
    with pytest.raises(InputError, match="cannot be renamed"):
        LocalStore(tmp_path / "store").set_aside(KEY)


def test_a_record_that_is_too_large_is_not_parsed(store, monkeypatch):
    store.put(KEY, RECORD)
    monkeypatch.setattr("parity.sweeps.store.MAX_BYTES", 20)
    with pytest.raises(RunError, match="it has more than 20 bytes"):
        store.get(KEY)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_what_is_no_file_is_not_waited_for(tmp_path, make):
    store = LocalStore(tmp_path / "store")
    (tmp_path / "store" / "results" / KEY[:2]).mkdir()
    make(place(store, KEY))
    with pytest.raises(RunError, match="damaged result"):
        store.get(KEY)
    store.set_aside(KEY)
    assert store.finished() == set()


def test_url_and_folder(tmp_path):
    pytest.importorskip("fsspec")
    for place_of in (tmp_path / "a", str(tmp_path / "a"), f"file://{tmp_path}/a"):
        store = open_store(place_of)
        assert isinstance(store, LocalStore)
        store.put(KEY, RECORD)
        assert (tmp_path / "a" / "results" / "ab" / f"{KEY}.json").is_file()
    assert isinstance(open_store("memory://a"), RemoteStore)


@pytest.mark.parametrize(
    ("open_at", "url", "message"),
    [
        (open_store, "FILE", r"cannot be used as the folder of a sweep .*--out"),
        (open_store, "FILE/below", r"cannot be used as the folder of a sweep .*--out"),
        (open_store, "nosuch://x", r"nosuch://x: cannot be used \("),
        (RemoteStore, "file://FILE", r"file: cannot be used \("),
    ],
)
def test_a_folder_or_url_that_cannot_be_used(tmp_path, open_at, url, message):
    pytest.importorskip("fsspec")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=message):
        open_at(url.replace("FILE", f"{tmp_path}/file"))


def test_a_url_without_fsspec(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(InputError, match=r"install it with pip .*keras-torch-parity\[ray\]"):
        open_store("s3://bucket/sweep")
