"""How often Keras differs from itself: `python benchmarks/accuracy/false_alarms.py STORE`.

This is an A/A test of the statistics of `parity sweep` on real runs. It splits the Keras runs of a
finished sweep at random into two groups with different seeds, and compares them as Keras and torch
are compared, scenario by scenario, many times. Every "different", and every set of contradictory
verdicts, is a false alarm. It also prints how often a plain t-test at 5 % finds a difference: if
that is not about 5 %, the groups were not split fairly.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from parity.programs.scenarios import BEHAVIOUR
from parity.sweeps.equivalence import compare
from parity.sweeps.rows import Row
from parity.sweeps.samples import QUANTITIES
from parity.sweeps.store import open_store
from parity.sweeps.sweep import finished_rows


def rows_of(store_url: str, seeds: range) -> list[Row]:
    """Returns the finished Keras runs of all causes and remedies."""
    specs = [scenario.spec.replace(seed=seed) for scenario in BEHAVIOUR.values() for seed in seeds]
    return finished_rows(specs, open_store(store_url), {"keras": sys.executable}, ("keras",))


def dealt(rows: list[Row], generator: np.random.Generator) -> list[Row]:
    """Pairs different seeds and calls one of each pair torch; the same pairs for all scenarios."""
    seeds = generator.permutation(sorted({row.seed for row in rows}))
    half = len(seeds) // 2
    place = {seed: (number % half, number < half) for number, seed in enumerate(seeds[: 2 * half])}
    return [
        replace(row, seed=place[row.seed][0], half="keras" if place[row.seed][1] else "torch")
        for row in rows
        if row.seed in place
    ]


def main() -> None:
    """Prints the rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", help="--out of a finished sweep")
    parser.add_argument("--seeds", type=int, default=100, help="use seeds 0 to N-1")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1, help="seed of the random splits")
    arguments = parser.parse_args()
    rows = rows_of(arguments.store, range(arguments.seeds))
    if not rows:
        sys.exit(f"{arguments.store}: no Keras runs of this code and these versions; run the sweep")
    generator = np.random.default_rng(arguments.seed)
    alarms, comparisons, failed, p_values = 0, 0, 0, defaultdict(list)
    for _ in range(arguments.rounds):
        groups = dealt(rows, generator)
        found = compare(groups, BEHAVIOUR)
        alarms += sum(row.verdict == "different" for row in found.comparisons)
        comparisons += len(found.comparisons)
        failed += found.verdict == "fail"
        for name in BEHAVIOUR:
            for quantity, (attribute, _) in QUANTITIES.items():
                a, b = (
                    [getattr(r.judgement, attribute) for r in groups if (r.scenario, r.half) == key]
                    for key in ((name, "keras"), (name, "torch"))
                )
                known = [[v for v in values if v is not None] for values in (a, b)]
                if min(map(len, known)) >= 2 and np.ptp(known[0] + known[1]) > 0:
                    p = stats.ttest_ind(*known, equal_var=False).pvalue
                    p_values[quantity].append(p)
    num_seeds = len({row.seed for row in rows})
    print(f"{len(rows)} Keras runs, {num_seeds} seeds, {arguments.rounds} splits into two groups")
    print(f"false alarms        {alarms} of {comparisons} comparisons ({alarms / comparisons:.2%})")
    print(f"failed sweeps       {failed} of {arguments.rounds} ({failed / arguments.rounds:.2%})")
    for quantity, values in p_values.items():
        share = np.mean(np.array(values) < 0.05)
        print(f"t-test at 5 %, {quantity:<9}{share:.2%} of {len(values)}")


if __name__ == "__main__":
    main()
