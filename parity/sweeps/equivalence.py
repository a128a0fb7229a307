"""Equivalence: whether the two halves behave alike, in pairs of runs or without any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from parity.behaviour.rules import Judgement
from parity.files.ranges import AtLeast0
from parity.stats import ALPHA, Equivalence, Verdict, decide, holm
from parity.sweeps import verdicts
from parity.sweeps.groups import equivalence_of_groups
from parity.sweeps.pairs import (
    equivalence_of_pairs,
    p_of_swapped_counts,
    p_of_swapped_means,
    p_of_t,
    step_down,
)
from parity.sweeps.samples import Sample, level_of, margin_and_scale, quantities_of, samples_of
from parity.sweeps.verdicts import (
    Collapses,
    Pairs,
    ScenarioVerdicts,
    collapses_of,
    counted,
    has_collapsed,
    limits_of_share,
    verdicts_of,
)

if TYPE_CHECKING:
    from parity.programs.scenarios import Judged, Margins
    from parity.sweeps.rows import Row


# --- Equivalence: whether the two halves behave alike over the seeds of a sweep -------------------
#
# Runs of one seed are pairs, because both halves train on the same split. Three things are
# compared, each in a module of its own: the means of the quantities (`samples`, `pairs`), the
# shares of runs that did not train (`collapses`), and the verdicts (`agreement`).
#
# In mode "independent" the margins decide: a difference within them does not count. In mode
# "seeded" the two halves are the same run except for rounding, and rounding has no preferred sign.
# There, any mean difference counts that swaps of the halves (`swaps`) do not explain.
#
# There are many comparisons, and one of many may look different by chance. Therefore the p values
# of a difference are corrected together: those of the swaps by swapping the halves of a seed in all
# comparisons at once (Westfall and Young 1993), those of Student's t by Holm (1979). Equivalence
# needs no correction: a sweep passes only if every comparison is equivalent, so it passes by
# mistake only if all of them are wrong (intersection-union test; Berger 1982).


@dataclass(frozen=True)
class EquivalenceRow:
    """One quantity of one scenario in the two halves.

    Attributes:
        scenario: name of the scenario.
        quantity: "accuracy" (level of validation), "gap" (training - validation), "epochs" (to the
            plateau), "loss" and "val_loss" (levels); "tags_accuracy" (level of validation) for the
            output "tags" of several; for a remedy also "effect on gap" and others.
        against: for an effect, the scenario whose run is cured; else None.
        keras: mean over the Keras runs.
        torch: mean over the torch runs.
        num_left_out: number of seeds with both runs that have no value, or whose run collapsed.
        has_diverged: whether a run diverged; then the halves cannot be equivalent.
        equivalence: test of the pairs, with p, interval, power and the number of seeds needed. Of
            a loss, differences are shares of its mean over the runs of both halves.
        p_different: corrected p value of a difference beyond the margin; in mode "seeded", of any
            difference.
        verdict: "equivalent", "different" or "inconclusive".
    """

    scenario: str
    quantity: str
    against: str | None
    keras: float
    torch: float
    num_left_out: AtLeast0
    has_diverged: bool
    equivalence: Equivalence
    p_different: float
    verdict: Verdict

    @property
    def needed(self) -> int | None:
        """Number of seeds that are needed; None if it is above MAX_N."""
        return self.equivalence.n_needed

    @property
    def lacks_seeds(self) -> bool:
        """Whether it is undecided for want of seeds, and not for another reason."""
        is_undecided = self.verdict == "inconclusive" and not self.has_diverged
        return is_undecided and not self.equivalence.has_enough


@dataclass(frozen=True)
class SweepEquivalence:
    """Whether the halves behave alike.

    Attributes:
        verdict: "fail" if a difference is shown; "pass" if everything is shown to be equivalent;
            otherwise "inconclusive".
        verdicts: one row for each scenario.
        collapses: one row for each scenario.
        comparisons: one row for each quantity.
    """

    verdict: Literal["pass", "fail", "inconclusive"]
    verdicts: tuple[ScenarioVerdicts, ...]
    collapses: tuple[Collapses, ...]
    comparisons: tuple[EquivalenceRow, ...]


def compare(
    rows: Sequence[Row],
    scenarios: Mapping[str, Judged],
    *,
    mode: str = "independent",
    margins: str = "visible",
    missing: Iterable[Mapping[str, Any]] = (),
    alpha: float = ALPHA,
) -> SweepEquivalence:
    """Compares the halves of a sweep.

    Args:
        rows: finished runs; a seed is compared if both halves have run it.
        scenarios: scenarios and programs by name.
        mode: mode of the runs, "seeded" or "independent".
        margins: "visible" or "strict"; see `Scenario.margins_of`.
        missing: scenario and seed of each run without a result.
        alpha: level of all tests together.
    """
    runs: dict[str, dict[int, dict[str, Judgement]]] = {}
    for row in rows:
        runs.setdefault(row.scenario, {}).setdefault(row.seed, {})[row.half] = row.judgement
    pairs = {
        name: {
            seed: (halves["keras"], halves["torch"])
            for seed, halves in sorted(seeds.items())
            if len(halves) == 2
        }
        for name, seeds in runs.items()
    }
    pairs = {name: seeds for name, seeds in pairs.items() if seeds}
    lacking = {(row.scenario, row.seed) for row in rows}
    lacking |= {(str(row["scenario"]), int(row["seed"])) for row in missing}
    num_seeds = Counter(name for name, _ in lacking)
    limits = {name: scenarios[name].margins_of(margins) for name in pairs}
    found = _Tests(pairs, scenarios, limits, mode == "seeded", alpha)
    verdicts = tuple(
        verdicts_of(
            name,
            seeds,
            scenarios[name].expected,
            limits[name],
            num_missing=num_seeds[name] - len(seeds),
            p_different=found.p_verdicts(name),
            alpha=alpha,
        )
        for name, seeds in pairs.items()
    )
    collapsed = tuple(
        collapses_of(
            name,
            seeds,
            scenarios[name].expected,
            margin=limits[name].collapses,
            p_different=found.p_collapses(name),
            alpha=alpha,
        )
        for name, seeds in pairs.items()
    )
    comparisons = found.rows()
    return SweepEquivalence(
        verdict_of(verdicts, collapsed, comparisons), verdicts, collapsed, comparisons
    )


def verdict_of(
    verdicts: Sequence[ScenarioVerdicts],
    collapsed: Sequence[Collapses],
    comparisons: Sequence[EquivalenceRow],
) -> Literal["pass", "fail", "inconclusive"]:
    """Returns the verdict that follows from all rows."""
    found: set[str] = {row.verdict for row in verdicts}
    found |= {row.verdict for row in collapsed} | {row.verdict for row in comparisons}
    if "different" in found:
        return "fail"
    return "pass" if comparisons and found <= {"agree", "equivalent"} else "inconclusive"


class _Tests:
    """All tests of a sweep, whose p values of a difference are corrected together."""

    def __init__(
        self,
        pairs: Mapping[str, Pairs],
        scenarios: Mapping[str, Judged],
        margins: Mapping[str, Margins],
        is_seeded: bool,
        alpha: float,
    ) -> None:
        trained = {
            name: verdicts.trained(seeds, scenarios[name].expected) for name, seeds in pairs.items()
        }
        self._samples = samples_of(pairs, trained, scenarios, margins)
        self._is_seeded, self._alpha = is_seeded, alpha
        counts: dict[tuple[str, str], Mapping[int, int]] = {}
        for name, seeds in pairs.items():
            allowed = None if is_seeded else margins[name]
            signs = {"": verdicts.signs_of_collapses(seeds, scenarios[name].expected)}
            signs |= verdicts.signs_of(seeds, allowed)
            counts |= {(name, kind): each for kind, each in signs.items() if any(each.values())}
        all_seeds = sorted({seed for seeds in pairs.values() for seed in seeds})
        p = self._corrected(all_seeds, list(counts.values()))
        self._p_means = p[: len(self._samples)]
        self._p_counts = dict(zip(counts, p[len(self._samples) :], strict=True))

    def p_collapses(self, scenario: str) -> float:
        """Returns the corrected p value of a difference of the shares of collapsed runs."""
        return self._p_counts.get((scenario, ""), 1.0)

    def p_verdicts(self, scenario: str) -> float:
        """Returns the corrected p value of a difference of the verdicts."""
        return min(
            (p for (name, verdict), p in self._p_counts.items() if name == scenario and verdict),
            default=1.0,
        )

    def rows(self) -> tuple[EquivalenceRow, ...]:
        """Returns the rows of the quantities."""
        return tuple(
            self._row(sample, p) for sample, p in zip(self._samples, self._p_means, strict=True)
        )

    def _row(self, sample: Sample, p_different: float) -> EquivalenceRow:
        keras, torch = sample.scaled
        test = equivalence_of_pairs(keras, torch, sample.margin, self._alpha)
        # Runs that should be the same must not pass as equivalent.
        is_other = self._is_seeded and p_different < self._alpha
        p = 1.0 if is_other or sample.has_diverged else test.p
        return EquivalenceRow(
            scenario=sample.scenario,
            quantity=sample.quantity,
            against=sample.against,
            keras=sum(sample.keras) / len(sample.keras),
            torch=sum(sample.torch) / len(sample.torch),
            num_left_out=sample.num_left_out,
            has_diverged=sample.has_diverged,
            equivalence=test,
            p_different=p_different,
            verdict=decide(p, p_different, self._alpha),
        )

    def _corrected(self, seeds: list[int], counts: list[Mapping[int, int]]) -> list[float]:
        """Returns corrected p values: of the samples first, then of the counts."""
        if not self._samples and not counts:
            return []
        place = {seed: number for number, seed in enumerate(seeds)}
        d = np.full((len(seeds), len(self._samples)), np.nan)
        for column, sample in enumerate(self._samples):
            d[[place[seed] for seed in sample.seeds], column] = np.subtract(*sample.scaled)
        signs = np.zeros((len(seeds), len(counts)))
        for column, each in enumerate(counts):
            signs[[place[seed] for seed in each], column] = list(each.values())
        margins = None if self._is_seeded else np.array([each.margin for each in self._samples])
        swapped = [p_of_swapped_means(d, margins), p_of_swapped_counts(signs)]
        found = [float(p) for p in step_down(np.concatenate(swapped, axis=1))]
        if margins is None:
            return found
        # Student's t as well: differences beyond a margin may be skewed about it.
        by_t = holm([_p_beyond(d[:, column], margin) for column, margin in enumerate(margins)])
        return [max(p, by_t[k]) if k < len(by_t) else p for k, p in enumerate(found)]


def _p_beyond(d: np.ndarray, margin: float) -> float:
    """Returns the p value of Student's t for a mean difference beyond the margin."""
    known = d[np.isfinite(d)]
    return float(p_of_t(np.stack([margin - known, margin + known])).min())


