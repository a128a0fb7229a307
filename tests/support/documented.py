"""What the pages show: fenced blocks by their language, commands with their output, options.

A command is a line that starts with the name of a program of PROGRAMS, in a block without language
or with that of a shell, or a code span in the text. Behind `&&` another one begins; what is behind
a pipe or a redirection is left out. `console` blocks have prompts: what follows a command there is
its output. A comment above a block, `<!-- not compared: why -->`, leaves that output out of
comparison. A comment `<!-- file: train.py -->` says which file of the reader's a block is. In a
block of YAML, a step `- run:` is a command.
"""

import re
import shlex
from dataclasses import dataclass, replace
from itertools import takewhile

from paths import ROOT

PROGRAMS = ("parity", "python", "pytest", "make", "pip")
SHELLS = ("sh", "bash", "shell")
PROMPT = "$ "
NOT_COMPARED = "not compared: "
FILE = "file: "

_FENCE = re.compile(r"^( *)(`{3,}|~{3,})\s*([^\s`]*)[^`]*$")
_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.S)
_COMMENT = re.compile(r"<!--(.*?)-->", re.S)
_STEP = re.compile(r"\s*- run: (.+)")
_SETTING = re.compile(r"[A-Z][A-Z0-9_]*=\S*")
_PLACEHOLDER = re.compile(r"\[?[A-Z][A-Z_]*\]?|\[\S*|[^\[]*\]|\w+(\|\w+)+|\.\.\.|…")
_ENDS = (">", ">>", "<", "|", "2>", "&", ";")


def pages(root=ROOT):
    """The Markdown files of the project, but for what is built."""
    found = [*root.glob("*.md")]
    for folder in ("docs", "examples"):
        found += (root / folder).rglob("*.md")
    return sorted(path for path in found if "_build" not in path.parts)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: path from the root of the project.
        line: of its first line of content, counted from 1.
        language: "" if none is given.
        text: its content.
        remark: the comment right above it, or "".
    """

    page: str
    line: int
    language: str
    text: str
    remark: str = ""


@dataclass(frozen=True)
class Command:
    """A command line.

    Attributes:
        page: path from the root of the project.
        line: where it stands.
        words: as a shell splits them, without variables set in front of them.
        is_mention: a code span in the text, which may have placeholders, or be a name only.
        folder: from the root of the project, as a `cd` before it says.
        output: lines that are shown below it in a `console` block.
        is_compared: whether these have to be among the lines that it prints.
    """

    page: str
    line: int
    words: tuple[str, ...]
    is_mention: bool = False
    folder: str = "."
    output: tuple[str, ...] = ()
    is_compared: bool = True

    @property
    def text(self):
        return shlex.join(self.words)

    @property
    def where(self):
        return f"{self.page}:{self.line}: {self.text}"

    @property
    def has_placeholders(self):
        return any(is_placeholder(word) for word in self.words[1:])


def is_placeholder(word):
    """Whether a word stands for one of the user's: FILE, [SCENARIO, bash|zsh, ...]."""
    return _PLACEHOLDER.fullmatch(word) is not None


def split(text, page=""):
    """The fenced blocks of a page, and its text with blank lines in their place."""
    blocks, prose = [], []
    opened = None
    above = ""
    for number, line in enumerate(text.splitlines(), start=1):
        fence = _FENCE.match(line)
        if opened is None and fence is None:
            prose.append(line)
            above = line if line.strip() else above
            continue
        prose.append("")
        if opened is None:
            comment = _COMMENT.fullmatch(above.strip())
            remark = comment[1].strip() if comment else ""
            opened = fence, number + 1, remark, []
            continue
        start, first, remark, lines = opened
        is_end = fence and fence[2].startswith(start[2]) and not fence[3]
        if not is_end:
            lines.append(line.removeprefix(start[1]))
            continue
        content = "".join(f"{line}\n" for line in lines)
        blocks.append(Block(page, first, start[3].lower(), content, remark))
        opened, above = None, ""
    if opened is not None:
        raise AssertionError(f"{page}:{opened[1]}: the block has no end")
    return blocks, "\n".join(prose)


