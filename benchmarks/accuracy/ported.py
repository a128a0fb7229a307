"""`parity port` of many programs: what is written, is it clean, and does it compute the same.

    python benchmarks/accuracy/ported.py
    python benchmarks/accuracy/ported.py networks --only vit cct
    python benchmarks/accuracy/ported.py networks --only vit cct --check

Sets are the article's programs, the models of the null matrix, sixty networks in the style of
keras.io, four that a person wrote in torch, too, and keras.applications with small images. Each
package is written in this process. Its row has the lines of model.py, beside those of torchvision
or of that person. Then, in float64, come
the greatest differences from Keras, each relative to the greatest entry: of the initial weights
that train.py draws from seed 42; and, with random weights, of the outputs in eval and in train
mode, dropout included. Outputs may differ by 1e-12, or ten times as much as Keras's own if all
inputs move by their last bit; initial weights by one rounding to float32. A network that needs
more than `--memory` is written, and not run.

`ruff check` (also for E501, UP and B) and `ruff format --check` have to find nothing, and no file
may import Keras or TensorFlow. What was refused has all reasons in its row.

With `--check`, the whole `parity port` runs instead, with its check. The exit code is 1 if a
package is not clean, differs or does not pass; what is refused is counted, and no fault.
"""

from __future__ import annotations

import argparse
import ast
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.ported.programs import ROOT, SETS, Program, programs_of
from parity.errors import InputError, RunError
from parity.halves.job import ChildOptions
from parity.programs.check_spec import CheckSpec
from parity.runs.check_halves import CheckOptions
from parity.runs.port import port_spec

ROUNDED = 1.2e-7  # a weight that was rounded to float32, relative
_RUFF = [sys.executable, "-m", "ruff"]


def unclean(folder: Path) -> str:
    """Returns what ruff finds in a package, and what it imports of Keras; "" if nothing."""
    found = []
    for arguments in (["check", "--extend-select", "E501,UP,B"], ["format", "--check"]):
        command = [*_RUFF, *arguments, "--isolated", "--no-cache", "--quiet", str(folder)]
        done = subprocess.run(
            command, cwd=folder.parent, capture_output=True, text=True, check=False
        )
        if done.returncode:
            found.append(
                f"ruff {arguments[0]}: {' '.join((done.stdout + done.stderr).split())[:200]}"
            )
    for file in sorted(folder.glob("*.py")):
        keras = {"keras", "tensorflow"} & set(_imported(file))
        found += [f"{file.name} imports {name}" for name in sorted(keras)]
    return "; ".join(found)


def _imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def ported(program: Program, folder: Path, memory: float) -> tuple[str, str]:
    """Writes a package in this process; returns the word that is counted, and the row's text."""
    from benchmarks.ported.lines_of_others import lines_of
    from benchmarks.ported.packages import written

    os.environ |= program.environment
    try:
        found = written(program, folder, memory)
    except Exception as error:  # the other rows are to be shown, too
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return "error", f"{type(error).__name__}: {error} ({frame.name}, {frame.lineno})"
    if found.folder is None:
        return "refused", found.problem
    numbers = [f"{found.num_lines:5} lines"]
    if program.is_elsewhere and (lines := lines_of(program.name)):
        numbers.append(f"({_lines_in_classes(found.folder)} in classes; others: {lines})")
    numbers.append(f"initial {found.initial:.0e}")
    numbers += [f"{mode} {each.found:.0e}" for mode, each in found.differences.items()]
    wrong = [mode for mode, each in found.differences.items() if not each.is_equal]
    wrong += ["initial"] if found.initial > ROUNDED else []
    told = [found.problem, *(f"{what} differs" for what in wrong), unclean(found.folder)]
    told = [each for each in told if each]
    left_out = [f"left out: {'; '.join(found.left_out)}"] if found.left_out else []
    text = "  ".join([*numbers, *told, *left_out])
    return ("wrong" if told else "equal" if found.differences else "written"), text


