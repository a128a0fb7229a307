"""The docstrings of this project, made into what Sphinx reads.

In: lines of a docstring, in plain text with Markdown's habits and Google's sections. Out: the same
in reStructuredText: a block of code is marked as one, a list begins after an empty line, and a
character that would mean something is spelled out. Google's sections are left to napoleon.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_LIST = re.compile(r"\s*(\d+\.|-) ")
_CODE = re.compile(r"(`[^`]*`)")
_NAME = re.compile(r"`[A-Za-z_][\w.]*`")  # of an object, to which there may be a link
# In text, a star or a bar would begin something, and a last underscore would be a reference.
_MEANING = re.compile(r"[*|\\]|_(?!\w)")
_ARGUMENT = re.compile(r"\s+\*{1,2}\w+: ")  # of a section, whose stars napoleon spells out
_SECTION = re.compile(r"(Args|Attributes|Raises|Returns|Yields|Note):$")


def process(_app: Any, _what: str, _name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    """Changes the lines of a docstring in place, as autodoc asks for it."""
    lines[:] = convert(lines)


def convert(lines: list[str]) -> list[str]:
    """Returns the lines of a docstring as reStructuredText with Google's sections."""
    return list(_converted(lines))


def _converted(lines: list[str]) -> Iterator[str]:
    before, in_section, in_code = "", False, False
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if in_code and (indent or not line):
            yield line
            continue
        in_code = False
        if _SECTION.match(line):
            in_section = True
        elif line and not indent:
            in_section = False
        if indent >= 4 and not before and not in_section:
            in_code = True
            yield from ("::", "", line)
            continue
        is_item = _LIST.match(line) is not None
        if is_item and before and not _LIST.match(before) and not _is_continued(before, indent):
            yield ""
        yield _spelled_out(line)
        before = line


def _is_continued(before: str, indent: int) -> bool:
    """Whether the line before an item belongs to an item of the same list."""
    return len(before) - len(before.lstrip()) > indent


def _spelled_out(line: str) -> str:
    argument = _ARGUMENT.match(line)
    start = argument.end() if argument else 0
    parts = _CODE.split(line[start:])
    parts[::2] = [_MEANING.sub(r"\\\g<0>", part) for part in parts[::2]]
    parts[1::2] = [part if _NAME.fullmatch(part) else f"`{part}`" for part in parts[1::2]]
    return line[:start] + "".join(parts)
