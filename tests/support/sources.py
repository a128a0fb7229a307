"""The sources of the packages, each parsed once in a process, and what the tests ask of them."""

import ast
import functools
from pathlib import Path

from paths import ROOT

PACKAGES = ("torch_impl", "keras_impl", "parity")


@functools.cache
def files_below(folder: Path) -> tuple[Path, ...]:
    """The Python files of a folder, in one order."""
    return tuple(sorted(folder.rglob("*.py")))


def all_files() -> list[Path]:
    """Those of the packages."""
    return [path for package in PACKAGES for path in files_below(ROOT / package)]


@functools.cache
def imports(path: Path) -> tuple[tuple[ast.AST, bool], ...]:
    """(node, whether only a type checker sees it) of what imports in a file, anywhere in it.

    That are statements, and calls of `import_module`. Trees are not kept: they are large.
    """
    found: list[tuple[ast.AST, bool]] = []

    def visit(node: ast.AST, is_typing: bool) -> None:
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.append((node, is_typing))
            return
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in ("import_module", "__import__"):
                found.append((node, is_typing))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.body:
                visit(child, True)
            for child in node.orelse:
                visit(child, is_typing)
            return
        for child in ast.iter_child_nodes(node):
            visit(child, is_typing)

    visit(ast.parse(path.read_text(encoding="utf-8")), False)
    return tuple(found)