# --------------------------------------------------------------------------------------------------
#
# Whether the halves behave alike where their runs form no pairs, such as logs of other machines.
#
# The quantities, their margins and the three answers are those of `parity.sweeps.equivalence`. Each
# half is a group (`parity.sweeps.groups`). Shares of runs that did not train, and verdicts, are
# compared by Fisher's exact test. The p values of a difference are corrected together (Holm 1979).


Runs = Sequence[Judgement]


def compare_groups(
    rows: Sequence[Row],
    scenarios: Mapping[str, Judged],
    *,
    margins: str = "visible",
    alpha: float = ALPHA,
) -> SweepEquivalence:
    """Compares the halves of a sweep whose runs form no pairs.

    Args:
        rows: finished runs.
        scenarios: scenarios and programs by name.
        margins: "visible" or "strict".
        alpha: level of all tests together.
    """
    found: dict[str, tuple[list[Judgement], list[Judgement]]] = {}
    for row in rows:
        halves = found.setdefault(row.scenario, ([], []))
        halves[row.half == "torch"].append(row.judgement)
    groups = {name: halves for name, halves in found.items() if all(halves)}
    parts = [
        _Group(name, *halves, scenarios[name], scenarios[name].margins_of(margins), alpha)
        for name, halves in groups.items()
    ]
    p = iter(holm([value for part in parts for value in part.p_values]))
    verdicts, collapsed, comparisons = [], [], []
    for part in parts:
        corrected = [next(p) for _ in part.p_values]
        number = len(part.tests)
        comparisons += part.comparisons(corrected[:number])
        collapsed.append(part.collapses(corrected[number]))
        verdicts.append(part.verdicts(min(corrected[number + 1 :])))
    return SweepEquivalence(
        verdict_of(verdicts, collapsed, comparisons),
        tuple(verdicts),
        tuple(collapsed),
        tuple(comparisons),
    )


