"""The result of a benchmark as a spreadsheet, CSV.

In: a `BenchResult`, maybe from someone else's file. Out: text in which everything from that file is
plain text: no line break ends a row, and no cell is a formula.
"""

from __future__ import annotations

import csv
import io

from parity.bench.result import BenchResult
from parity.report.lines import plain

# A cell that starts with one of these is a formula; the wide ones count in some languages.
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")

_CSV = (
    *("part", "variant", "batch_size", "precision", "status", "unit", "rounds", "q1"),
    *("median", "q3", "baseline", "ratio", "ratio_low", "ratio_high", "confidence"),
    *("warmup_s", "seconds_to_accuracy", "peak_memory_mb", "parity", "parity_note", "reason"),
)


def to_csv(result: BenchResult) -> str:
    """Returns the result as CSV: a line per row; missing values are empty cells.

    The names of the columns contain the units; the column `unit` has the unit of q1, median and q3.
    A text that a spreadsheet would compute gets a leading apostrophe, and control characters become
    visible text.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_CSV)
    for row in result.rows:
        low, middle, high = row.quartiles() if row.values else (None, None, None)
        ratio = row.ratio
        numbers: dict[str, float | None] = {
            "batch_size": row.batch_size,
            "rounds": len(row.values),
            "q1": low,
            "median": middle,
            "q3": high,
            "ratio": ratio.median if ratio else None,
            "ratio_low": ratio.low if ratio else None,
            "ratio_high": ratio.high if ratio else None,
            "confidence": ratio.confidence if ratio else None,
            "warmup_s": row.warmup_s,
            "seconds_to_accuracy": row.seconds_to_accuracy,
            "peak_memory_mb": row.peak_memory_mb,
        }
        writer.writerow(
            _csv_number(numbers[name]) if name in numbers else _csv_text(getattr(row, name))
            for name in _CSV
        )
    return stream.getvalue()


def _csv_number(value: float | None) -> str:
    return "" if value is None else str(value) if isinstance(value, int) else f"{value:.6g}"


def _csv_text(value: str | None) -> str:
    text = plain(" ".join((value or "").split()))
    return f"'{text}" if text.startswith(_FORMULA) else text