def blocks_of(path, root=ROOT):
    return split(path.read_text(encoding="utf-8"), path.relative_to(root).as_posix())[0]


def commands_of(path, root=ROOT):
    """The commands of a page, in their order."""
    page = path.relative_to(root).as_posix()
    blocks, prose = split(path.read_text(encoding="utf-8"), page)
    found = [command for block in blocks for command in in_block(block)]
    found += in_prose(prose, page)
    return sorted(found, key=lambda command: command.line)


def files_of(path, root=ROOT):
    """(line, name, text) of the files that a page has its reader write, in their order."""
    return [
        (block.line, block.remark.removeprefix(FILE), block.text)
        for block in blocks_of(path, root)
        if block.remark.startswith(FILE)
    ]


def in_block(block):
    """The commands of a fenced block; of a shell's, every line has to be one."""
    if block.language == "console":
        return _with_output(block)
    if block.language == "yaml":
        steps = [_STEP.fullmatch(line) for line in block.text.splitlines()]
        found = [
            command_in(step[1], block.page, number)
            for number, step in enumerate(steps, start=block.line)
            if step
        ]
        return [command for command in found if command is not None]
    if block.language not in ("", *SHELLS):
        return []
    found, folder = [], "."
    for number, line in _joined(block.text, block.line):
        if line.startswith("cd "):
            folder = line.split()[1]
            continue
        command = command_in(line, block.page, number, folder=folder)
        if command is not None:
            found.append(command)
        elif block.language and line.strip() and not line.startswith("#"):
            raise AssertionError(f"{block.page}:{number}: no command that is known: {line}")
    return found


def _with_output(block):
    found, folder = [], "."
    for number, line in _joined(block.text, block.line):
        if not line.startswith(PROMPT):
            if not found:
                raise AssertionError(f"{block.page}:{number}: output without a command: {line}")
            found[-1][1].append(line)
            continue
        line = line.removeprefix(PROMPT)
        if line.startswith("cd "):
            folder = line.split()[1]
            continue
        command = command_in(line, block.page, number, folder=folder)
        if command is None:
            raise AssertionError(f"{block.page}:{number}: no command that is known: {line}")
        found.append((command, []))
    is_compared = not block.remark.startswith(NOT_COMPARED)
    return [
        replace(command, output=tuple(lines), is_compared=is_compared) for command, lines in found
    ]


def in_prose(prose, page):
    """The commands among the code spans of a text."""
    found = [command_in(code, page, line, is_mention=True) for code, line in spans(prose)]
    return [command for command in found if command is not None]


def spans(prose):
    """(code, line) of the code spans of a text, each within its paragraph."""
    start = 0
    for part in re.split(r"(\n\s*\n)", prose):
        for match in _SPAN.finditer(part):
            yield " ".join(match[2].split()), prose.count("\n", 0, start + match.start()) + 1
        start += len(part)


def command_in(line, page="", number=0, **details):
    """The command that a line is, or None."""
    # What cannot be split, such as a lone quote, is output.
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return None
    if line[:1].isspace() or not words:
        return None
    while words and (_SETTING.fullmatch(words[0]) or words[0] == "time"):
        words = words[1:]
    words = list(takewhile(lambda word: word not in _ENDS, words))
    if not words or words[0] not in PROGRAMS:
        return None
    return Command(page, number, tuple(words), **details)


def _joined(text, first):
    """(number, command), with a line that ends in a backslash joined to the next one."""
    number, parts = first, []
    for offset, line in enumerate(text.splitlines()):
        if not parts:
            number = first + offset
        if line.endswith("\\"):
            parts.append(line[:-1])
            continue
        for part in "".join([*parts, line]).split(" && "):
            yield number, part
        parts = []
