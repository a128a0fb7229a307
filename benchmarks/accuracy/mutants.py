"""Would the tests notice? python benchmarks/accuracy/mutants.py

The modules that judge are changed, one small change at a time: a comparison, a sign, a number, an
`and`, a `not`, a loop that never runs. After each change the tests of the module run; one of them
fails if they notice: pytest ends with 1. Any other end, such as that of a missing file, ends the
command. The tests pass without a change first, else no mutant is tried.
equivalent_mutants.py lists those that compute the same, with the reason.

    pip install cosmic-ray
    python benchmarks/accuracy/mutants.py --number 20 --seed 1
    python benchmarks/accuracy/mutants.py parity/ladder/anchored.py --number 0     all mutants of it
"""

from __future__ import annotations

import argparse
import ast
import difflib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from equivalent_mutants import EQUIVALENT

ROOT = Path(__file__).resolve().parents[2]
LADDER, SWEEPS, BEHAVIOUR = "tests/parity/ladder", "tests/parity/sweeps", "tests/parity/behaviour"

_ANCHORS = ("anchors", "anchor_folder", "perturbation")
_LEVELS = ("anchors", "behaviour", "decisions", "flow", "rates", "schedule", "trajectory")
_TRAINED = [f"{LADDER}/test_training_{name}.py" for name in _LEVELS]
_TRAINED += [f"{LADDER}/test_probe_levels.py", f"{LADDER}/test_incomplete_checks.py"]
# Modules that judge, and their tests.
MODULES = {
    "parity/ladder/compare.py": [f"{LADDER}/test_compare.py"],
    "parity/ladder/items.py": [f"{LADDER}/test_result.py", f"{LADDER}/test_engine.py"],
    "parity/ladder/engine.py": [f"{LADDER}/test_engine.py"],
    "parity/ladder/anchored.py": [
        f"{LADDER}/test_anchored.py",
        f"{LADDER}/test_training_anchors.py",
        f"{LADDER}/test_decisions.py",
    ],
    "parity/ladder/comparers/decisions.py": [f"{LADDER}/test_training_anchors.py"],
    "parity/ladder/anchored_tolerance.py": [f"{LADDER}/test_drift.py"],
    "parity/ladder/rounding.py": [f"{LADDER}/test_rounding.py", f"{LADDER}/test_recorded.py"],
    "parity/ladder/comparers/optimizer.py": _TRAINED,
    "parity/ladder/comparers/schedule.py": _TRAINED,
    "parity/ladder/comparers/training.py": _TRAINED,
    "parity/traces/anchors.py": [f"tests/parity/traces/test_{name}.py" for name in _ANCHORS],
    "parity/traces/training_recorder.py": ["tests/parity/traces/test_anchored_steps.py"],
    "parity/behaviour/rules.py": [
        f"{BEHAVIOUR}/test_rules.py",
        f"{BEHAVIOUR}/test_signs.py",
        f"{BEHAVIOUR}/test_curves.py",
    ],
    "parity/behaviour/causes.py": [f"{BEHAVIOUR}/test_signs.py", f"{BEHAVIOUR}/test_rules.py"],
    "parity/sweeps/equivalence.py": [
        f"{SWEEPS}/test_equivalence.py",
        f"{SWEEPS}/test_collapses.py",
        f"{SWEEPS}/test_sweep_agreement.py",
    ],
    "parity/sweeps/pairs.py": [
        f"{SWEEPS}/test_pairs.py",
        f"{SWEEPS}/test_equivalence.py",
        f"{SWEEPS}/test_swaps.py",
    ],
    "parity/stats.py": [
        "tests/parity/test_stats.py",
        f"{SWEEPS}/test_pairs.py",
        "tests/parity/sweeps/test_sweep_groups.py",
    ],
    "parity/sweeps/samples.py": [f"{SWEEPS}/test_sweep_samples.py"],
    "parity/sweeps/result.py": [f"{SWEEPS}/test_sweep_seeds.py"],
    "parity/sweeps/unfinished.py": [f"{SWEEPS}/test_unfinished.py"],
    "parity/sweeps/groups.py": ["tests/parity/sweeps/test_sweep_groups.py"],
    "parity/sweeps/verdicts.py": [
        f"{SWEEPS}/test_collapses.py",
        f"{SWEEPS}/test_sweep_agreement.py",
    ],
    "parity/sweeps/store.py": [f"{SWEEPS}/test_store.py"],
}

# Changes of types, of exceptions and of decorators tell little of what a module computes.
_LEFT_OUT = ("RemoveDecorator", "ExceptionReplacer", "VariableReplacer", "VariableInserter", "NoOp")
# Small integers are the same if they are equal.
_LEFT_OUT += ("ReplaceComparisonOperator_Eq_Is", "ReplaceComparisonOperator_NotEq_IsNot")
TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Mutant:
    """A changed module.

    Attributes:
        module: its path.
        source: its changed text.
        change: the lines that differ.
    """

    module: str
    source: str
    change: tuple[str, ...]

    @property
    def is_equivalent(self) -> bool:
        """Whether it computes what the module computes."""
        added = [line[1:].strip() for line in self.change if line.startswith("+")]
        return any((self.module, line) in EQUIVALENT for line in added)


