"""The result of a benchmark as a page and as a spreadsheet: tables of Markdown, and CSV.

In: a `BenchResult`, maybe from someone else's file. Out: text in which everything from that file is
plain text: no pipe ends a cell, no line break ends a row, and no cell is a formula.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from parity.bench.result import OK, BenchResult, Row
from parity.report.bench_sentences import (
    NONE,
    against,
    cells_of,
    heading,
    legend,
    machine_text,
    number,
    reason_of,
    sentence,
    times,
    warnings,
)
from parity.report.export.markdown import escaped, table
from parity.report.lines import plain

# A cell that starts with one of these is a formula; the wide ones count in some languages.
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")

_CSV = (
    *("part", "variant", "batch_size", "precision", "status", "unit", "rounds", "q1"),
    *("median", "q3", "baseline", "ratio", "ratio_low", "ratio_high", "confidence"),
    *("warmup_s", "seconds_to_accuracy", "peak_memory_mb", "parity", "parity_note", "reason"),
)


def to_markdown(result: BenchResult) -> str:
    """Returns the result as tables of GitHub's Markdown."""
    blocks = []
    for cell, rows in cells_of(result.rows):
        blocks.append(f"## {escaped(heading(cell, []))}")
        units = dict.fromkeys(row.unit for row in rows if row.status == OK)
        for unit in units:
            blocks.append(_markdown_table([r for r in rows if (r.status, r.unit) == (OK, unit)]))
        blocks += [
            f"- **{row.status}** {escaped(row.variant)}: {escaped(reason_of(row))}"
            for row in rows
            if row.status != OK
        ]
    blocks += [f"- **warning** {escaped(text)}" for text in warnings(result)]
    if text := legend(result):
        blocks.append(escaped(text))
    # The word in front, because the first characters of a paragraph could make it a list.
    blocks.append(f"Machine: {escaped(machine_text(result))}")
    for name in ("began", "command"):
        if (value := result.environment.get(name)) is not None:
            blocks.append(f"{name.capitalize()}: {escaped(str(value))}")
    blocks.append(f"**{escaped(sentence(result))}**")
    return "\n\n".join(blocks) + "\n"


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


def _markdown_table(rows: Sequence[Row]) -> str:
    head = [
        "variant",
        "rounds",
        f"median ({rows[0].unit})",
        f"q1 ({rows[0].unit})",
        f"q3 ({rows[0].unit})",
        f"× {against(rows)}",
        "interval",
        "memory (MB)",
        "warm-up (s)",
        "to accuracy (s)",
        "parity",
    ]
    body = []
    for row in rows:
        quartiles = [number(value) for value in row.quartiles()] if row.values else [NONE] * 3
        ratio, note = row.ratio, f" ({row.parity_note})" if row.parity_note else ""
        body.append(
            [
                row.variant,
                str(len(row.values)),
                *(quartiles[index] for index in (1, 0, 2)),
                times(ratio.median) if ratio else NONE,
                f"{times(ratio.low)} to {times(ratio.high)}" if ratio else NONE,
                *(
                    NONE if value is None else number(value, 3)
                    for value in (row.peak_memory_mb, row.warmup_s, row.seconds_to_accuracy)
                ),
                row.parity + note,
            ]
        )
    return "\n".join(table(head, body, f"l{'r' * (len(head) - 2)}l"))


def _csv_number(value: float | None) -> str:
    return "" if value is None else str(value) if isinstance(value, int) else f"{value:.6g}"


def _csv_text(value: str | None) -> str:
    text = plain(" ".join((value or "").split()))
    return f"'{text}" if text.startswith(_FORMULA) else text