class _Group:
    """The runs of one scenario in both halves, and the tests of them."""

    def __init__(
        self,
        name: str,
        keras: Runs,
        torch: Runs,
        judged: Judged,
        margins: Margins,
        alpha: float,
    ) -> None:
        self._name, self._halves, self._judged = name, (keras, torch), judged
        self._margins, self._alpha = margins, alpha
        self._lost = [
            [has_collapsed(run, judged.expected) for run in runs] for runs in self._halves
        ]
        trained = [
            [run for run, is_lost in zip(runs, lost, strict=True) if not is_lost]
            for runs, lost in zip(self._halves, self._lost, strict=True)
        ]
        self._counts = tuple(Counter(run.verdict for run in runs) for runs in self._halves)
        self.tests: dict[str, tuple[list[float], list[float], Equivalence]] = {}
        longest = max(run.num_epochs for runs in self._halves for run in runs)
        pairs = dict(enumerate(zip(*trained, strict=False)))
        for quantity in quantities_of(pairs, judged):
            a, b = (
                [v for run in runs if (v := level_of(run, quantity)) is not None]
                for runs in trained
            )
            if min(len(a), len(b)) < 2:
                continue
            sizes = [float(np.mean(np.abs(each))) for each in (a, b)]
            margin, scale = margin_and_scale(quantity, margins, longest, sizes)
            x, y = (list(np.array(each) / scale) for each in (a, b))
            self.tests[quantity] = (a, b, equivalence_of_groups(x, y, margin, alpha))

    @property
    def p_values(self) -> list[float]:
        """Uncorrected p values of a difference: of the quantities, collapses, and each verdict."""
        lost = [sum(each) for each in self._lost]
        names = sorted(set().union(*self._counts))
        return [
            *(test.p_different for _, _, test in self.tests.values()),
            self._fisher(lost[0], lost[1]),
            *(self._fisher(*(counts[name] for counts in self._counts)) for name in names),
        ]

    def comparisons(self, p: Sequence[float]) -> list[EquivalenceRow]:
        """Returns the rows of the quantities.

        Args:
            p: corrected p value of a difference of each.
        """
        is_meant = self._judged.expected == "diverged"
        has_diverged = not is_meant and any(counts["diverged"] for counts in self._counts)
        most = min(map(len, self._halves))
        return [
            EquivalenceRow(
                scenario=self._name,
                quantity=quantity,
                against=None,
                keras=float(np.mean(a)),
                torch=float(np.mean(b)),
                num_left_out=most - min(len(a), len(b)),
                has_diverged=has_diverged,
                equivalence=test,
                p_different=p_different,
                verdict=decide(1.0 if has_diverged else test.p, p_different, self._alpha),
            )
            for (quantity, (a, b, test)), p_different in zip(self.tests.items(), p, strict=True)
        ]

    def collapses(self, p_different: float) -> Collapses:
        """Returns the row of the runs that did not train."""
        counts = [sum(each) for each in self._lost]
        sizes = [len(runs) for runs in self._halves]
        first, second = (
            limits_of_share(k, n, self._alpha) for k, n in zip(counts, sizes, strict=True)
        )
        return counted(
            self._name,
            self._halves,
            self._judged.expected,
            (first[0] - second[1], first[1] - second[0]),
            margin=self._margins.collapses,
            p_different=p_different,
            alpha=self._alpha,
            are_pairs=False,
        )

    def verdicts(self, p_different: float) -> ScenarioVerdicts:
        """Returns the row of the verdicts; no run is near another's, since there are no pairs."""
        keras, torch = self._counts
        is_same = ScenarioVerdicts.most(keras) == ScenarioVerdicts.most(torch)
        return ScenarioVerdicts(
            scenario=self._name,
            expected=self._judged.expected,
            num_seeds=min(map(len, self._halves)),
            num_missing=0,
            keras=dict(keras),
            torch=dict(torch),
            num_same=sum(min(keras[name], torch[name]) for name in keras),
            num_near=0,
            p_different=p_different,
            verdict="different"
            if p_different < self._alpha
            else "agree"
            if is_same
            else "undecided",
        )

    def _fisher(self, keras: int, torch: int) -> float:
        """Returns the p value of Fisher's exact test, two-sided, of two counts of runs."""
        from scipy.stats import fisher_exact

        sizes = [len(runs) for runs in self._halves]
        table = [[keras, sizes[0] - keras], [torch, sizes[1] - torch]]
        return float(fisher_exact(table)[1])