def computed(source: str) -> str:
    """Returns what a module computes: its tree without types and without checks of its own."""
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if "TYPE_CHECKING" not in ast.unparse(node)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):  # these only find mistakes
            node.keywords = [k for k in node.keywords if k.arg not in ("strict", "frozen")]
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
    return ast.dump(tree)


def mutants(module: str) -> Iterator[Mutant]:
    """Yields every mutant of a module that can be parsed and computes something else."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator, operator_names

    source = (ROOT / module).read_text(encoding="utf-8")
    before = computed(source)
    for name in sorted(operator_names()):
        if name.partition("/")[2] in _LEFT_OUT:
            continue
        operator = get_operator(name)()
        number = sum(
            len(list(operator.mutation_positions(node))) for node in ast_nodes(get_ast(source))
        )
        for occurrence in range(number):
            changed = mutate_code(source, operator, occurrence)
            try:
                is_same = changed is None or computed(changed) == before
            except SyntaxError:
                continue
            if not is_same:
                lines = difflib.unified_diff(source.splitlines(), changed.splitlines(), n=0)
                change = tuple(line for line in lines if line[:3] not in ("---", "+++", "@@ "))
                yield Mutant(module, changed, change)


def drawn(module: str, number: int, seed: int) -> list[Mutant]:
    """Returns some mutants of a module, of different lines as far as there are enough."""
    found = list(mutants(module))
    random.Random(f"{seed} {module}").shuffle(found)
    if not number:
        return found
    by_line: dict[str, list[Mutant]] = {}
    for mutant in found:
        by_line.setdefault(mutant.change[0], []).append(mutant)
    chosen: list[Mutant] = []
    while len(chosen) < min(number, len(found)):
        for left in by_line.values():
            if left and len(chosen) < number:
                chosen.append(left.pop())
    return chosen


def is_killed(mutant: Mutant, checkout: Path) -> bool:
    """Whether the tests of a module fail in a copy of the project with the mutant in its place."""
    path = checkout / mutant.module
    kept = path.read_text(encoding="utf-8")
    path.write_text(mutant.source, encoding="utf-8")
    try:
        return has_failure(mutant.module, checkout)
    except subprocess.TimeoutExpired:
        return True
    finally:
        path.write_text(kept, encoding="utf-8")


def has_failure(module: str, checkout: Path) -> bool:
    """Whether one of the tests of a module fails.

    Raises:
        SystemExit: pytest ended in another way than by its tests.
    """
    command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    environment = os.environ | {"PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run(
        [*command, *MODULES[module]],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    # A mutant that cannot be imported ends the collection with 2, by its own error.
    is_broken = ended.returncode == 2 and "during collection" in ended.stdout
    if ended.returncode not in (0, 1) and not is_broken:
        raise SystemExit(f"{module}: pytest ended with {ended.returncode}\n{ended.stdout[-2000:]}")
    return ended.returncode != 0


def copied(folder: Path) -> Path:
    """Copies what git knows of the project into a folder."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, names.split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    return folder


def judged(module: str, number: int, seed: int) -> tuple[int, int, list[Mutant]]:
    """Returns the numbers of killed and of equivalent mutants, and those that survive."""
    killed, equivalent, survivors = 0, 0, []
    with tempfile.TemporaryDirectory(prefix="parity-mutants-") as name:
        checkout = copied(Path(name))
        if has_failure(module, checkout):
            raise SystemExit(f"{module}: its tests fail without a change; mend them first")
        for mutant in drawn(module, number, seed):
            if mutant.is_equivalent:
                equivalent += 1
            elif is_killed(mutant, checkout):
                killed += 1
            else:
                survivors.append(mutant)
    return killed, equivalent, survivors


def main() -> None:
    """Prints the numbers of every module, and the mutants that survive."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("modules", nargs="*", default=list(MODULES), help="default: all")
    parser.add_argument("--number", type=int, default=20, help="mutants of each module; 0: all")
    parser.add_argument("--seed", type=int, default=1, help="of the draw")
    parser.add_argument("--workers", type=int, default=2, help="modules at a time")
    given = parser.parse_args()
    began, total, num_killed = time.monotonic(), 0, 0
    with ThreadPoolExecutor(given.workers) as pool:
        rows = pool.map(lambda module: judged(module, given.number, given.seed), given.modules)
        for module, (killed, equivalent, survivors) in zip(given.modules, rows, strict=True):
            print(
                f"{module}: {killed} of {killed + len(survivors)} killed, {equivalent} equivalent"
            )
            for mutant in survivors:
                print("\n".join(f"    {line}" for line in mutant.change))
            sys.stdout.flush()
            num_killed, total = num_killed + killed, total + killed + len(survivors)
    rate = num_killed / max(1, total)
    print(f"{num_killed} of {total} killed ({rate:.1%}), {time.monotonic() - began:.0f} s")
    sys.exit(rate < 0.97)


if __name__ == "__main__":
    main()
