"""Prints lines: with colours on a terminal, as plain text elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from parity.files.log_text import log_line
from parity.report.text.sparkline import ASCII_BARS, BARS

if TYPE_CHECKING:
    from parity.report.lines import Line


def print_lines(lines: list[Line], stream: TextIO | None = None) -> None:
    """Prints lines, with colours on a terminal; bars become digits if they cannot be written.

    No text from elsewhere is a command to a terminal or to CI.
    """
    stream = stream or sys.stdout
    if not _can_write(BARS, stream):
        lines = [[(text.translate(ASCII_BARS), style) for text, style in line] for line in lines]
    if not stream.isatty():
        for line in lines:
            stream.write(log_line(_joined(line)).rstrip() + "\n")
        stream.flush()
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False)
    for line in lines:
        told = log_line(_joined(line))
        console.print(Text.assemble(*line) if told == _joined(line) else Text(told))


def _joined(line: Line) -> str:
    return "".join(text for text, _ in line)


def _can_write(text: str, stream: TextIO) -> bool:
    try:
        text.encode(stream.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
