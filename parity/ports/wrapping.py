"""Long lines of source, wrapped as formatters wrap them, and imports in their order."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence

# --- Long lines of source, wrapped as formatters wrap them, and texts beside them -----------------


WIDTH = 88
_SIMPLE = r"(?:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*|\d[\w.]*)"  # of a power: a name or a number
_POWER = re.compile(rf"(?<![\w.)\]])({_SIMPLE}) \*\* (-?{_SIMPLE})(?![\w.(\[])")
_OPEN, _CLOSE = "([{", ")]}"
_HEAD = re.compile(r"(?P<indent> *)(return |[\w., ]+ = )")  # of a statement with a value
# Operators of the same strength, the weakest first.
_OPERATORS = ((" + ", " - "), (" * ", " / ", " // ", " @ ", " % "))


_TEXT = re.compile(r'"[^"\n]*"')  # as `literal` writes it


def scanned(source: str) -> str:
    """Returns source in which "_" stands for each character inside of a text.

    Whoever looks for brackets, commas and words of Python in it finds none in a text.
    """
    return _TEXT.sub(lambda match: f'"{"_" * (len(match[0]) - 2)}"', source)


def prose(text: str) -> str:
    """Returns a text that a comment can have: nothing ends it, or shows it otherwise.

    Line breaks are spaces; escape codes and marks of direction are "?".
    """
    return "".join(each if each.isprintable() else " " if each.isspace() else "?" for each in text)


def documented(text: str) -> str:
    """Returns a text that a docstring can have, between or beside other text."""
    return re.sub(r'"""|"$', lambda match: "'" * len(match[0]), prose(text).replace("\\", "/"))


def with_close_powers(line: str) -> str:
    """Returns a statement as formatters write it: `x**2`, and `x.abs() ** 2`."""
    return with_texts(line, lambda code: [_POWER.sub(r"\1**\2", code)])[0]


def with_texts(line: str, change: Callable[[str], list[str]]) -> list[str]:
    """Returns what a function makes of a line whose texts it does not see."""
    texts = iter(_TEXT.findall(line))
    return [_TEXT.sub(lambda match: next(texts), each) for each in change(scanned(line))]


def wrapped(line: str, behind: int = 0) -> list[str]:
    """Returns a statement in as many lines as it needs.

    A call that is too long has its arguments in a line of their own, or each in one. Of a list, a
    tuple and a dictionary, each entry has a line.

    Args:
        line: with its indent, without a comment.
        behind: number of characters that follow its last line, such as a comma.
    """
    return with_texts(line, lambda code: _wrapped(code, behind))


def _wrapped(line: str, trailing: int = 0) -> list[str]:
    line = _POWER.sub(r"\1**\2", line)
    if len(line) + trailing <= WIDTH:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    start = _last_call(line)
    if (found := _operands(line, start)) is not None:
        return found
    if start is None:
        return [line]
    head, inner, tail = line[: start + 1], line[start + 1 : -1], line[-1]
    if not inner:
        return [line]
    inside = f"{indent}    "
    is_call = line[start] != "{" and (line[start - 1].isalnum() or line[start - 1] in "_)]")
    if is_call and len(inside) + len(inner) <= WIDTH and not _is_comprehension(inner):
        return [head, f"{inside}{inner}", f"{indent}{tail}"]
    if _is_comprehension(inner):
        return [head, *_comprehension(inner, inside), f"{indent}{tail}"]
    parts = [_wrapped(f"{inside}{part}", trailing=1) for part in _split(inner)]
    if len(parts) == 1 and is_call:
        return [head, *parts[0], f"{indent}{tail}"]
    lines = [each for part in parts for each in (*part[:-1], f"{part[-1]},")]
    return [head, *lines, f"{indent}{tail}"]


def _operands(line: str, start: int | None) -> list[str] | None:
    """Returns a statement whose value is in brackets, since arguments alone are not wrapped there.

    So it is for a sum of three, and for one that ends with no call.

    Args:
        line: a statement, with its indent.
        start: where its last bracket opens, if the line ends with one.

    Returns:
        Its lines; None for a line that is no such statement.
    """
    head = _HEAD.match(line)
    if head is None:
        return None
    value, inside = line[head.end() :], f"{head['indent']}    "
    places = next(filter(None, (_places(value, group) for group in _OPERATORS)), [])
    if not places:
        return None
    if start is not None and len(places) == 1 and head.end() + places[0] < start < WIDTH:
        return None  # the arguments of the last call are wrapped
    lines = [f"{inside}{value}"]
    if len(lines[0]) > WIDTH:
        parts = zip([0, *places], [*places, len(value)], strict=True)
        rows = [_wrapped(f"{inside}{value[begin:end].strip()}") for begin, end in parts]
        lines = [each for row in rows for each in row]
    return [f"{head.group()}(", *lines, f"{head['indent']})"]


def _places(value: str, operators: Sequence[str]) -> list[int]:
    """Returns where operators stand in an expression, outside of all brackets and texts."""
    found, depth, quoted = [], 0, False
    for place, letter in enumerate(value):
        quoted ^= letter == '"'
        depth += 0 if quoted else (letter in _OPEN) - (letter in _CLOSE)
        if depth == 0 and not quoted and value.startswith(tuple(operators), place):
            found.append(place)
    return found


