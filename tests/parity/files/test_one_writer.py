"""Every file that a user sees is written by `parity.files.atomic`."""

import ast
import re

from paths import ROOT
from rows import each_row
from sources import all_files

# What writes files by itself, with the reason.
OTHERS = {
    "parity/files/atomic.py": "the one writer",
    "parity/halves/process.py": "appends to the log of a child",
    "parity/halves/fork_server.py": "holds the log of a child until it has started",
    "parity/bench/client.py": "the log of a child",
    "parity/bench/server.py": "a pipe to the parent",
    "parity/traces/trace.py": "arrays larger than memory, in a folder of the run",
    "parity/traces/anchor_folder.py": "states that are removed after the run",
    "parity/traces/bundle.py": "unpacks into a temporary folder",
    "parity/weights/hdf5.py": "unpacks into a temporary folder",
    "parity/cli/streams.py": (
        "the log of an error, under a new name in the temporary folder; "
        "/dev/null, in the place of a closed stream"
    ),
    "torch_impl/native/store.py": "a compiled library in the cache",
}
MOVES = {"replace", "rename", "renames", "link", "symlink"}  # of os, not of a text
OF_INTEREST = MOVES | {"open", "fdopen", "write", "mkstemp"}


def last_name(function):
    """Of what is called; `ast.unparse` takes longer."""
    return getattr(function, "attr", getattr(function, "id", ""))


def writes(tree):
    """The calls in a file that open a file for writing, or move one into place."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or last_name(node.func) not in OF_INTEREST:
            continue
        name = ast.unparse(node.func)
        of, _, method = name.rpartition(".")
        modes = [a.value for a in node.args if isinstance(a, ast.Constant)]
        modes += [k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)]
        opens = method in ("open", "fdopen") and any(
            isinstance(mode, str) and set(mode) & set("wax+") and len(mode) <= 3 for mode in modes
        )
        if opens or (of == "os" and method in (*MOVES, "write")) or method == "mkstemp":
            yield name


# What a file has to hold that writes: only such are parsed.
WRITING = re.compile(r"\b(fd)?open\(|mkstemp|\bos\.\w+|write_(text|bytes)\(")


def test_no_other_file_writes_and_texts_go_to_temporary_paths_alone():
    """`write_text` and `write_bytes` of a path write in place; ours has the path as an argument."""
    found = set()
    for path in all_files():
        text = path.read_text(encoding="utf-8")
        if not WRITING.search(text):
            continue
        tree = ast.parse(text)
        if list(writes(tree)):
            found.add(path.relative_to(ROOT).as_posix())
        for node in ast.walk(tree):
            is_method = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if is_method and last_name(node.func) in ("write_text", "write_bytes"):
                name = ast.unparse(node.func)
                assert name.split(".")[-2] in ("temporary", "part", "spec"), (path, name)
    assert found == set(OTHERS)


@each_row(
    "code",
    ["open(path, 'w')", "path.open('wb')", "open(path, mode='a')", "os.replace(a, b)"],
)
def test_a_writer_would_be_found(code):
    assert list(writes(ast.parse(code)))


@each_row("code", ["open(path)", "path.open('rb')", "text.replace('a', 'b')"])
def test_a_reader_is_not_found(code):
    assert not list(writes(ast.parse(code)))
