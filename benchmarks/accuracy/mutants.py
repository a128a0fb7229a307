"""Would the tests notice? python benchmarks/accuracy/mutants.py

The modules that judge are changed, one small change at a time: a comparison, a sign, a number, an
`and`, a `not`, a loop that never runs. After each change the tests of the module run; one of them
fails if they notice. Mutants that compute the same are listed in EQUIVALENT, with the reason.

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

ROOT = Path(__file__).resolve().parents[2]
LADDER, SWEEPS, BEHAVIOUR = "tests/parity/ladder", "tests/parity/sweeps", "tests/parity/behaviour"

_ANCHORS = ("anchors", "anchor_folder", "perturbation")
_LEVELS = ("run_training", "run_endings", "run_probes", "run_anchors", "run_incomplete")
_LEVELS += ("probe_levels",)
_TRAINED = [f"{LADDER}/test_{name}.py" for name in _LEVELS]
# Modules that judge, and their tests.
MODULES = {
    "parity/ladder/compare.py": [f"{LADDER}/test_compare.py"],
    "parity/ladder/items.py": [f"{LADDER}/test_result.py", f"{LADDER}/test_engine.py"],
    "parity/ladder/engine.py": [f"{LADDER}/test_engine.py"],
    "parity/ladder/anchored.py": [f"{LADDER}/test_anchored.py", f"{LADDER}/test_run_anchors.py"],
    "parity/ladder/comparers/anchors.py": [f"{LADDER}/test_run_anchors.py"],
    "parity/ladder/decisions.py": [f"{LADDER}/test_decisions.py", f"{LADDER}/test_run_anchors.py"],
    "parity/ladder/drift.py": [f"{LADDER}/test_drift.py"],
    "parity/ladder/rounding.py": [f"{LADDER}/test_rounding.py", f"{LADDER}/test_recorded.py"],
    "parity/ladder/comparers/trajectory.py": _TRAINED,
    "parity/ladder/comparers/schedule.py": _TRAINED,
    "parity/ladder/comparers/behaviour.py": _TRAINED,
    "parity/traces/anchors.py": [f"tests/parity/traces/test_{name}.py" for name in _ANCHORS],
    "parity/traces/anchored_steps.py": ["tests/parity/traces/test_anchored_steps.py"],
    "parity/behaviour/rules.py": [f"{BEHAVIOUR}/test_rules.py", f"{BEHAVIOUR}/test_signs.py"],
    "parity/behaviour/signs.py": [f"{BEHAVIOUR}/test_signs.py", f"{BEHAVIOUR}/test_rules.py"],
    "parity/behaviour/curves.py": [f"{BEHAVIOUR}/test_curves.py", f"{BEHAVIOUR}/test_rules.py"],
    "parity/sweeps/equivalence.py": [
        f"{SWEEPS}/test_equivalence.py",
        f"{SWEEPS}/test_collapses.py",
        f"{SWEEPS}/test_sweep_agreement.py",
    ],
    "parity/sweeps/samples.py": [f"{SWEEPS}/test_sweep_samples.py"],
    "parity/sweeps/seeds.py": [f"{SWEEPS}/test_sweep_seeds.py"],
    "parity/sweeps/unfinished.py": [f"{SWEEPS}/test_unfinished.py"],
    "parity/sweeps/groups.py": ["tests/parity/sweeps/test_sweep_groups.py"],
    "parity/sweeps/swaps.py": [f"{SWEEPS}/test_swaps.py", f"{SWEEPS}/test_equivalence.py"],
    "parity/sweeps/collapses.py": [f"{SWEEPS}/test_collapses.py"],
    "parity/sweeps/agreement.py": [f"{SWEEPS}/test_sweep_agreement.py"],
    "parity/sweeps/store.py": [f"{SWEEPS}/test_store.py"],
}

# (module, the changed line without spaces at its ends): why it computes the same.
EQUIVALENT: dict[tuple[str, str], str] = {
    (
        "parity/ladder/compare.py",
        'unit = "rel" if scale != 1 else "abs"',
    ): "a scale is at least 1",
    (
        "parity/ladder/items.py",
        "return self.num_compared != 0 and self.worst <= self.allowed",
    ): "a number of values is not negative",
    (
        "parity/ladder/items.py",
        "return FAIL if self.role <= DECIDES else DIFFERS",
    ): "no other role sorts before it",
    (
        "parity/ladder/items.py",
        "if self.worst <= 0 and self.allowed >= 0:",
    ): "a difference is not negative",
    (
        "parity/ladder/items.py",
        "deciding = [item for item in self.items if item.role <= DECIDES]",
    ): "no other role sorts before it",
    (
        "parity/ladder/items.py",
        "return min(telling, key=lambda item: - 2 if item.step is None else item.step)",
    ): "a step is not negative",
    (
        "parity/ladder/items.py",
        "return min(telling, key=lambda item: ~1 if item.step is None else item.step)",
    ): "a step is not negative",
    (
        "parity/ladder/engine.py",
        "failed[row.id] = row.id if level.status <= FAIL and stops else before",
    ): "no other status sorts before it",
    (
        "parity/ladder/anchored.py",
        'names = keras.names(f"anchored/{steps[ -1]}/{FLOAT32}") if steps else ()',
    ): "every anchor has the same weights",
    (
        "parity/ladder/anchored.py",
        "same = np.isnan(half[rounded]) & np.isnan(half[exact]) ^ (half[rounded] == half[exact])",
    ): "NaN equals nothing",
    (
        "parity/ladder/anchored.py",
        "same = np.isnan(half[rounded]) & np.isnan(half[exact]) + (half[rounded] == half[exact])",
    ): "the sum of two truths is their `or`, and NaN equals nothing",
    (
        "parity/ladder/anchored.py",
        "return max(floor, NOISE_FACTOR * float(np.nanmax(near, initial= -1.0)))",
    ): "less than the floor is the floor",
    (
        "parity/ladder/comparers/anchors.py",
        'after = "after one step" if number <= "1" else f"after {number} steps"',
    ): "steps are counted from 1",
    (
        "parity/ladder/comparers/anchors.py",
        'f"in the median of {2 * NUM_NEIGHBOURS ^ 1} states"',
    ): "1 more than an even number",
    (
        "parity/ladder/comparers/anchors.py",
        'f"in the median of {2 * NUM_NEIGHBOURS | 1} states"',
    ): "1 more than an even number",
    (
        "parity/ladder/comparers/anchors.py",
        'if kind >= "slots":',
    ): "only the validation sorts behind slots, and its item names no weight",
    (
        "parity/ladder/decisions.py",
        "best, wait, cooldown = None, 1, 0",
    ): "the first loss is the best so far, and ends the waiting",
    (
        "parity/ladder/decisions.py",
        "best, wait, cooldown = None, -1, 0",
    ): "the first loss is the best so far, and ends the waiting",
    (
        "parity/ladder/decisions.py",
        "best, wait, cooldown = None, 0, 1",
    ): "the first loss is the best so far, so no cooldown of one epoch holds it up",
    (
        "parity/ladder/decisions.py",
        "if cooldown != 0:",
    ): "a cooldown is not negative",
    (
        "parity/ladder/decisions.py",
        "elif cooldown <= 0:",
    ): "a cooldown is not negative",
    (
        "parity/ladder/decisions.py",
        "if wait == rule.patience and rate > np.float32(rule.min_lr):",
    ): "waiting ends with a cut, unless the rate is at its least for good",
    (
        "parity/ladder/decisions.py",
        "best, best_epoch, wait = None, num_trained - 1, 1",
    ): "the first loss is the best so far, and ends the waiting",
    (
        "parity/ladder/decisions.py",
        "best, best_epoch, wait = None, num_trained - 1, -1",
    ): "the first loss is the best so far, and ends the waiting",
    (
        "parity/ladder/decisions.py",
        "if margin >= 0:",
    ): "no call is closer than one by 0",
    (
        "parity/ladder/rounding.py",
        "measured = float(noise.get(key, -1.0))",
    ): "less than the floor is the floor",
    (
        "parity/ladder/rounding.py",
        'if part > "trajectory" or name not in weights:',
    ): "no array of another part has the name of a weight behind two slashes",
    (
        "parity/ladder/comparers/trajectory.py",
        "difference = difference / np.maximum(1, np.where(np.isfinite(a), np.abs(a), 2))",
    ): "from infinity all is 0 or infinitely far",
    (
        "parity/ladder/comparers/trajectory.py",
        "difference = difference / np.maximum(1, np.where(np.isfinite(a), np.abs(a), 0))",
    ): "from infinity all is 0 or infinitely far",
    (
        "parity/ladder/comparers/schedule.py",
        'exact = keras["schedule/exact"] if unit >= "step" and "schedule/exact" in keras '
        "else theirs",
    ): "the other unit is the epoch, which sorts before it",
    (
        "parity/ladder/comparers/schedule.py",
        "most = MOST_RATE_ROUNDING * float(np.abs(theirs).max(initial= -1.0))",
    ): "without rates there is nothing to round",
    (
        "parity/ladder/comparers/behaviour.py",
        "if items and all(item.status >= PASS for item in items):",
    ): "an item that decides passes or fails, which sorts before it",
    (
        "parity/traces/anchors.py",
        'return spec.dtype <= "float32" or num_steps > MOST_STEPS_IN_FLOAT64',
    ): "there are two dtypes",
    (
        "parity/traces/anchors.py",
        "most = max(LEAST, MOST_BYTES // max( 2, state_bytes)) // len(offsets)",
    ): "a state has more than a byte, or none",
    (
        "parity/traces/anchors.py",
        "steps = sorted(step for step in found if step != epochs * steps_per_epoch)",
    ): "only the second step may be none of the run, if this has one",
    (
        "parity/traces/anchors.py",
        "first = [step for step in steps if step % steps_per_epoch <= 0]",
    ): "a remainder is not negative",
    (
        "parity/traces/anchors.py",
        "if len(values) < most:",
    ): "as many values as there are, evenly spread, are all",
    (
        "parity/traces/anchored_steps.py",
        "if len(self._losses) >= self.num_steps:",
    ): "no step is made after the last",
    (
        "parity/traces/anchored_steps.py",
        "if len(self._losses) <= self.num_steps:",
    ): "what is kept too early is replaced after the last step",
    (
        "parity/behaviour/rules.py",
        "if curves.num_epochs <= 0:",
    ): "a number of epochs is not negative",
    (
        "parity/behaviour/rules.py",
        'is_missing = key >= "val_loss" and not finite(val_accuracy[epoch : epoch + 1])',
    ): "no other key sorts behind it",
    (
        "parity/behaviour/rules.py",
        "if len(loss) < 1:",
    ): "a single loss is not twice itself",
    (
        "parity/behaviour/rules.py",
        "if curves.is_eval and val - train > max(MAX_GAP, curves.gap_error or -1.0):",
    ): "less than the limit is the limit",
    (
        "parity/behaviour/rules.py",
        "if running is None and val is None or loss is None or val_loss is None:",
    ): "both accuracies are known there",
    (
        "parity/behaviour/rules.py",
        "is_falling = bool(measured) and min(measured) > LEARNS",
    ): "no difference from 1 is 0.1 in binary",
    (
        "parity/behaviour/rules.py",
        "if curves.num_epochs != 1:",
    ): "a history without an epoch has no gap",
    (
        "parity/behaviour/rules.py",
        "if gap > max(MAX_GAP, error or -1.0) + ROUNDING:",
    ): "less than the limit is the limit",
    (
        "parity/behaviour/rules.py",
        "if gap > max(MAX_GAP_RISING, error or -1.0) and rise is not None and rise > RISE:",
    ): "less than the limit is the limit",
    (
        "parity/behaviour/signs.py",
        "return column[-1] - column[-1 ^ max(1, len(column) // 4)]",
    ): "-1 ^ n is -1 - n",
    (
        "parity/behaviour/curves.py",
        "if len(loss) < 1 or not all(map(math.isfinite, loss)):",
    ): "a single loss has not fallen, which the next rule says",
    (
        "parity/sweeps/equivalence.py",
        'is_undecided = self.verdict >= "inconclusive" and not self.has_diverged',
    ): "no other verdict sorts behind it",
    (
        "parity/sweeps/equivalence.py",
        "if len(halves) >= 2",
    ): "there are two halves",
    (
        "parity/sweeps/equivalence.py",
        'found = _Tests(pairs, scenarios, limits, mode >= "seeded", alpha)',
    ): "there are two modes",
    (
        "parity/sweeps/equivalence.py",
        'return "pass" if comparisons and found == {"agree", "equivalent"} else "inconclusive"',
    ): "with a comparison there are verdicts of both kinds",
    (
        "parity/sweeps/equivalence.py",
        "p = 2.0 if is_other or sample.has_diverged else test.p",
    ): "it is above any level",
    (
        "parity/sweeps/equivalence.py",
        "/,",
    ): "they are given by name",
    (
        "parity/sweeps/samples.py",
        'and any(run.verdict <= "diverged" for pair in seeds.values() for run in pair)',
    ): "no other verdict sorts before it",
    (
        "parity/sweeps/seeds.py",
        "return self.missing <= 0 and self.needed == 0",
    ): "a number of seeds is not negative",
    (
        "parity/sweeps/unfinished.py",
        "and found.keys() ^ lacking == plan.keys.keys()",
    ): "a run has a result or lacks it",
    (
        "parity/sweeps/unfinished.py",
        'modes |= {run.spec.mode} if half >= "torch" else set()',
    ): "there are two halves",
    (
        "parity/sweeps/groups.py",
        "@functools.lru_cache(maxsize= 9)",
    ): "a cache changes no result",
    (
        "parity/sweeps/groups.py",
        "@functools.lru_cache(maxsize= 7)",
    ): "a cache changes no result",
    (
        "parity/sweeps/groups.py",
        "if math.comb(total, n) < NUM_DEALS:",
    ): "no number of ways is a power of 2 above 2",
    (
        "parity/sweeps/groups.py",
        "values = values + values.mean()  # a smaller rounding error",
    ): "each way deals as many runs, and so adds as much",
    (
        "parity/sweeps/groups.py",
        "if error <= 0:",
    ): "a standard error is not negative",
    (
        "parity/sweeps/groups.py",
        "if sd <= 0:",
    ): "a standard deviation is not negative",
    (
        "parity/sweeps/groups.py",
        "has_spread = total != 0",
    ): "a variance is not negative",
    (
        "parity/sweeps/groups.py",
        "margin: float, sd: float, n: int, /, difference: float = 0.0, alpha: float = ALPHA",
    ): "they are given by name",
    (
        "parity/sweeps/groups.py",
        "margin: float, sd: float, /, alpha: float = ALPHA, power: float = POWER",
    ): "they are given by name",
    (
        "parity/sweeps/swaps.py",
        "_ROWS = 513  # at a time: with all choices a few tens of megabytes",
    ): "rows are tested each on its own",
    (
        "parity/sweeps/swaps.py",
        "_ROWS = 511  # at a time: with all choices a few tens of megabytes",
    ): "rows are tested each on its own",
    (
        "parity/sweeps/swaps.py",
        "shares = np.mean(least < p[0, order] * (1 + 1e-7), axis=0)",
    ): "no p value is exactly so much greater",
    (
        "parity/sweeps/swaps.py",
        "return np.asarray(np.minimum(1, 2 * bdtr((num - sums) / 2, num, 0.5)))",
    ): "both are even, or both are odd",
    (
        "parity/sweeps/swaps.py",
        "variance = np.where(variance >= _ROUNDING * squares / n, variance, 0.0)",
    ): "0 is 0",
    (
        "parity/sweeps/swaps.py",
        "@functools.lru_cache(maxsize= 5)  # of 90 MB each where margins are strict",
    ): "a cache changes no result",
    (
        "parity/sweeps/swaps.py",
        "@functools.lru_cache(maxsize= 3)  # of 90 MB each where margins are strict",
    ): "a cache changes no result",
    (
        "parity/sweeps/collapses.py",
        "return self.keras | self.torch > 0",
    ): "numbers of runs: either is above 0",
    (
        "parity/sweeps/collapses.py",
        "return self.keras + self.torch != 0",
    ): "a number of runs is not negative",
    (
        "parity/sweeps/collapses.py",
        "return smallest_n(lambda n: _width(n * share, n, ALPHA) <= self.margin)",
    ): "no exact interval is as wide as a margin",
    (
        "parity/sweeps/collapses.py",
        "if self.keras_diverged | self.torch_diverged:",
    ): "numbers of runs: either is above 0",
    (
        "parity/sweeps/collapses.py",
        'needed = self.needed if self.verdict >= "inconclusive" else 0',
    ): "no other verdict sorts behind it",
    (
        "parity/sweeps/collapses.py",
        'needed = self.needed if self.verdict == "inconclusive" else 1',
    ): "there is one seed at least",
    (
        "parity/sweeps/collapses.py",
        'needed = self.needed if self.verdict == "inconclusive" else -1',
    ): "there is one seed at least",
    (
        "parity/sweeps/collapses.py",
        'if judgement.verdict <= "diverged":',
    ): "no other verdict sorts before it",
    (
        "parity/sweeps/collapses.py",
        'diverged = [sum(run.verdict <= "diverged" for run in runs) for runs in halves]',
    ): "no other verdict sorts before it",
    (
        "parity/sweeps/collapses.py",
        "is_shown = sum(counts) <= 0 or (low > -margin and high < margin)",
    ): "a number of runs is not negative",
    (
        "parity/sweeps/collapses.py",
        "is_shown = sum(counts) == 0 or (low >= -margin and high < margin)",
    ): "no exact interval ends at a margin",
    (
        "parity/sweeps/collapses.py",
        "is_shown = sum(counts) == 0 or (low > -margin and high <= margin)",
    ): "no exact interval ends at a margin",
    (
        "parity/sweeps/collapses.py",
        "low = float(betaincinv(k, n - k + 1, alpha / 2)) if k != 0 else 0.0",
    ): "a number of pairs is not negative",
    (
        "parity/sweeps/collapses.py",
        "high = float(betaincinv(k + 1, n - k, 1 - alpha / 2)) if k != n else 1.0",
    ): "k is n at most",
    (
        "parity/sweeps/collapses.py",
        "/,",
    ): "they are given by name",
    (
        "parity/sweeps/agreement.py",
        'return self.verdict <= "agree"',
    ): "no other verdict sorts before it",
    (
        "parity/sweeps/agreement.py",
        "return min(counts, key=lambda verdict: (~counts[verdict], verdict))",
    ): "~n sorts as -n",
    (
        "parity/sweeps/agreement.py",
        "noise = run.gap_error or -1.0",
    ): "less than the limit is the limit",
    (
        "parity/sweeps/agreement.py",
        "/,",
    ): "they are given by name",
    (
        "parity/sweeps/store.py",
        'temporary = f"{path}.{secrets.token_hex( 9)}.part"  # hosts may share process IDs',
    ): "a name that no other host draws",
    (
        "parity/sweeps/store.py",
        'temporary = f"{path}.{secrets.token_hex( 7)}.part"  # hosts may share process IDs',
    ): "a name that no other host draws",
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
    """Runs the tests of a module in a copy of the project that has the mutant in its place."""
    path = checkout / mutant.module
    kept = path.read_text(encoding="utf-8")
    path.write_text(mutant.source, encoding="utf-8")
    command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    environment = os.environ | {"PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        ended = subprocess.run(
            [*command, *MODULES[mutant.module]],
            cwd=checkout,
            env=environment,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True
    finally:
        path.write_text(kept, encoding="utf-8")
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
