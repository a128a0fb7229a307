"""Fork server: children of a half are forks of one process that has imported its framework.

Importing TensorFlow and Keras takes four to six seconds, torch two or three: more than most checks
compute. A server, `python -m parity.worker HALF serve`, imports them once. Each child is a fork of
it, with an environment, a folder and a log of its own. Nothing of a program is loaded before the
fork, so programs share nothing, and a crash ends one child alone.

A fork has no other thread than the one that made it. So children are forked on Linux alone, where
they compute on the CPU with one thread, and from a server that has no second thread. Wherever there
is no server, a child is started by itself, and imports by itself.

A request is a JSON object, with the child's log beside it: `number`, `arguments` of the worker
behind the name of the half, `environment`, `folder`. The server answers with `number` and `pid`,
and at the end of the child with `number` and `code`. It ends when its client has closed the socket,
or when it had no child for a while.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

from parity.halves import protocol
from parity.programs.user_modules import PATHS

if TYPE_CHECKING:
    from parity.halves.job import ChildJob

IDLE_S = 120.0  # a server without children ends after this time
_POLL_S = 0.01  # seconds between two looks at a child that is waited for
_MAX_BYTES = 2**20  # of a message; the system may allow less
_OF_ONE_CHILD = (PATHS, "PYTEST_CURRENT_TEST")  # variables that no import reads


class StartedChild(subprocess.Popen[bytes]):
    """A child that was started by itself."""

    def send(self, number: int) -> None:
        """Sends a signal to the process group of the child."""
        os.killpg(self.pid, number)


def start_child(
    job: ChildJob, environment: Mapping[str, str], log: IO[bytes]
) -> ForkedChild | StartedChild:
    """Starts the child of a job, in a process group of its own.

    Args:
        job: the job.
        environment: variables of the child.
        log: receives its output.

    Raises:
        OSError: the program cannot be executed.
    """

    def start_alone() -> StartedChild:
        return StartedChild(
            job.arguments,
            stdin=subprocess.DEVNULL,
            stdout=log.fileno(),
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )

    # Signals and sockets of a server are read by the thread that starts children.
    is_main = threading.current_thread() is threading.main_thread()
    server = None
    if job.may_fork and not job.program and sys.platform == "linux" and is_main:
        server = _server_of(job, environment)
    if server is None:
        return start_alone()
    log = os.fdopen(os.dup(log.fileno()), "ab")  # it is open until the child has started
    return ForkedChild(server, job, environment, log, start_alone)


class ForkedChild:
    """A child of a server, with what `ChildProcess` needs of a `subprocess.Popen`.

    If the server cannot fork, the child is started by itself.

    Args:
        server: forks it.
        job: its job.
        environment: its variables.
        log: receives its output; it is closed as soon as the child has started.
        start_alone: starts it by itself.
    """

    def __init__(
        self,
        server: _Server,
        job: ChildJob,
        environment: Mapping[str, str],
        log: IO[bytes],
        start_alone: Callable[[], StartedChild],
    ) -> None:
        self._server, self._log, self._start_alone = server, log, start_alone
        self._pid: int | None = None
        self._alone: StartedChild | None = None
        self.returncode: int | None = None
        request = {
            "arguments": job.arguments[4:],
            "environment": dict(environment),
            "folder": os.getcwd(),
        }
        if not server.request(self, request, log.fileno()):
            self.lose()

    def send(self, number: int) -> None:
        """Sends a signal to the process group of the child.

        Raises:
            ProcessLookupError: it has ended.
            PermissionError: the group has no process that is not a zombie.
        """
        self.poll()
        if self._alone is not None:
            self._alone.send(number)
        elif self._pid is not None:
            os.killpg(self._pid, number)
        elif self.returncode is None:  # the server still imports
            self.end(-number)
            self._server.close()

    def poll(self) -> int | None:
        """Returns the exit code, or None while the child runs."""
        if self._alone is not None:
            self.returncode = self._alone.poll()
        elif self.returncode is None:
            self._server.read()
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Waits until the child has ended; returns its exit code.

        Raises:
            subprocess.TimeoutExpired: it has not ended within `timeout` seconds.
        """
        deadline_s = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() >= deadline_s:
                raise subprocess.TimeoutExpired("a forked child", timeout)
            time.sleep(_POLL_S)
        return code

    def begin(self, pid: int) -> None:
        """Learns that the child has started."""
        self._pid = pid
        self._log.close()

    def end(self, code: int) -> None:
        """Learns that the child has ended."""
        self.returncode = code
        self._log.close()

    def lose(self) -> None:
        """Learns that there is no server any more: one that was not forked starts by itself."""
        if self._pid is not None:
            self.end(-signal.SIGKILL)
        elif self.returncode is None:
            self._alone = self._start_alone()
            self._log.close()


