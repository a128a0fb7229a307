"""Children of the halves that need not import their framework, which takes longer than their work.

`warmed()` replaces how `parity` starts `python -m parity.worker HALF`: a process that has imported
the framework (`warm_server`) forks one. The child is a child of this process, in a session of its
own, with the command line, the environment, the folder and the open files that it would have. There
is a server for each set of the variables that are read when a framework is imported. Other commands
are started as always, and so is everything on systems other than Linux. A process that has imported
both frameworks, and has computed nothing, can be the server itself: see `serve_from_here`.
"""

import atexit
import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest

from parity.bench import client
from parity.halves import process

SERVER = Path(__file__).with_name("warm_server.py").read_text(encoding="utf-8")
_SERVER = {"__name__": "warm_server"}
exec(compile(SERVER, "<string>", "exec"), _SERVER)  # noqa: S102 - no file to Python there, either
# Beginnings of the names of variables that count when Python, its libraries and a framework start.
AT_IMPORT = ("CUDA_", "GOMP_", "KERAS_", "KMP_", "LD_", "MALLOC_", "MKL_", "OMP_", "PYTHON", "TF_")
SET_CHILD_SUBREAPER = 36  # prctl(2): orphans below this process become its children
NEEDED = ("HOME", "PATH", "LANG", "TMPDIR")  # of any process
_LOCK = threading.Lock()  # one request at a time


@contextmanager
def warmed():
    """Children of halves are forked; only on Linux, which alone gives orphans to an ancestor."""
    with pytest.MonkeyPatch.context() as patch:
        if sys.platform == "linux":
            stand_in = SimpleNamespace(**(vars(subprocess) | {"Popen": start}))
            for module in (process, client):
                patch.setattr(module, "subprocess", stand_in)
        yield


def import_halves():
    """Imports all that children of both halves do."""
    for half in ("torch", "keras"):
        _SERVER["import_half"](half)


def serve_from_here(paths):
    """From now on, children of both halves are forks of this process as it is at this time.

    Call it after `import_halves`, before anything is computed.

    Args:
        paths: where the children find modules, behind those of their environment.
    """
    global _server
    ours, its = socket.socketpair()
    if not os.fork():
        ours.close()
        try:
            _SERVER["serve"](its, paths)
        finally:
            os._exit(0)
    its.close()
    _server = lambda half, variables: ours  # noqa: E731


def start(arguments, **options):
    """As `subprocess.Popen`, of which it takes what `parity` gives."""
    match arguments:
        case [sys.executable, "-m", "parity.worker", "keras" | "torch" as half, *_]:
            return WarmChild(half, arguments, **options)
    return subprocess.Popen(arguments, **options)


class WarmChild:
    """What `parity` uses of a `subprocess.Popen`."""

    def __init__(self, half, arguments, *, stdin, stdout, env, pass_fds=(), text=False, **others):
        assert others == {"stderr": subprocess.STDOUT, "start_new_session": True}
        self.returncode, self.stdin = None, None
        if stdin == subprocess.PIPE:
            reader, writer = os.pipe()
            self.stdin = os.fdopen(writer, "w" if text else "wb")
        else:
            reader = os.open(os.devnull, os.O_RDONLY)
        try:
            output = stdout.fileno()
            request = {
                "arguments": arguments,
                "environment": env,
                "folder": os.getcwd(),
                "parent": os.getpid(),
                "numbers": [0, 1, 2, *pass_fds],
            }
            self.pid = _ask(half, request, [reader, output, output, *pass_fds])
        finally:
            os.close(reader)

    def poll(self):
        """The exit code, or None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout=None):
        """The exit code; raises `subprocess.TimeoutExpired`."""
        end = time.monotonic() + (float("inf") if timeout is None else timeout)
        while self.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("a warm child", timeout)
            time.sleep(0.005)
        return self.returncode


def _ask(half, request, files):
    with _LOCK:
        variables = request["environment"].items()
        at_import = {x for x in variables if x[0].startswith(AT_IMPORT) and x[0] != "PYTHONPATH"}
        connection = _server(half, frozenset(at_import))
        # Only now: orphans of other tests are nobody's.
        _set_subreaper(True)
        try:
            text = json.dumps(request).encode() + b"\n"
            sent = socket.send_fds(connection, [text], files)
            connection.sendall(text[sent:])
            return int(_line(connection))
        finally:
            _set_subreaper(False)


@cache
def _server(half, variables):
    """The connection to the server of a half, which ends with this process."""
    ours, its = socket.socketpair()
    with its:
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER, half, str(its.fileno()), os.fspath(process.ROOT)],
            env={name: os.environ[name] for name in os.environ if name in NEEDED} | dict(variables),
            stdin=subprocess.DEVNULL,
            pass_fds=(its.fileno(),),
            start_new_session=True,
        )
    atexit.register(_end, ours, server)
    assert _line(ours) == "ready"
    return ours


def _end(connection, server):
    connection.close()
    server.wait(20)


def _line(connection):
    text = b""
    while not text.endswith(b"\n"):
        part = connection.recv(64)
        assert part, "the server of warm children has ended; see its error above"
        text += part
    return text.decode().strip()


def _set_subreaper(is_one):
    assert ctypes.CDLL(None, use_errno=True).prctl(SET_CHILD_SUBREAPER, int(is_one), 0, 0, 0) == 0
