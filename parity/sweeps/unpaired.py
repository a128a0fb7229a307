"""Whether the halves behave alike where their runs form no pairs, such as logs of other machines.

The quantities, their margins and the three answers are those of `parity.sweeps.equivalence`. Each
half is a group (`parity.sweeps.groups`). Shares of runs that did not train, and verdicts, are
compared by Fisher's exact test. The p values of a difference are corrected together (Holm 1979).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from parity.behaviour.judgement import Judgement
from parity.stats import ALPHA, Equivalence, decide, holm
from parity.sweeps.agreement import ScenarioVerdicts
from parity.sweeps.collapses import Collapses, counted, has_collapsed, limits_of_share
from parity.sweeps.equivalence import EquivalenceRow, SweepEquivalence, verdict_of
from parity.sweeps.groups import equivalence_of_groups
from parity.sweeps.samples import level_of, margin_of, quantities_of

if TYPE_CHECKING:
    from parity.programs.scenarios import Judged, Margins
    from parity.sweeps.rows import Row

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
            margin = margin_of(quantity)
            a, b = (
                [v for run in runs if (v := level_of(run, quantity)) is not None]
                for runs in trained
            )
            if min(len(a), len(b)) < 2:
                continue
            scale = 1.0
            limit = float(getattr(margins, margin))
            if margin == "epochs":
                limit *= longest
            elif margin == "loss":
                scale = float(np.mean([np.mean(np.abs(a)), np.mean(np.abs(b))])) or 1.0
            x, y = (list(np.array(each) / scale) for each in (a, b))
            self.tests[quantity] = (a, b, equivalence_of_groups(x, y, limit, alpha))

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
