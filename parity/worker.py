"""The entry point of the child process of a half, with a subcommand for each kind of work.

    python -m parity.worker keras run DIRECTORY [DIRECTORY ...]  (`parity.runs.child`)
    python -m parity.worker keras check DIRECTORY [DIRECTORY ...]  (`parity.runs.child`)
    python -m parity.worker torch convert DIRECTORY  (`parity.runs.child`)
    python -m parity.worker keras batch DIRECTORY  (`parity.sweeps.child`)
    python -m parity.worker keras tell DIRECTORY  (`parity.sweeps.child`)
    python -m parity.worker keras bench DIRECTORY FILE_DESCRIPTOR  (`parity.bench.server`)
    python -m parity.worker torch write DIRECTORY  (`parity.runs.child`)
    python -m parity.worker keras save DIRECTORY  (`parity.runs.child`)
    python -m parity.worker keras serve FILE_DESCRIPTOR  (`parity.halves.fork_server`)

`ChildJob.arguments` makes such a command line, and `parity.halves.protocol` describes the protocol
of parent and child. The child stops by itself when its parent is gone.
"""

from __future__ import annotations

import argparse
import atexit
import faulthandler
import importlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import NoReturn

from parity.errors import ParityError
from parity.halves.protocol import EXIT_NOT_INSTALLED, Half, is_installable
from parity.programs.backend import kept_backend
from parity.programs.halves import HALVES
from parity.programs.user_modules import add_paths


def main(name: str, half: Half, arguments: Sequence[str], parent: int | None = None) -> int:
    """Runs a command line.

    Args:
        name: "keras" or "torch", for messages.
        half: the package; its framework is not imported yet.
        arguments: arguments of the command line, behind the name of the half.
        parent: process without which this one ends; None: the one that has started it.

    Returns:
        The exit code of the process.

    Raises:
        SystemExit: with code 2, if the command line is wrong.
    """
    # First, since importing a framework takes seconds, in which the parent may be killed.
    parent = parent or os.getppid()
    given = _parser(name).parse_args(arguments)
    if given.work == "serve":
        server = os.getpid()
        forked = _serve(name, half, given)
        return 0 if forked is None else main(name, half, forked, server)
    add_paths()
    # SIGTERM stops a run that hangs, and the log then shows where it hung. File 2 is standard
    # error, whatever sys.stderr is.
    faulthandler.register(signal.SIGTERM, file=2, all_threads=False, chain=True)
    try:
        with kept_backend() if name == "keras" else nullcontext():
            _work(name, half, given, parent)
    except ModuleNotFoundError as error:
        if not is_installable(error):
            raise
        _say(f"{name} half: {error}")
        return EXIT_NOT_INSTALLED
    except ParityError as error:
        _say(f"{name} half: {error}")
        return error.exit_code
    return 0


def _serve(name: str, half: Half, given: argparse.Namespace) -> list[str] | None:
    """Imports what children need, and forks them; returns the arguments of a child in it."""
    from parity.halves import protocol
    from parity.halves.fork_server import serve
    from parity.halves.memory import kept_for_good
    from parity.programs.check_spec import CheckSpec
    from parity.programs.run_spec import RunSpec

    started = time.perf_counter()
    with kept_backend() if name == "keras" else nullcontext(), kept_for_good():
        half.configure(CheckSpec() if given.check else RunSpec())
        _ = half.run_check, half.run_program
    protocol.imported_s = time.perf_counter() - started
    return serve(given.descriptor)


def leave(code: int) -> NoReturn:
    """Ends the process at once.

    What a framework takes down needs up to a second, for which the parent would wait. All files
    are closed by now; what the user's code wants to do at the end is done.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _parser(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m parity.worker {name}", allow_abbrev=False)
    kinds = parser.add_subparsers(dest="work", required=True)
    for work, number, text in (
        ("run", "+", "probes and trains a program in each directory"),
        ("check", "+", "probes one of the user's models in each directory"),
        ("convert", 1, "carries the weights of a file into one of the user's modules"),
        ("batch", 1, "runs the tasks of a sweep that the directory lists"),
        ("tell", 1, "tells what one of the user's programs is fed, for a sweep"),
        ("bench", 1, "trains in rounds, on request"),
        ("write", 1, "writes the port of a program that Keras's trace describes"),
        ("save", 1, "writes a SavedModel of Keras 2 as a file that Keras 3 can read"),
        ("serve", 0, "forks children that do one of these, on request"),
    ):
        kind = kinds.add_parser(work, help=text, allow_abbrev=False)
        if work == "run":
            kind.add_argument("--save-weights", action="store_true", help="of both halves")
        if work == "serve":
            kind.add_argument("--check", action="store_true", help="as checks need it")
        else:
            kind.add_argument("directories", nargs=number, type=Path, metavar="DIRECTORY")
        if work in ("bench", "serve"):
            kind.add_argument("descriptor", type=_descriptor, metavar="FILE_DESCRIPTOR")
    return parser


def _descriptor(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: expected the number of an open file")
    return int(text)


def _work(name: str, half: Half, given: argparse.Namespace, parent: int) -> None:
    if given.work == "run":
        from parity.runs.child import run_programs

        run_programs(name, half, given.directories, parent, saves_weights=given.save_weights)
    elif given.work == "check":
        from parity.runs.child import run_checks

        run_checks(name, half, given.directories, parent)
    elif given.work == "convert":
        from parity.conversions.run import run_convert
        from parity.runs.child import run_conversion

        run_conversion(half, run_convert, given.directories[0], parent)
    elif given.work == "batch":
        from parity.sweeps.child import train_batch

        train_batch(name, half, given.directories[0], parent)
    elif given.work == "tell":
        from parity.sweeps.child import tell_batch

        tell_batch(half, given.directories[0], parent)
    elif given.work == "write":
        from parity.ports.package import write_port
        from parity.runs.child import run_port

        run_port(write_port, given.directories[0])
    elif given.work == "save":
        from parity.runs.child import save_old_model

        save_old_model(half, given.directories[0])
    else:
        from parity.bench.server import run_bench

        run_bench(half, given.directories[0], given.descriptor)


def _say(message: str) -> None:
    print(message, file=sys.stderr)  # noqa: T201 - standard error of the child is the log


if __name__ == "__main__":
    named = sys.argv[1] if len(sys.argv) > 1 else ""
    if named not in HALVES:
        _say(f"python -m parity.worker {named}: expected {' or '.join(HALVES)}, and what it does")
        leave(2)
    leave(main(named, importlib.import_module(f"parity.halves.{named}"), sys.argv[2:]))
