"""How many times as fast a variant is as its baseline, and how certain that is.

In: the rounds of two variants that took turns. Whatever slows the machine for a while slows both
rounds of a pair, and cancels in their ratio. Out: the median of the ratios, and an interval of the
true median.

The interval is that of the sign test: from the k-th smallest to the k-th largest ratio, with the
greatest k that the confidence allows (Conover, Practical Nonparametric Statistics, 3.2; the same as
`scipy.stats.quantile_test`). It is exact for ratios of any distribution, because each lies above
the true median with probability 1/2. A percentile bootstrap of the median is not exact: asked for
95 %, it reaches 88 % with 7 pairs, 96 % with 15 and 93 % with 31, because it knows only the values
that were seen. No random numbers are drawn, so the same rounds give the same interval.

The interval leaves out two things. It assumes that the ratios of neighbouring rounds are
independent: with a correlation of 0.5, 95 % become 84 % for 15 pairs. And it knows only the
processes that ran. A variant that runs twice ("#2") shows both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from parity.bench.result import OK, SECONDS, UNITS, Ratio, Row

CONFIDENCE = 0.95
REFERENCE_PRECISION = "fp32"  # of the baseline, if rows are compared across precisions

# Low, because there are many rows: one of 200 rows without a trend is warned about.
DRIFT_ALPHA = 0.005
MIN_DRIFT_ROUNDS = 6  # 5 in perfect order have p = 0.017
MAX_DRIFT_ROUNDS = 500  # more rounds are thinned out evenly


def median_interval(
    values: Sequence[float], confidence: float = CONFIDENCE
) -> tuple[float, float, float]:
    """Returns an interval of the true median: low, high, and its confidence.

    Args:
        values: at least one.
        confidence: requested confidence, in (0, 1). The interval has at least that, usually more.
            With fewer than 6 values even the whole range has less than 0.95; then the interval is
            the range: 0.94 with 5 values, 0.88 with 4, 0.75 with 3, 0.5 with 2, and 0 with one.

    Raises:
        ValueError: no value, values that are not finite, a confidence out of range.
    """
    array = _values("values", values)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence!r}: expected a number in (0, 1)")
    rank, reached = _rank(len(array), confidence)
    ordered = np.sort(array)
    return float(ordered[rank - 1]), float(ordered[-rank]), reached


def paired_ratio(
    values: Sequence[float],
    baseline: Sequence[float],
    unit: str,
    *,
    confidence: float = CONFIDENCE,
) -> Ratio:
    """Returns how many times as fast a variant is as its baseline.

    Args:
        values: rounds of the variant, above 0.
        baseline: rounds of the baseline, each measured right before or after its partner.
        unit: one of UNITS; of "s", less is faster.
        confidence: see `median_interval`. `Ratio.confidence` is the confidence that was reached.

    Raises:
        ValueError: no pair, unequal lengths, values that are no positive finite numbers, an unknown
            unit, a confidence out of range.
    """
    x, y = _values("values", values), _values("baseline", baseline)
    if len(x) != len(y):
        raise ValueError(f"{len(x)} values and {len(y)} of the baseline: expected pairs")
    for name, array in (("values", x), ("baseline", y)):
        if not (array > 0).all():
            raise ValueError(f"{name} has {array.min():g}: expected numbers above 0")
    if unit not in UNITS:
        raise ValueError(f"unit={unit!r}: expected one of {', '.join(map(repr, UNITS))}")
    with np.errstate(over="ignore"):  # an infinite ratio is refused below
        ratios = y / x if unit == SECONDS else x / y
    low, high, reached = median_interval(ratios.tolist(), confidence)
    return Ratio(float(np.median(ratios)), low, high, reached, len(ratios))


def with_ratios(rows: Sequence[Row], baseline: str, *, across_precision: bool = False) -> list[Row]:
    """Returns the rows, each compared with the baseline of its part, batch size and precision.

    A row gets no ratio and no baseline if it or the baseline is not "ok" or has no values, or if it
    is the baseline itself.

    Args:
        rows: rows of a benchmark.
        baseline: name of the variant to compare with.
        across_precision: compare a row that has no baseline of its own precision with the baseline
            in fp32, which is then named "keras (fp32)".

    Raises:
        ValueError: two rows of the baseline for one cell; rounds that have no partner.
    """
    references: dict[tuple[str, int, str], Row] = {}
    for row in rows:
        if row.variant == baseline and _is_measured(row):
            if (cell := (row.part, row.batch_size, row.precision)) in references:
                raise ValueError(f"{row.key} stands twice: expected one row of the baseline a cell")
            references[cell] = row
    compared = []
    for row in rows:
        name = baseline
        reference = references.get((row.part, row.batch_size, row.precision))
        if reference is None and across_precision:
            name = f"{baseline} ({REFERENCE_PRECISION})"
            reference = references.get((row.part, row.batch_size, REFERENCE_PRECISION))
        if reference is None or reference is row or not _is_measured(row):
            compared.append(replace(row, baseline=None, ratio=None))
            continue
        if row.unit != reference.unit:
            raise ValueError(f"{row.key} is in {row.unit}, its baseline in {reference.unit}")
        try:
            ratio = paired_ratio(row.values, reference.values, row.unit)
        except ValueError as error:
            raise ValueError(f"{row.key}: {error}") from None
        compared.append(replace(row, baseline=name, ratio=ratio))
    return compared


def drift(values: Sequence[float]) -> float | None:
    """Returns the share by which the rounds grew or shrank from the first to the last.

    A trend counts if Kendall's test finds one (p < 0.005). Its size is that of a line whose slope
    is the median of the slopes of all pairs of rounds (Theil and Sen), so that a few slow rounds do
    not change it.

    Args:
        values: values of the rounds, in order, above 0.

    Returns:
        0.1 for values that grew by a tenth of their median; None if there is no trend. Fewer than 6
        rounds cannot show one.

    Raises:
        ValueError: values that are not finite.
    """
    if len(values) < MIN_DRIFT_ROUNDS:
        return None
    array = _values("values", values)
    count = min(len(array), MAX_DRIFT_ROUNDS)
    rounds = np.round(np.linspace(0, len(array) - 1, count)).astype(np.int64)
    array = array[rounds]
    middle = float(np.median(array))
    if not middle or (array == array[0]).all():
        return None
    from scipy import stats  # it takes longer to import than the rest of the report

    if not stats.kendalltau(rounds, array).pvalue < DRIFT_ALPHA:
        return None
    slope = stats.theilslopes(array, rounds).slope
    return float(slope * (rounds[-1] - rounds[0]) / middle)


def _rank(n: int, confidence: float) -> tuple[int, float]:
    """The greatest k whose interval has the confidence, or 1; and the confidence that it has.

    The true median lies below the k-th smallest of n values if fewer than k of n fair coins show
    heads.
    """
    below, rank, reached = 1, 1, 1 - 2 * 0.5**n  # below: ways of fewer than `rank` coins
    ways = 1  # of exactly rank - 1
    for k in range(2, n // 2 + 1):
        ways = ways * (n - k + 2) // (k - 1)
        below += ways
        found = 1 - 2 * below / 2**n
        if found < confidence:
            break
        rank, reached = k, found
    return rank, max(reached, 0.0)


def _is_measured(row: Row) -> bool:
    return row.status == OK and bool(row.values)


def _values(name: str, values: Sequence[float]) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not len(array):
        raise ValueError(f"{name}: expected at least one number")
    if not np.isfinite(array).all():
        wrong = array[~np.isfinite(array)][0]
        raise ValueError(f"{name} has {wrong:g}: expected finite numbers")
    return array