class _Server:
    """The client's end of a server: sends requests, and receives what becomes of the children."""

    def __init__(self, job: ChildJob, environment: Mapping[str, str]) -> None:
        self.half = job.half
        self.children: dict[int, ForkedChild] = {}
        self.has_forked = False
        self._number = 0
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            arguments = [*job.arguments[:4], "serve", str(theirs.fileno())]
            self._process = subprocess.Popen(
                [*arguments, *(["--check"] if _is_check(job) else [])],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                # As it sets up its framework: who imports NumPy before must not start threads.
                env={**environment, "OMP_NUM_THREADS": "1"},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    @property
    def is_open(self) -> bool:
        """Whether the server has not ended, as far as is known."""
        return self._socket.fileno() >= 0

    def request(self, child: ForkedChild, content: Mapping[str, Any], log: int) -> bool:
        """Asks for a child; returns whether the server was reached."""
        self._number += 1
        message = json.dumps({"number": self._number, **content}).encode()
        try:
            socket.send_fds(self._socket, [message], [log])
        except OSError:  # it has ended, or the message is too large
            return False
        self.children[self._number] = child
        return True

    def read(self) -> None:
        """Tells the children what the server has said of them."""
        with suppress(BlockingIOError):
            while self.is_open:
                try:
                    message = self._socket.recv(_MAX_BYTES, socket.MSG_DONTWAIT)
                except ConnectionError:
                    message = b""
                if not message:
                    self.close()
                    return
                answer = json.loads(message)
                if "pid" in answer:
                    self.children[answer["number"]].begin(answer["pid"])
                    self.has_forked = True
                else:
                    self.children.pop(answer["number"]).end(answer["code"])

    def close(self) -> None:
        """Ends the server, and starts those by themselves that it has not forked."""
        if not self.is_open:
            return
        self._socket.close()
        if self.children:
            self._process.kill()  # it may import for seconds
        self._process.wait()
        children = list(self.children.values())
        self.children.clear()
        for child in children:
            child.lose()


_servers: dict[tuple[Any, ...], _Server] = {}


def _server_of(job: ChildJob, environment: Mapping[str, str]) -> _Server | None:
    """Returns the server that has set up a framework as a job needs it; None if none can be had."""
    shared = {name: value for name, value in environment.items() if name not in _OF_ONE_CHILD}
    key = (job.half, job.python, _is_check(job), *sorted(shared.items()))
    if (known := _servers.get(key)) is not None:
        known.read()  # it may have ended
        if known.is_open:
            return known
        if not known.has_forked:  # nor would another one
            return None
    for other, server in list(_servers.items()):
        if server.half == job.half and server.is_open and not server.children:
            server.close()  # each takes hundreds of MB
            del _servers[other]
    _servers[key] = _Server(job, shared)
    return _servers[key]


def _is_check(job: ChildJob) -> bool:
    """Whether a framework is set up for a check, in another way than for all else."""
    return job.half == "keras" and job.work == "check"


@atexit.register
def close_servers() -> None:
    """Ends all servers, so that their time counts as that of this process."""
    for server in _servers.values():
        server.close()
    _servers.clear()


def serve(descriptor: int) -> list[str] | None:
    """Forks a child for each request, in a server that has imported what its children need.

    Returns:
        In a child, its arguments; in the server, None when it is to end.
    """
    try:
        os.close(os.pidfd_open(os.getpid()))
        has_threads = len(os.listdir("/proc/self/task")) > 1
    except (AttributeError, OSError):  # a kernel or a sandbox without them
        return None
    if has_threads:
        return None
    requests = socket.socket(fileno=descriptor)
    numbers: dict[int, tuple[int, int]] = {}  # pidfd -> number and pid of a child
    while True:
        ready, _, _ = select.select([descriptor, *numbers], [], [], None if numbers else IDLE_S)
        if not ready:
            return None
        for ended in [each for each in ready if each != descriptor]:
            number, pid = numbers.pop(ended)
            os.close(ended)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            _answer(requests, {"number": number, "code": code})
        if descriptor in ready:
            message, logs, _, _ = socket.recv_fds(requests, _MAX_BYTES, 1)
            if not message:
                return None
            request = json.loads(message)
            pid = os.fork()
            if not pid:
                for each in (requests.detach(), *numbers):
                    os.close(each)
                return _as_child(request, logs[0])
            with suppress(ProcessLookupError, PermissionError):
                os.setpgid(pid, pid)  # before the client knows it
            os.close(logs[0])
            numbers[os.pidfd_open(pid)] = (request["number"], pid)
            _answer(requests, {"number": request["number"], "pid": pid})
            protocol.imported_s = 0.0


def _answer(requests: socket.socket, content: Mapping[str, int]) -> None:
    with suppress(OSError):  # the client is gone, as the next request says
        requests.send(json.dumps(content).encode())


def _as_child(request: Mapping[str, Any], log: int) -> list[str]:
    """Makes a fork what a process would be that was started for a request."""
    with suppress(PermissionError):
        os.setpgid(0, 0)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
    # A process that starts has random numbers of its own. Python's module has them after a fork.
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed()
    arguments: list[str] = request["arguments"]
    return arguments
