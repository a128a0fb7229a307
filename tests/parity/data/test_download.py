"""Downloading MNIST, against a server on this machine: no test leaves it."""

import dataclasses
import gzip
import hashlib
import http.server
import struct
import threading
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest
from rows import each_row

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

# Small files in the place of MNIST's: six images 2 by 2, or six labels.
IMAGES = b"\0\0\x08\x03" + struct.pack(">3I", 6, 2, 2) + bytes(range(24))
LABELS = b"\0\0\x08\x01" + struct.pack(">I", 6) + bytes([0, 1, 2, 2, 1, 0])
PLAIN = {name: IMAGES if ndim == 3 else LABELS for name, ndim in IDX_FILES.values()}
BODIES = {f"{name}.gz": gzip.compress(plain, mtime=0) for name, plain in PLAIN.items()}
NAMES = list(BODIES)


def sha256(content):
    return hashlib.sha256(content).hexdigest()


FILES = {
    key: RemoteFile(len(BODIES[f"{name}.gz"]), sha256(BODIES[f"{name}.gz"]), sha256(PLAIN[name]))
    for key, (name, _) in IDX_FILES.items()
}


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers from `server.bodies`."""

    def do_GET(self):
        name = self.path.rsplit("/", 1)[1]
        self.server.asked.append(name)
        body = self.server.bodies.get(name, b"<html>Not found</html>")
        self.send_response(200 if name in self.server.bodies else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies, self.asked = dict(BODIES), []
        self.mirror = f"http://127.0.0.1:{self.server_port}/mnist/"


@contextmanager
def serving():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as server:
        yield server


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache" / "mnist"


def refused(folder, mirror):
    """The message of a failed download, which leaves nothing behind, not even the folder."""
    with pytest.raises(InputError, match=r"\A.* could not be downloaded .*\Z") as error:
        fetch_mnist(folder, mirrors=[mirror], files=FILES)
    assert not folder.exists() or list(folder.iterdir()) == []
    return str(error.value)


def test_the_four_files_arrive_with_their_bytes_from_a_server_or_a_folder(server, folder, tmp_path):
    fetch_mnist(folder, mirrors=[server.mirror], files=FILES)
    assert server.asked == NAMES
    fetch_mnist(tmp_path / "again", mirrors=[f"{folder.as_uri()}/"], files=FILES)
    for found in (folder, tmp_path / "again"):
        assert {path.name: path.read_bytes() for path in found.iterdir()} == BODIES


def test_a_file_that_is_there_is_not_asked_for(server, folder):
    folder.mkdir(parents=True)
    (folder / "train-images-idx3-ubyte").write_bytes(IMAGES)
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(b"whatever it is")
    fetch_mnist(folder, mirrors=[server.mirror], files=FILES)
    assert server.asked == ["train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz"]


FLIPPED = BODIES[NAMES[0]][:-1] + bytes([BODIES[NAMES[0]][-1] ^ 1])


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (BODIES[NAMES[0]] + b"\0", ["sent more than the"]),
        (b"<!DOCTYPE html><html>Sign in to the network</html>", ["web page"]),
        (FLIPPED, [sha256(FLIPPED), FILES["x_train"].sha256]),
        (None, ["Not Found"]),
    ],
    ids=["longer", "page", "flipped", "nothing"],
)
def test_a_body_that_is_not_the_file_is_refused_and_the_next_mirror_asked(
    server, folder, body, told
):
    del server.bodies[NAMES[0]]
    server.bodies |= {NAMES[0]: body} if body else {}
    message = refused(folder, server.mirror)
    assert [part for part in told if part not in message] == []
    with serving() as other:
        fetch_mnist(folder, mirrors=[server.mirror, other.mirror], files=FILES)
    assert len(list(folder.iterdir())) == 4


@pytest.mark.parametrize("mirror", ["offline", "nonsense/", "http://[/", "http://a b/"])
def test_what_cannot_be_reached_is_refused_and_it_says_which_files_to_put_where(folder, mirror):
    """Offline: the port of the address was free a moment ago and is ours no more."""
    with Server() as gone:
        free = gone.mirror
    message = refused(folder, free if mirror == "offline" else mirror)
    told = [*NAMES, str(folder), "PARITY_DATA_DIR", *["refused"] * (mirror == "offline")]
    assert [part for part in told if part not in message] == []


def test_content_decides_what_is_mnist_and_not_how_it_was_zipped(folder):
    folder.mkdir(parents=True)
    for name, plain in PLAIN.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(plain, 1, mtime=1))
    check_is_mnist(read_idx_folder(folder), folder, FILES)
    altered = FILES | {"y_test": dataclasses.replace(FILES["y_test"], idx_sha256="0" * 64)}
    with pytest.raises(InputError, match=r"t10k-labels-idx1-ubyte.gz is not MNIST's file"):
        check_is_mnist(read_idx_folder(folder), folder, altered)


def test_the_source_mnist_is_downloaded_once_and_verified(server, folder, monkeypatch):
    monkeypatch.setenv("PARITY_DATA_DIR", str(folder))
    monkeypatch.setattr(sources, "MIRRORS", [server.mirror])
    monkeypatch.setattr(sources, "MNIST", FILES)
    assert load_data("mnist").source == "mnist"
    assert (load_data("mnist", train=3, val=1).input_shape, server.asked) == ((2, 2, 1), NAMES)


@each_row(
    ("cache", "mine", "found"),
    [
        ("{}", "{}/mine", "mine"),
        ("{}", "", "keras-torch-parity/mnist"),
        # A relative path, which the specification says to ignore.
        ("relative", "", ".cache/keras-torch-parity/mnist"),
    ],
)
def test_the_environment_names_the_folder(cache, mine, found, monkeypatch, tmp_path):
    for name, value in {"XDG_CACHE_HOME": cache, "PARITY_DATA_DIR": mine, "HOME": "{}"}.items():
        monkeypatch.setenv(name, value.format(tmp_path))
    assert (mnist_folder(), list(tmp_path.iterdir())) == (tmp_path / found, [])


def test_without_a_home_the_message_says_what_to_set(monkeypatch):
    for name in ("PARITY_DATA_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    homeless = mock.Mock(side_effect=RuntimeError("Could not determine home directory."))
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(InputError, match="set PARITY_DATA_DIR"):
        mnist_folder()
