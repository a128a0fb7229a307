"""Calls of `parity` in processes of their own that need not import it: forks of one that has.

    python tests/support/forked_calls.py < CALLS

A line on standard input is a call as JSON, a line on standard output how it ended. Surroundings
(streams, current folder, full disk) are made in the fork, before `parity` begins.
"""

import gc
import importlib
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

# What the commands import when they run.
MODULES = (
    *("parity.cli.main", "parity.cli.lists", "parity.cli.bench", "parity.cli.sweep"),
    *("parity.cli.check", "parity.cli.record", "parity.cli.report", "parity.cli.run"),
    *("parity.cli.diagnose", "parity.cli.doctor", "parity.report.write", "parity.bench.run"),
    *("parity.behaviour.readers.history", "parity.sweeps.local", "parity.sweeps.unfinished"),
    *("parity.report.html.render", "parity.report.export.curves", "parity.runs.check"),
    *("parity.divergences", "parity.runs.run", "parity.runs.record", "parity.runs.doctor"),
    *("parity.report.page", "parity.cli.port", "parity.cli.convert", "parity.sweeps.sweep"),
    *("matplotlib.figure", "matplotlib.backends.backend_svg", "matplotlib.style", "jinja2"),
    *("scipy.optimize", "scipy.stats", "numpy.random", "PIL.features", "safetensors.numpy"),
    *("parity.report.text.tables", "parity.report.text.page", "parity.report.pages.run_page"),
)


@contextmanager
def forked_calls():
    """Starts a process that forks; yields what makes a call in it.

    It takes the words of `parity`, and by name: folder, environment (None removes a variable),
    stdout and stderr ("pipe", "full", "gone" or "closed"), is_removed, whether the folder is gone,
    and is_full, whether no file can be written. It returns exit code, output and errors.
    """
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as process:

        def call(*words, **surroundings):
            process.stdin.write(json.dumps({"words": words, **surroundings}) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield call
        process.stdin.close()


def surround(stdout="pipe", stderr="pipe", is_full=False, is_removed=False, pipes=()):
    """Makes streams and limits of the present process; the last step before a call."""
    for number, kind, pipe in zip((1, 2), (stdout, stderr), pipes or (None, None), strict=True):
        if kind == "closed":
            os.close(number)
        elif kind == "full":
            os.dup2(os.open("/dev/full", os.O_WRONLY), number)
        elif kind == "gone":
            reader, writer = os.pipe()
            os.close(reader)
            os.dup2(writer, number)
        elif pipe is not None:
            os.dup2(pipe, number)
    if is_full:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if is_removed:
        os.rmdir(os.getcwd())


def _stream(number, kind):
    """As Python makes it at its start; None for a stream that is closed."""
    if kind == "closed":
        return None
    return io.TextIOWrapper(open(number, "wb", closefd=False), "utf-8", newline="\n")


def _call(words, folder, environment, **surroundings):
    from parity.cli.main import main

    os.chdir(folder)
    for name, value in environment.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    tempfile.tempdir = None
    surround(**surroundings)
    for name, number in (("stdout", 1), ("stderr", 2)):
        setattr(sys, name, _stream(number, surroundings.get(name)))
    sys.argv = ["parity", *words]
    try:
        main()
    except SystemExit as ended:
        return ended.code
    return 0


def _ended(call):
    pipes = [os.pipe(), os.pipe()]
    child = os.fork()
    if not child:
        code = 99
        try:
            code = _call(**call, pipes=[writer for _, writer in pipes])
        finally:
            os._exit(code)  # an error here ends with 99, and not with a verdict
    texts = []
    for reader, writer in pipes:
        os.close(writer)
        with open(reader, "rb") as file:
            texts.append(file.read().decode("utf-8", "replace"))
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), *texts]


if __name__ == "__main__":
    for module in MODULES:
        importlib.import_module(module)
    importlib.import_module("parity.divergences").find("F2")  # reads the whole registry
    importlib.import_module("parity.data.load").load_data("embedded")  # unpacked once, in 0.2 s
    os.fsync = lambda descriptor: None  # no file has to outlive a power cut
    gc.freeze()
    for line in sys.stdin:
        print(json.dumps(_ended(json.loads(line))), flush=True)
