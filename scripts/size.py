"""Hold the project to the size that `[tool.size]` in pyproject.toml allows.

    python scripts/size.py            # part of `make lint`: growth is an error that names a folder
    python scripts/size.py --lower    # part of `make fix`: lowers the numbers to what is left

Counted are the statements of the packages, of tests and of benchmarks, without imports and
docstrings, so that shorter formatting changes nothing, and the words of README and docs. Whoever
raises a number says why in a comment beside it.
"""

import ast
import io
import re
import subprocess
import sys
import tarfile
import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("parity", "torch_impl", "keras_impl")
COUNTED = (*PACKAGES, "tests", "benchmarks", "docs")  # folders; README.md stands beside them


def kind_of(name: str) -> str | None:
    """What a file counts for, by its path in the project; None if it is not counted."""
    top, suffix = name.partition("/")[0], PurePosixPath(name).suffix
    if suffix == ".md" and (name == "README.md" or top == "docs"):
        return "words"
    if suffix != ".py":
        return None
    return "packages" if top in PACKAGES else top if top in ("tests", "benchmarks") else None


def statements(text: str) -> int:
    """The number of statements of a source, without imports and docstrings."""

    def counts(node: ast.AST) -> bool:
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_import = isinstance(node, ast.Import | ast.ImportFrom)
        return isinstance(node, ast.stmt) and not is_import and not is_text

    return sum(map(counts, ast.walk(ast.parse(text))))


def sizes(files: Mapping[str, str]) -> dict[str, Counter[str]]:
    """For each kind the size of each folder, of files by their path in the project."""
    found: dict[str, Counter[str]] = {}
    for name, text in files.items():
        if (kind := kind_of(name)) is not None:
            size = len(text.split()) if kind == "words" else statements(text)
            found.setdefault(kind, Counter())[str(PurePosixPath(name).parent)] += size
    return found


def files_here() -> dict[str, str]:
    """The files of the checkout that are counted, with their texts."""
    paths = [ROOT / "README.md", *(path for top in COUNTED for path in (ROOT / top).rglob("*.*"))]
    names = {path.relative_to(ROOT).as_posix(): path for path in paths}
    return {name: path.read_text("utf-8") for name, path in names.items() if kind_of(name)}


def files_when_last_set() -> dict[str, str]:
    """The same of the commit that last changed a number, or the oldest that a clone has.

    Empty where there is no git, or none of its history.
    """
    numbers = rf"^({'|'.join(allowed())}) = [0-9]"
    search = ("log", "-1", "--format=%H", "-G", numbers, "--", "pyproject.toml")
    try:
        commit = git(*search).decode().strip()
        tar = git("archive", "--format=tar", commit)
    except (OSError, subprocess.CalledProcessError):
        return {}
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        files = {each.name: archive.extractfile(each) for each in archive if kind_of(each.name)}
        return {name: file.read().decode() for name, file in files.items() if file is not None}


def git(*arguments: str) -> bytes:
    """What a command of git prints in the checkout."""
    command = ["git", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout


def allowed() -> dict[str, int]:
    """The greatest size of each kind."""
    tables = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    sizes: dict[str, int] = tables["tool"]["size"]
    return sizes


def growth(now: Mapping[str, int], before: Mapping[str, int]) -> str:
    """The folder that grew most, and by how much."""
    if not before:
        return "which folder grew is not known, since the commit that set the number is not here"
    grown = Counter(now)
    grown.subtract(before)
    [(folder, by)] = grown.most_common(1)
    return f"{folder} grew most, by {by:,}"


def main(arguments: list[str]) -> int:
    """Report what is larger than it may be, and what could be lowered or, if asked, is."""
    limits, here = allowed(), sizes(files_here())
    totals = {kind: here.get(kind, Counter()).total() for kind in limits}
    grown = [kind for kind in limits if totals[kind] > limits[kind]]
    before = sizes(files_when_last_set()) if grown else {}
    for kind in grown:
        print(
            f"{kind}: {totals[kind]:,}, and pyproject.toml allows {limits[kind]:,}: "
            f"{growth(here[kind], before.get(kind, {}))}. Cut elsewhere, or raise the number in "
            "[tool.size] and say why in a comment beside it."
        )
    if "--lower" in arguments:
        path = ROOT / "pyproject.toml"
        text = path.read_text("utf-8")
        for kind in limits:
            smaller = min(totals[kind], limits[kind])
            text = re.sub(rf"(?m)^{kind} = {limits[kind]}\b", f"{kind} = {smaller}", text)
        path.write_text(text, encoding="utf-8")
    return bool(grown)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
