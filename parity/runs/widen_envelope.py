"""Widening the envelope: is a float32 difference beyond it a divergence, or still rounding?

A run leaves the envelope of k others by chance with probability 1 / (k + 1): it may be the first in
which rounding turns a comparison. So before a difference is called a divergence, more perturbed
runs of the reference are tried, only as far as the epoch in question, until one goes as far off or
there are enough of them. The one that does is then run in full, since it shows what comes after.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from parity.ladder.compare import absolute_difference
from parity.traces.folder import RunFolder
from parity.traces.trace import Trace

if TYPE_CHECKING:
    from parity.halves.job import ChildJob, Failure
    from parity.runs.pair import LadderComparison, Pair

# After this many a false alarm is left in about one run of seventy.
MAX_PERTURBATIONS = 68
PERTURBATIONS_A_ROUND = 16


def widen_envelope(
    pair: Pair,
    comparison: LadderComparison,
    run: Callable[[Sequence[ChildJob]], list[Failure]],
    *,
    workers: int,
) -> LadderComparison:
    """Widens the envelope of a pair as far as further perturbed runs widen it.

    Args:
        pair: whose children have finished.
        comparison: of the pair with the perturbed runs that it has.
        run: carries out jobs.
        workers: into how many jobs the runs of a round are dealt.

    Returns:
        The comparison with what was found; `pair.failures` grows if a job fails.
    """
    short: list[Path] = []
    while (outlier := comparison.first_outlier) is not None:
        if outlier.num_compared == 0:  # another shape is not a matter of noise
            break
        first = 1 + max(_number(path) for path in [*pair.perturbed, *short])
        if first > MAX_PERTURBATIONS:
            break
        numbers = range(first, min(first + PERTURBATIONS_A_ROUND, MAX_PERTURBATIONS + 1))
        epochs = min((outlier.epoch or 0) + 1, pair.spec.epochs)
        found = [pair.perturbed_run(number, epochs=epochs) for number in numbers]
        jobs = [
            pair.perturbed_job(found[deal::workers]) for deal in range(min(workers, len(found)))
        ]
        pair.failures += run(jobs)
        if pair.failures:
            break
        short += found
        comparison = pair.compare(short)
        left = comparison.first_outlier
        if left is not None and (left.step or 0) <= (outlier.step or 0):
            continue  # none of them: try others
        farthest = _farthest(pair, short, outlier.step or 0)
        short.remove(farthest)
        shutil.rmtree(farthest)
        whole = pair.perturbed_run(_number(farthest))
        pair.failures += run([pair.perturbed_job([whole])])
        if pair.failures:
            break
        pair.perturbed.append(whole)
        comparison = pair.compare(short)
    return comparison


def _number(path: Path) -> int:
    return RunFolder(path).perturbation


def _farthest(pair: Pair, paths: Sequence[Path], step: int) -> Path:
    """The run that is farthest from the reference at the first recorded step from `step` on."""
    base = Trace(pair.folder.half("keras").path)
    recorded = next(number for number in base.numbers("trajectory") if number >= step)

    def distance(path: Path) -> float:
        run = Trace(path)
        keys = [f"trajectory/{recorded}/{n}" for n in base.names(f"trajectory/{recorded}")]
        if any(key not in run for key in keys):
            return -1.0  # shorter than that
        return max(float(absolute_difference(base[key], run[key]).max()) for key in keys)

    return max(paths, key=distance)
