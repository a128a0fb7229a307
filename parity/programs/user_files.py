"""The files of the user's that decide what a program computes, found without running any of them.

A program's factories, script and data function are in source files. Of each, this reads which
modules it imports, anywhere in the file, and which files it names in a text. What lies below the
program's folder, or beside a file of it, belongs to the program; installed packages do not.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.machinery
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from parity.programs.program_spec import ProgramSpec
from parity.programs.user_modules import OURS, is_installed

MAX_NAMED = 300  # characters of a text that may be the path of a file


def user_files(spec: ProgramSpec, half: str) -> dict[str, str]:
    """Returns the files that decide what a half of a program computes.

    Args:
        spec: of the program.
        half: "keras": what it is fed included; "torch": the port, beside all of the Keras half,
            which says what it is fed.

    Returns:
        Path to SHA-256; paths below the program's folder are relative to it.
    """
    folder = Path(spec.folder).resolve()
    named = [spec.keras, *([spec.torch] if half == "torch" else [])]
    names = [name for name in named if name is not None]
    if spec.data is not None:
        names.append(spec.data)
    found = _Found(folder, spec.is_script)
    for name in names:
        found.add_reference(name)
    for argument in spec.arguments:
        found.add_named(argument, folder)
    return {found.shown(path): _digest(path) for path in sorted(found.files)}


class _Found:
    """Files, each looked into once.

    Args:
        folder: of the program.
        is_script: whether a script is among them: its folder comes before the standard library.
    """

    def __init__(self, folder: Path, is_script: bool) -> None:
        self.files: set[Path] = set()
        self._folder, self._is_script = folder, is_script
        self._roots = [folder]

    def add_reference(self, name: str) -> None:
        """Adds the file of "module:function", "file.py:function", "train.py" or a file of data."""
        module, _, function = name.rpartition(":")
        if module and not module.endswith(".py"):
            for path in self._module_files(module):
                self._add(path)
            return
        path = self._folder / (module if function and module else name)
        if path.is_file():
            self._add_root(path)
            self._add(path)

    def add_named(self, text: str, beside: Path) -> None:
        """Adds the file that a text names, if there is one."""
        for base in dict.fromkeys((self._folder, beside)):
            if (path := _file_of(base, text)) is not None and self._is_in_roots(path):
                self._add(path)

    def shown(self, path: Path) -> str:
        is_below = path.is_relative_to(self._folder)
        return (path.relative_to(self._folder) if is_below else path).as_posix()

    def _add_root(self, path: Path) -> None:
        """Adds the folder from which a file imports its neighbours."""
        root = path.resolve().parent
        while (root / "__init__.py").is_file():
            root = root.parent
        for each in (path.resolve().parent, root):
            if each not in self._roots:
                self._roots.append(each)

    def _add(self, path: Path) -> None:
        path = path.resolve()
        if path in self.files:
            return
        self.files.add(path)
        if path.suffix != ".py":
            return
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError):  # the half that imports it will tell
            return
        for name, is_relative in _imported(tree, self._package_of(path)):
            top = name.partition(".")[0]
            if is_relative or self._is_script or top not in sys.stdlib_module_names:
                for other in self._module_files(name):
                    self._add(other)
        for text in _texts(tree):
            self.add_named(text, path.parent)

    def _package_of(self, path: Path) -> list[str]:
        """Returns the names of the packages that a file lies in, the outermost first."""
        names, at = [], path.parent
        while (at / "__init__.py").is_file():
            names.append(at.name)
            at = at.parent
        return names[::-1]

    def _module_files(self, name: str) -> Iterator[Path]:
        """Yields the files of a module and of the packages that it is in."""
        places: list[str] = [*map(str, self._roots), *sys.path]
        parts = name.split(".")
        if parts[0] in OURS:
            return
        for number in range(1, len(parts) + 1):
            found = importlib.machinery.PathFinder.find_spec(".".join(parts[:number]), places)
            if found is None:
                return
            if found.origin is not None and (path := Path(found.origin)).is_file():
                if not self._is_in_roots(path):
                    return
                yield path
            places = list(found.submodule_search_locations or ())

    def _is_in_roots(self, path: Path) -> bool:
        path = path.resolve()
        if is_installed(path) or path.suffix in (".pyc", ".so"):
            return False
        return any(path.is_relative_to(root) for root in self._roots)


def _imported(tree: ast.Module, package: list[str]) -> Iterator[tuple[str, bool]]:
    """Yields the names of all modules that a file may import, and whether from its own package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            is_relative = node.level > 0
            if start:
                yield start, is_relative
            # What is imported of a package may be a module.
            yield from ((f"{start}.{alias.name}".lstrip("."), is_relative) for alias in node.names)


def _texts(tree: ast.Module) -> Iterable[str]:
    found = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return dict.fromkeys(text for text in found if isinstance(text, str))


def _file_of(base: Path, text: str) -> Path | None:
    """Returns the file that a text names from a folder; None if it names none."""
    if not text or len(text) > MAX_NAMED or not text.isprintable():
        return None
    try:
        path = base / text
        return path if path.is_file() else None
    except (OSError, ValueError):
        return None


def _digest(path: Path) -> str:
    stat = path.stat()
    return _digest_of(path, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=4096)
def _digest_of(path: Path, changed_ns: int, size: int) -> str:
    """Returns the digest of a file, which is read once unless it changes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(2**20):
            digest.update(part)
    return digest.hexdigest()
