"""Downloading MNIST, against a server on this machine: no test leaves it."""

import dataclasses
import gzip
import hashlib
import http.server
import struct
import threading
from pathlib import Path

import pytest

from parity.data import sources
from parity.data.load import load_data
from parity.data.sources import (
    IDX_FILES,
    RemoteFile,
    check_is_mnist,
    fetch_mnist,
    mnist_folder,
    read_idx_folder,
)
from parity.errors import InputError


def idx_file(key):
    """A small file in the place of MNIST's: six images 2 by 2, or six labels."""
    if IDX_FILES[key][1] == 3:
        return b"\0\0\x08\x03" + struct.pack(">3I", 6, 2, 2) + bytes(range(24))
    return b"\0\0\x08\x01" + struct.pack(">I", 6) + bytes([0, 1, 2, 2, 1, 0])


NAMES = [f"{name}.gz" for name, _ in IDX_FILES.values()]
BODIES = {f"{IDX_FILES[key][0]}.gz": gzip.compress(idx_file(key), mtime=0) for key in IDX_FILES}
FILES = {
    key: RemoteFile(
        len(BODIES[f"{name}.gz"]),
        hashlib.sha256(BODIES[f"{name}.gz"]).hexdigest(),
        hashlib.sha256(idx_file(key)).hexdigest(),
    )
    for key, (name, _) in IDX_FILES.items()
}


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers from `server.bodies`; a body that is cut announces its full length."""

    def do_GET(self):
        name = self.path.rsplit("/", 1)[1]
        self.server.asked.append(name)
        body = self.server.bodies.get(name)
        self.send_response(200 if body is not None else 404)
        body = b"<html>Not found</html>" if body is None else body
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.cut])

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies, self.cut, self.asked = dict(BODIES), None, []
        self.mirror = f"http://127.0.0.1:{self.server_port}/mnist/"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache" / "mnist"


@pytest.fixture
def dead_mirror():
    """An address at which nobody listens: the port was free a moment ago and is ours no more."""
    with Server() as server:
        mirror = server.mirror
    return mirror


def refused(folder, *mirrors, files=FILES):
    """The message of a failed download, which leaves nothing behind, not even the folder."""
    with pytest.raises(InputError) as error:
        fetch_mnist(folder, mirrors=mirrors, files=files)
    assert "\n" not in str(error.value)
    assert not folder.exists() or list(folder.iterdir()) == []
    return str(error.value)


def test_the_four_files_arrive_with_their_bytes(server, folder):
    fetch_mnist(folder, mirrors=[server.mirror], files=FILES)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == BODIES
    assert server.asked == NAMES


def test_a_file_that_is_there_is_not_asked_for(server, folder):
    folder.mkdir(parents=True)
    (folder / "train-images-idx3-ubyte").write_bytes(idx_file("x_train"))
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(b"whatever it is")
    fetch_mnist(folder, mirrors=[server.mirror], files=FILES)
    assert server.asked == ["train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda body: body + b"\0", "sent more than the"),
        (lambda body: b"<!DOCTYPE html><html>Sign in to the network</html>", "web page"),
        (None, "Not Found"),
    ],
)
def test_a_body_that_is_not_the_file_is_refused_and_the_next_mirror_asked(
    server, folder, change, message
):
    body = server.bodies.pop(NAMES[0])
    if change is not None:
        server.bodies[NAMES[0]] = change(body)
    assert message in refused(folder, server.mirror)
    with Server() as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        fetch_mnist(folder, mirrors=[server.mirror, other.mirror], files=FILES)
        other.shutdown()
    assert len(list(folder.iterdir())) == 4


def test_a_wrong_checksum_is_refused(server, folder):
    body = bytearray(BODIES[NAMES[0]])
    body[-1] ^= 1
    server.bodies[NAMES[0]] = bytes(body)
    message = refused(folder, server.mirror)
    assert hashlib.sha256(body).hexdigest() in message
    assert FILES["x_train"].sha256 in message


def test_offline_the_message_says_which_files_to_put_where(folder, dead_mirror):
    message = refused(folder, dead_mirror)
    assert "refused" in message
    assert all(name in message for name in NAMES)
    assert str(folder) in message
    assert "PARITY_DATA_DIR" in message


@pytest.mark.parametrize("mirror", ["nonsense/", "http://[/", "http://a b/"])
def test_an_address_that_is_none_is_refused(folder, mirror):
    assert "could not be downloaded" in refused(folder, mirror)


def test_content_decides_what_is_mnist_and_not_how_it_was_zipped(folder):
    folder.mkdir(parents=True)
    for key, (name, _) in IDX_FILES.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(idx_file(key), 1, mtime=1))
    check_is_mnist(read_idx_folder(folder), folder, FILES)
    altered = FILES | {"y_test": dataclasses.replace(FILES["y_test"], idx_sha256="0" * 64)}
    with pytest.raises(InputError, match=r"t10k-labels-idx1-ubyte.gz is not MNIST's file"):
        check_is_mnist(read_idx_folder(folder), folder, altered)


def test_the_source_mnist_is_downloaded_once_and_verified(server, folder, monkeypatch):
    monkeypatch.setenv("PARITY_DATA_DIR", str(folder))
    monkeypatch.setattr(sources, "MIRRORS", [server.mirror])
    monkeypatch.setattr(sources, "MNIST", FILES)
    assert load_data("mnist").source == "mnist"
    assert load_data("mnist", train=3, val=1).input_shape == (2, 2, 1)
    assert server.asked == NAMES


def test_the_environment_names_the_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PARITY_DATA_DIR", str(tmp_path / "mine"))
    assert mnist_folder() == tmp_path / "mine"
    monkeypatch.setenv("PARITY_DATA_DIR", "")
    assert mnist_folder() == tmp_path / "keras-torch-parity" / "mnist"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative, which the specification says to ignore")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert mnist_folder() == tmp_path / ".cache" / "keras-torch-parity" / "mnist"
    assert list(tmp_path.iterdir()) == []


def test_without_a_home_the_message_says_what_to_set(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    for name in ("PARITY_DATA_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(InputError, match="set PARITY_DATA_DIR"):
        mnist_folder()


def test_a_mirror_may_be_a_folder(tmp_path, folder):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    for name, body in BODIES.items():
        (mirror / name).write_bytes(body)
    fetch_mnist(folder, mirrors=[f"{mirror.as_uri()}/"], files=FILES)
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES)
