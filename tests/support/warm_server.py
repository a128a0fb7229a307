"""A process that has imported one framework and forks a child of that half for each request.

    python -c TEXT_OF_THIS_FILE keras|torch SOCKET ROOT

It is no file to Python, so that no frame of it is taken for the user's code. A request has the
command line, the environment and the open files of the child. `warm_halves` asks.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import time
from importlib.machinery import PathFinder

# What a child imports for its work, beside its half.
OF_CHILDREN = (
    *("parity.worker", "parity.runs.child", "parity.runs.child"),
    *("parity.sweeps.child", "parity.sweeps.child", "parity.bench.server"),
)
MOST_FILES = 8  # of one child: standard input, output and error, and what it is given beside them


def main(half: str, connection: socket.socket, root: str) -> None:
    """Imports what every child of the half does, then serves until the other end is closed."""
    paths = list(sys.path)
    sys.path.insert(0, root)
    gc.disable()
    import_half(half)
    gc.enable()
    os.fsync = lambda descriptor: None  # no child's files have to outlive a power cut
    # No computation has begun, so that no thread of a framework is lost in a child.
    gc.collect()
    gc.freeze()
    connection.sendall(b"ready\n")
    serve(connection, paths)


def serve(connection: socket.socket, paths: list[str]) -> None:
    """Forks a child for each request, until the other end is closed.

    Args:
        connection: to who asks.
        paths: of the modules of all children; each has those of its environment before them.
    """
    while True:
        text, files, _, _ = socket.recv_fds(connection, 1 << 20, MOST_FILES)
        if not text:
            return
        while not text.endswith(b"\n"):
            text += connection.recv(1 << 20)
        pid = _fork(json.loads(text), files, connection, paths)
        for file in files:
            os.close(file)
        connection.sendall(f"{pid}\n".encode())


def import_half(half: str) -> None:
    """Imports what children of a half do."""
    for name in (half, *OF_CHILDREN):
        importlib.import_module(name)
    package = importlib.import_module(f"parity.halves.{half}")
    for name in package._HOMES:
        getattr(package, name)


def _fork(request: dict, files: list[int], connection: socket.socket, paths: list[str]) -> int:
    """Forks twice: the first process ends, and leaves its child to the process that asks."""
    receiver, sender = os.pipe()
    first = os.fork()
    if first == 0:
        if os.fork() == 0:
            os.setsid()
            os.close(receiver)
            os.write(sender, str(os.getpid()).encode())
            os.close(sender)
            connection.close()
            _become(request, files, paths)
        os._exit(0)
    os.close(sender)
    with os.fdopen(receiver) as told:
        pid = int(told.read())
    os.waitpid(first, 0)
    return pid


def _become(request: dict, files: list[int], paths: list[str]) -> None:
    """Does what `python -m parity.worker HALF ...` does after its imports, and ends the process."""
    # The half remembers its parent at once, which may have been killed meanwhile.
    end = time.monotonic() + 10
    while os.getppid() != request["parent"]:
        if time.monotonic() > end:
            os._exit(1)
        time.sleep(0.001)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Above all numbers that the files of a child have.
    safe = [os.dup2(file, 200 + place) for place, file in enumerate(files)]
    for file in files:
        os.close(file)
    for file, number in zip(safe, request["numbers"], strict=True):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.path[:] = [*filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)), *paths]
    _, _, module, *arguments = request["arguments"]
    sys.argv = [module, *arguments]
    _forget_unless_found(module)
    # A fresh process would not begin with the random numbers of the one before.
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(None)
    code = 1
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as stop:
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
        else:
            code = stop.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _forget_unless_found(module: str) -> None:
    """Imports a package anew if the child finds another one than this process has."""
    package = module.partition(".")[0]
    found = PathFinder.find_spec(package)
    if found is None or found.origin != sys.modules[package].__file__:
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[name]
    sys.modules.pop(module, None)  # which is run as a program


if __name__ == "__main__":
    main(sys.argv[1], socket.socket(fileno=int(sys.argv[2])), sys.argv[3])