def _lines_in_classes(folder: Path) -> int:
    """Returns the lines of model.py without its imports, as those of others are counted."""
    body = ast.parse((folder / "model.py").read_text("utf-8")).body
    kinds = (ast.ClassDef, ast.FunctionDef)
    return sum((x.end_lineno or 0) - x.lineno + 1 for x in body if isinstance(x, kinds))


def checked(program: Program, folder: Path) -> tuple[str, str]:
    """Runs the whole `parity port`; returns the verdict, and the row's text."""
    os.environ |= program.environment
    spec = CheckSpec(keras=program.keras, folder=str(ROOT))
    options = CheckOptions(children=ChildOptions(workers=1))
    try:
        done = port_spec(spec, folder / f"port_of_{program.name.lower()}", options)
    except InputError as error:
        return "refused", str(error)
    except RunError as error:
        return "error", str(error)
    result = done.result
    told = [unclean(done.folder), *result.errors]
    told += [f"{each['what']}: {each['why']}" for each in result.incomplete]
    if result.first is not None:
        told.append(f"{result.first.level}, {result.first.item.name}")
    if done.left_out:
        told.append(f"left out: {'; '.join(done.left_out)}")
    verdict = "unclean" if unclean(done.folder) and result.verdict == "pass" else result.verdict
    return verdict, "  ".join(each for each in told if each)


def rows(
    given: argparse.Namespace, name: str, folder: Path
) -> Iterator[tuple[str, str, str, float]]:
    """Yields (name, word, text, CPU seconds with those of child processes) of each program."""
    for program in programs_of(name, folder / "programs"):
        if given.only and program.name not in given.only:
            continue
        began = _cpu()
        prepare(program)
        if given.check:
            word, text = checked(program, folder)
        else:
            word, text = ported(program, folder, given.memory)
        gc.collect()
        yield program.name, word, text, _cpu() - began


def prepare(program: Program) -> None:
    """Writes the config that the factory of a network of keras.applications reads."""
    if "PARITY_CONFIG" not in program.environment:
        return
    config = Path(program.environment["PARITY_CONFIG"])
    config.parent.mkdir(parents=True, exist_ok=True)
    name = program.environment["PARITY_NETWORK"]
    command = [sys.executable, "-m", "benchmarks.applications.keras_step", name, str(config.parent)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


def _cpu() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def show(row: Sequence[str | float]) -> None:
    """Prints a row."""
    name, word, text, seconds = row
    print(f"{name:<38}{word:<9}{seconds:5.0f} s  {' '.join(str(text).split())}", flush=True)


def main() -> int:
    """Prints the table and the sums."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sets", nargs="*", help=f"of {', '.join(SETS)}; default: all")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="programs of them")
    parser.add_argument("--check", action="store_true", help="the whole `parity port`")
    parser.add_argument("--memory", type=float, default=6.0, metavar="GB", help="default: 6")
    parser.add_argument("--out", type=Path, help="folder for the packages, which must be new")
    parser.add_argument("--json", type=Path, help="file for the rows")
    given = parser.parse_args()
    if unknown := set(given.sets) - set(SETS):
        parser.error(f"{sorted(unknown)}: expected some of {', '.join(SETS)}")
    warnings.simplefilter("ignore")  # Keras warns of masks that end at a Flatten
    found = []
    with tempfile.TemporaryDirectory(prefix="parity-ported-") as temporary:
        folder = (given.out or Path(temporary)).absolute()
        for name in given.sets or SETS:
            (folder / name).mkdir(parents=True, exist_ok=True)
            for row in rows(given, name, folder / name):
                show(row)
                found.append((name, *row))
    for name in given.sets or SETS:
        counts = Counter(word for each, _, word, *_ in found if each == name)
        print(f"{name}: {sum(counts.values())} programs,", *(f"{n} {w}" for w, n in counts.items()))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1), "utf-8")
    return int(any(word not in ("equal", "written", "refused", "pass") for _, _, word, *_ in found))


if __name__ == "__main__":
    began = time.monotonic()
    code = main()
    print(f"{time.monotonic() - began:.0f} s")
    sys.exit(code)
