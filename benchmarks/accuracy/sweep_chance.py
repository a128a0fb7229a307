"""How often a perfect port passes a sweep: `python benchmarks/accuracy/sweep_chance.py STORE`.

It takes the spread of the pairs from the finished runs of a sweep (its --out). Where a Keras run is
missing, torch's run in mode "seeded" stands for it: it is the same run but for rounding. For each
scenario it prints the number of seeds of the table, the comparison with the least power, and the
number of seeds with which that comparison has the power of --power. Then it simulates whole sweeps:
each seed is one of the measured ones, drawn with replacement, its halves swapped at random, and the
differences are widened by sqrt(n / (n - 1)) for the spread that few seeds lack. Such a port is
perfect, since a swap changes nothing; the rate of "pass" is the chance.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from parity.behaviour.rules import Judgement
from parity.programs.scenarios import BEHAVIOUR, MARGINS
from parity.stats import ALPHA, smallest_n
from parity.sweeps.equivalence import compare
from parity.sweeps.pairs import pair_power
from parity.sweeps.rows import Row
from parity.sweeps.samples import QUANTITIES, Sample, samples_of
from parity.sweeps.store import open_store
from parity.sweeps.sweep import finished_rows

PYTHONS = {"keras": sys.executable, "torch": sys.executable}
Pairs = dict[int, tuple[Judgement, Judgement]]


def pairs_of(store_url: str, num_seeds: int) -> dict[str, Pairs]:
    """Returns the pairs of each scenario that has at least three."""
    store, found = open_store(store_url), {}
    for name, scenario in BEHAVIOUR.items():
        pairs: Pairs = {}
        for seed in range(num_seeds):
            spec = scenario.spec.replace(seed=seed, mode="independent")
            rows = {row.half: row.judgement for row in finished_rows([spec], store, PYTHONS)}
            if "keras" not in rows:
                same = finished_rows([spec.replace(mode="seeded")], store, PYTHONS, ("torch",))
                if same:
                    rows["keras"] = same[0].judgement
            if len(rows) == 2:
                pairs[seed] = rows["keras"], rows["torch"]
        if len(pairs) >= 3:
            found[name] = pairs
    return found


def samples(pairs: Mapping[str, Pairs], margins: str) -> list[Sample]:
    """Returns the comparisons of a sweep of these scenarios."""
    limits = {name: BEHAVIOUR[name].margins_of(margins) for name in pairs}
    return samples_of(pairs, pairs, BEHAVIOUR, limits)


def drawn(pairs: Pairs, seeds: np.ndarray, swaps: np.ndarray) -> Pairs:
    """Returns a perfect port's pairs: measured ones, widened, and swapped or not."""
    names = [attribute for attribute, _ in QUANTITIES.values()]
    width = math.sqrt(len(pairs) / (len(pairs) - 1))
    known, found = list(pairs.values()), {}
    for number, (seed, is_swapped) in enumerate(zip(seeds, swaps, strict=True)):
        a, b = known[seed]
        moved = {}
        for name in names:
            x, y = getattr(a, name), getattr(b, name)
            if x is not None and y is not None:
                moved[name] = x + width * (y - x)
        pair = (a, replace(b, **moved))
        found[number] = pair[::-1] if is_swapped else pair
    return found


def passes(pairs: Mapping[str, Pairs], margins: str, generator: np.random.Generator) -> list[str]:
    """Simulates a sweep; returns what is not equivalent."""
    # The seeds of a remedy are those of the run that it cures, so all draw from common numbers.
    draws, swaps = generator.random(10_000), generator.random(10_000) < 0.5
    rows = []
    for name, known in pairs.items():
        n = BEHAVIOUR[name].num_seeds_of(margins)
        seeds = (draws[:n] * len(known)).astype(int)
        for seed, pair in drawn(known, seeds, swaps[:n]).items():
            for half, judgement in zip(("keras", "torch"), pair, strict=True):
                rows.append(Row(name, seed, half, judgement, 1.0))
    found = compare(rows, BEHAVIOUR, margins=margins)
    if found.verdict == "pass":
        return []
    wrong = [f"{row.scenario} {row.quantity}" for row in found.comparisons]
    wrong = [
        name
        for name, row in zip(wrong, found.comparisons, strict=True)
        if row.verdict != "equivalent"
    ]
    wrong += [f"{row.scenario} verdicts" for row in found.verdicts if not row.agrees]
    return wrong + [
        f"{row.scenario} collapses" for row in found.collapses if row.verdict != "equivalent"
    ]


def main() -> None:
    """Prints the table and the chance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", help="--out of a finished sweep")
    parser.add_argument("--seeds", type=int, default=200, help="use seeds 0 to N-1")
    parser.add_argument("--margins", choices=MARGINS, default="visible")
    parser.add_argument("--power", type=float, default=0.99, help="wanted for each comparison")
    parser.add_argument("--rounds", type=int, default=100, help="simulated sweeps")
    arguments = parser.parse_args()
    pairs = pairs_of(arguments.store, arguments.seeds)
    compared = samples(pairs, arguments.margins)
    product = 1.0
    print(f"{'scenario':<26}{'measured':>8}{'seeds':>7}{'power':>8}  {'weakest':<22}needed")
    for name, known in pairs.items():
        n, rows = BEHAVIOUR[name].num_seeds_of(arguments.margins), []
        for sample in compared:
            if sample.scenario == name:
                sd = float(np.std(np.subtract(sample.keras, sample.torch), ddof=1))
                rows.append((pair_power(sample.margin, sd, n), sample, sd))
        product *= math.prod(power for power, _, _ in rows)
        power, weakest, sd = min(rows, key=lambda row: row[0])
        needed = smallest_n(
            lambda n, sd=sd, margin=weakest.margin: (
                pair_power(margin, sd, n, alpha=ALPHA) >= arguments.power
            )
        )
        print(f"{name:<26}{len(known):>8}{n:>7}{power:>8.3f}  {weakest.quantity:<22}{needed}")
    print(f"{len(compared)} comparisons; product of their powers {product:.3f}")
    generator = np.random.default_rng(1)
    failed = [passes(pairs, arguments.margins, generator) for _ in range(arguments.rounds)]
    chance = sum(not each for each in failed) / max(arguments.rounds, 1)
    print(f"a perfect port passes {chance:.2f} of {arguments.rounds} simulated sweeps")
    for name in sorted({name for each in failed for name in each}):
        print(f"  not equivalent in {sum(name in each for each in failed):>3}: {name}")


if __name__ == "__main__":
    main()
