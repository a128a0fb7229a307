"""Prints lines: with colours on a terminal, as plain text elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from parity.report.text.sparkline import ASCII_BARS, BARS

if TYPE_CHECKING:
    from parity.report.lines import Line


def print_lines(lines: list[Line], stream: TextIO | None = None) -> None:
    """Prints lines, with colours on a terminal; bars become digits if they cannot be written."""
    stream = stream or sys.stdout
    if not _can_write(BARS, stream):
        lines = [[(text.translate(ASCII_BARS), style) for text, style in line] for line in lines]
    if not stream.isatty():
        for line in lines:
            stream.write("".join(text for text, _ in line).rstrip() + "\n")
        stream.flush()
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False)
    for line in lines:
        console.print(Text.assemble(*line))


def _can_write(text: str, stream: TextIO) -> bool:
    try:
        text.encode(stream.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
