"""Lines of text with styles, and functions that fit long texts into them."""

from __future__ import annotations

import textwrap

from parity.files.log_text import plain as plain  # reports take it from here

Line = list[tuple[str, str]]  # (text, style of rich)

WIDTH = 80


def shortened(text: str, width: int) -> str:
    """Removes the middle of a text that is too wide; keeps at least 7 characters."""
    if len(text) <= max(width, 7):
        return text
    kept = max(width, 7) - 3
    return text[: kept - kept // 2] + "..." + text[len(text) - kept // 2 :]


def wrapped(text: str, indent: str = "    ", *, max_lines: int | None = None) -> list[str]:
    """Breaks a text into rows of at most WIDTH columns, each indented."""
    return textwrap.wrap(
        plain(text),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        max_lines=max_lines,
        placeholder=" ...",
    )


def labelled(label: str, text: str, style: str = "") -> list[Line]:
    """Returns a text behind a label, wrapped."""
    first, *rest = wrapped(text, " " * 10) or [""]
    return [
        [(f"    {label:<6}", style), (first.strip(), style)],
        *[[(row, style)] for row in rest],
    ]
