"""A store keeps whole records under their keys, and takes nothing else for one."""

import os
import sys
from pathlib import Path

import pytest

from parity.errors import InputError, RunError
from parity.files import atomic
from parity.sweeps.store import LocalStore, RemoteStore, open_store

KEY, OTHER = "ab" * 32, "cd" * 32
RECORD = {"key": KEY, "history": {"loss": [0.1, "NaN", 1e-300]}, "name": "Größe"}
KINDS = ("folder", "file", "memory")


@pytest.fixture
def make_store(tmp_path):
    """Opens the store of a kind; the same one at every call."""
    made = []

    def make(kind):
        if kind == "folder":
            return LocalStore(tmp_path / "store")
        made.append(pytest.importorskip("fsspec"))
        url = f"file://{tmp_path}/store" if kind == "file" else f"memory://{tmp_path.name}"
        return RemoteStore(url)

    yield make
    for fsspec in made:
        fsspec.filesystem("memory").store.clear()


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


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_put_is_there(make_store, kind):
    store = make_store(kind)
    assert store.finished() == set()
    assert KEY not in store
    store.put(KEY, RECORD)
    assert place(store, KEY).endswith(f"/results/ab/{KEY}.json")
    assert Path(place(store, KEY)).exists() or store._files.exists(place(store, KEY))
    for reader in (store, make_store(kind)):
        assert reader.finished() == {KEY}
        assert KEY in reader
        assert OTHER not in reader
        assert reader.get(KEY) == RECORD


@pytest.mark.parametrize("kind", KINDS)
def test_only_whole_records_count(make_store, kind):
    store = make_store(kind)
    store.put(KEY, RECORD)
    folder = os.path.dirname(place(store, KEY))
    for name in (
        f"{atomic.PREFIX}77-abc{atomic.SUFFIX}",
        f"{KEY}.json.77.part",
        f"{KEY[:-1]}.json",
        f"{KEY.upper()}.json",
        f"x{KEY}.json",
        f"{OTHER}.txt",
        "notes.json",
    ):
        write(store, f"{folder}/{name}", b"{")
    write(store, f"{store._results}/README", b"")
    assert store.finished() == {KEY}


@pytest.mark.parametrize("kind", KINDS)
def test_a_write_that_breaks_off_leaves_nothing_that_counts(make_store, kind, monkeypatch):
    store = make_store(kind)

    def fail(*_):
        raise OSError("power cut")

    with monkeypatch.context() as patch:
        if kind == "folder":
            patch.setattr(atomic.os, "replace", fail)
        else:
            patch.setattr(store._files, "mv", fail)
        with pytest.raises(OSError, match="power cut"):
            store.put(KEY, RECORD)
    assert KEY not in store
    assert store.finished() == set()
    store.put(KEY, RECORD)
    assert store.get(KEY) == RECORD


@pytest.mark.parametrize("kind", KINDS)
def test_a_number_that_json_lacks_is_refused(make_store, kind):
    store = make_store(kind)
    with pytest.raises(ValueError, match="JSON"):
        store.put(KEY, {"key": KEY, "loss": float("nan")})
    assert store.finished() == set()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"key": "' + KEY.encode(),
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"key": "' + OTHER.encode() + b'"}',
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_record_is_told_by_its_file(make_store, kind, content):
    store = make_store(kind)
    write(store, place(store, KEY), content)
    with pytest.raises(RunError, match=r"damaged result \(") as caught:
        store.get(KEY)
    assert KEY in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_record_that_is_set_aside_is_not_finished(make_store, kind):
    store = make_store(kind)
    for content in (b"{", b"[]"):  # also if there is one already
        write(store, place(store, KEY), content)
        store.set_aside(KEY)
        assert KEY not in store
        assert store.finished() == set()
    store.put(KEY, RECORD)
    assert store.get(KEY) == RECORD


def test_a_record_that_cannot_be_set_aside_is_an_error(tmp_path):
    store = LocalStore(tmp_path / "store")
    with pytest.raises(InputError, match="cannot be renamed"):
        store.set_aside(KEY)


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_that_is_too_large_is_not_parsed(make_store, kind, monkeypatch):
    store = make_store(kind)
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


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_that_is_not_there(make_store, kind):
    with pytest.raises(RunError, match=KEY):
        make_store(kind).get(KEY)


def test_url_and_folder(tmp_path):
    pytest.importorskip("fsspec")
    for place_of in (tmp_path / "a", str(tmp_path / "a"), f"file://{tmp_path}/a"):
        store = open_store(place_of)
        assert isinstance(store, LocalStore)
        store.put(KEY, RECORD)
        assert (tmp_path / "a" / "results" / "ab" / f"{KEY}.json").is_file()
    assert isinstance(open_store("memory://a"), RemoteStore)


@pytest.mark.parametrize("below", ["", "/below"])
def test_a_folder_that_cannot_be_made(tmp_path, below):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot be used as the folder of a sweep .*--out"):
        open_store(f"{tmp_path}/file{below}")


def test_a_url_that_cannot_be_used(tmp_path):
    pytest.importorskip("fsspec")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"nosuch://x: cannot be used"):
        open_store("nosuch://x")
    with pytest.raises(InputError, match=r"cannot be used"):
        RemoteStore(f"file://{tmp_path}/file")


def test_a_url_without_fsspec(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(InputError, match=r"install it with pip .*keras-torch-parity\[ray\]"):
        open_store("s3://bucket/sweep")