def _is_comprehension(text: str) -> bool:
    return " for " in text and len(_split(text)) == 1


def _comprehension(inner: str, indent: str) -> list[str]:
    if len(indent) + len(inner) <= WIDTH:
        return [f"{indent}{inner}"]
    at = _loop(inner)
    if at == len(inner):  # the loop is inside of brackets
        return _wrapped(f"{indent}{inner}")
    return [*_wrapped(f"{indent}{inner[:at]}"), *_wrapped(f"{indent}{inner[at + 1 :]}")]


def _loop(text: str) -> int:
    """Returns where the loop of a comprehension begins; the length of the text if there is none."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter in _OPEN) - (letter in _CLOSE)
        if depth == 0 and text.startswith(" for ", place):
            return place
    return len(text)


def _last_call(line: str) -> int | None:
    """Returns where the bracket opens that the last character closes."""
    if line[-1] not in _CLOSE:
        return None
    depth = 0
    for place in range(len(line) - 1, -1, -1):
        depth += (line[place] in _CLOSE) - (line[place] in _OPEN)
        if depth == 0:
            return place
    return None


def _split(text: str) -> list[str]:
    """Returns the arguments in a text; the variables of a loop are no arguments."""
    parts, depth, start, quoted = [], 0, 0, False
    loop = _loop(text)
    variables = range(loop, text.find(" in ", loop))
    for place, letter in enumerate(text):
        quoted ^= letter == '"'
        depth += 0 if quoted else (letter in _OPEN) - (letter in _CLOSE)
        if letter == "," and depth == 0 and not quoted and place not in variables:
            parts.append(text[start:place].strip())
            start = place + 1
    return [*parts, text[start:].strip()]


def with_comment(text: str, comment: str) -> list[str]:
    """Returns a statement with a comment, which stands before it where the line is too short.

    Args:
        text: with its indent.
        comment: "": there is none.
    """
    text = with_close_powers(text)
    if not comment:
        return wrapped(text)
    comment = prose(comment)
    if len(text) + 4 + len(comment) <= WIDTH:
        return [f"{text}  # {comment}"]
    indent = text[: len(text) - len(text.lstrip())]
    return [*commented(comment, indent), *wrapped(text)]


def excused(line: str) -> str:
    """Returns a line with a word to ruff if it is too long and cannot be shorter.

    So it is where the name of a weight and what belongs to it stand in one entry of a dictionary.
    """
    is_long = len(line) > WIDTH and " " in line.strip()
    return f"{line}  # noqa: E501" if is_long else line


def docstring(text: str, indent: str) -> list[str]:
    """Returns a docstring in as many lines as it needs."""
    parts = textwrap.wrap(documented(text), WIDTH - len(indent) - 6) or [""]
    if len(parts) == 1:
        return [f'{indent}"""{parts[0]}"""']
    return [f'{indent}"""{parts[0]}', *(f"{indent}{part}" for part in parts[1:]), f'{indent}"""']


def commented(text: str, indent: str) -> list[str]:
    """Returns a comment in as many lines as it needs."""
    return [f"{indent}# {part}" for part in textwrap.wrap(prose(text), WIDTH - len(indent) - 2)]


def head(line: str) -> list[str]:
    """Returns the head of a function in as many lines as it needs."""
    if len(line) <= WIDTH:
        return [line]
    start, end = line.index("("), line.rindex(") ->")
    rest = line[end + 1 :]
    lines = wrapped(f"{line[:start]}({line[start + 1 : end]})", behind=len(rest))
    return [*lines[:-1], f"{lines[-1]}{rest}"]


# --- Import statements in the order of formatters -------------------------------------------------


def imported(names: Mapping[str, tuple[str, str]]) -> str:
    """Returns the import statements of a file.

    Args:
        names: as the file has them -> (module, its name there; "" for the module itself).
    """
    sections = []
    for is_standard in (True, False):
        section = {
            name: (module, inner)
            for name, (module, inner) in names.items()
            if (module.partition(".")[0] in sys.stdlib_module_names) == is_standard
            and module != "__future__"
        }
        whole = {name: module for name, (module, inner) in section.items() if not inner}
        lines = [
            f"import {module}" if name == module else f"import {module} as {name}"
            for name, module in sorted(whole.items(), key=lambda pair: pair[1])
        ]
        by_module: dict[str, list[str]] = {}
        for name, (module, inner) in section.items():
            if inner:
                by_module.setdefault(module, []).append(
                    inner if inner == name else f"{inner} as {name}"
                )
        for module in sorted(by_module):
            lines += from_import(module, by_module[module])
        sections.append("\n".join(lines))
    return "\n\n".join(["from __future__ import annotations", *filter(None, sections)])


def from_import(module: str, names: Iterable[str]) -> list[str]:
    """Returns the lines of one `from` statement: constants, classes, then the rest."""
    inner = sorted(names, key=_sorting)
    line = f"from {module} import {', '.join(inner)}"
    if len(line) <= WIDTH:
        return [line]
    return [f"from {module} import (", *(f"    {name}," for name in inner), ")"]


def _sorting(name: str) -> tuple[int, str]:
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)
