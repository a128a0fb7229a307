"""Python of pages, run in processes that need not import the frameworks: forks of one that has.

    python tests/support/forked_pages.py < PAGES

A line on standard input is a page as JSON: its name, its blocks with their lines, and the folder in
which they run. A line on standard output is how it ended: exit code, and what it said. The halves
that a page starts are forks, too.
"""

import gc
import importlib
import json
import os
import subprocess
import sys
import tempfile
import traceback
from contextlib import contextmanager
from pathlib import Path

import warm_halves

# What blocks of pages import. The port's framework comes first: the other order can crash.
MODULES = ("torch", "torchvision.transforms.v2", "tensorflow", "keras", "parity")


@contextmanager
def forked_pages():
    """Starts a process that forks; yields what runs the blocks of a page in a folder."""
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def run(page, blocks, folder):
            process.stdin.write(json.dumps([str(page), blocks, str(folder)]) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield run
        process.stdin.close()


def run_blocks(page, blocks):
    """Runs the blocks of a page in one namespace, and then calls the factories that it has defined.

    What is in them runs too. Lines are those of the page.
    """
    main = sys.modules["__main__"] = type(sys)("__main__")
    namespace = vars(main)
    for line, text in blocks:
        exec(compile("\n" * (line - 1) + text, page, "exec"), namespace)  # noqa: S102
    for name, value in list(namespace.items()):
        if name.startswith("build") and callable(value):
            value()


def _ended(page, blocks, folder):
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if not child:
            code = 1
            try:
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.dup2(said.fileno(), 1)
                os.dup2(said.fileno(), 2)
                os.chdir(folder)
                if sys.platform == "linux":
                    warm_halves.serve_from_here(sys.path[1:])
                sys.path[0] = ""  # as `python -c` has it, in the place of this file's folder
                with warm_halves.warmed():
                    run_blocks(page, blocks)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said.seek(0)
        return [code, said.read().decode("utf-8", "replace")]


if __name__ == "__main__":
    for module in MODULES:
        importlib.import_module(module)
    warm_halves.import_halves()
    # No computation has begun, so that no thread of a framework is lost in a fork.
    gc.freeze()
    for sent in sys.stdin:
        print(json.dumps(_ended(*json.loads(sent))), flush=True)
