"""The corpus in tests/corpus: a file a case, with a Keras program, its ports, and what they show.

tests/corpus/README.md describes the format. A file that breaks it ends in one line that says what
and where.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from parity.errors import InputError

FOLDER = Path(__file__).parents[1] / "corpus"
ANY = "any"  # level of a mistake of which nobody said where it shows
FENCE = "```"
_HEADING = re.compile(r"## (?:(keras|right|wrong)|(right|wrong) ([a-z]\w*)|(file) (\w[\w.]*))")
_KEYS = {
    "keras": ("command", "needs", "without"),
    "right": ("of", "expected"),
    "wrong": ("of", "expected", "wanted"),
    "file": (),
}
_LANGUAGES = {"keras": ("python",), "right": ("python", "diff"), "wrong": ("python", "diff")}


@dataclass(frozen=True)
class Port:
    """A port of the program of a case.

    Attributes:
        name: an identifier; the first right port is `right`, if its heading says no other name.
        is_right: whether it trains as the Keras program does.
        words: what it does; of a wrong port the mistake.
        text: its module, whose `build` is the factory.
        expected: (level, IDs of causes) of each mistake: one of the causes names it. The level is
            `ANY` and the causes are empty where nobody said. A right port has one only if it
            differs all the same, as its words say.
        wanted: what a reader wants to be told.
    """

    name: str
    is_right: bool
    words: str
    text: str
    expected: tuple[tuple[str, tuple[str, ...]], ...] = ()
    wanted: str = ""


@dataclass(frozen=True)
class Case:
    """A Keras program with its ports.

    Attributes:
        family: name of the folder.
        name: of the file, without its suffix.
        title: what the program is.
        words: more of it.
        keras: module of the program, whose `build` is the factory.
        command: "check" for one step from many sides, "run" for whole trainings.
        without: levels that are not asked for.
        ports: the right ones first.
        files: that the modules read, by name.
        needs: a package that the ports import, which is no requirement of the project; "" for none.
    """

    family: str
    name: str
    title: str
    words: str
    keras: str
    command: str
    ports: tuple[Port, ...]
    files: dict[str, str]
    without: tuple[str, ...] = ()
    needs: str = ""

    @property
    def key(self) -> str:
        """FAMILY/NAME."""
        return f"{self.family}/{self.name}"

    def write(self, root: Path) -> None:
        """Writes the modules and files of the case into a new folder below another one."""
        (root / self.key).mkdir(parents=True)
        texts = {self.torch(port): port.text for port in self.ports} | {self.reference: self.keras}
        named = {factory.removesuffix(":build"): text for factory, text in texts.items()}
        files = {f"{self.key}/{name}": text for name, text in self.files.items()}
        for name, text in (named | files).items():
            (root / name).write_text(text, encoding="utf-8")

    @property
    def reference(self) -> str:
        """The factory of the Keras program below that folder."""
        return f"{self.key}/{self.name}_keras.py:build"

    def torch(self, port: Port) -> str:
        """The factory of a port below that folder."""
        return f"{self.key}/{self.name}_{port.name}.py:build"


@dataclass
class _Section:
    """A heading, its lines of text and keys, and its fenced block."""

    line: int
    kind: str
    name: str
    words: list[str] = field(default_factory=list)
    keys: list[tuple[str, str]] = field(default_factory=list)
    language: str = ""
    block: str = ""


def cases(folder: Path = FOLDER) -> Iterator[Case]:
    """Yields all cases, family by family."""
    for path in sorted(folder.glob("*/*.md")):
        yield read(path)


def read(path: Path) -> Case:
    """Reads a case.

    Raises:
        InputError: the file breaks the format.
    """

    def refused(line: int, what: str) -> InputError:
        return InputError(f"{path}, line {line}: {what}")

    def values(section: _Section, key: str) -> list[str]:
        return [value for name, value in section.keys if name == key]

    def text_of(section: _Section, right: dict[str, str]) -> str:
        if section.language == "python":
            return section.block
        base = (values(section, "of") or [*right][:1] or [""])[0]
        if base not in right:
            raise refused(section.line, f"a diff of {base!r}; right ports above: {[*right]}")
        try:
            return changed(right[base], section.block)
        except InputError as error:
            raise refused(section.line, str(error)) from None

    title, head, sections = _sections(path.read_text(encoding="utf-8").split("\n"), refused)
    if [section.kind for section in sections].count("keras") != 1 or sections[0].kind != "keras":
        raise refused(1, "expected one section '## keras', before all others")
    right: dict[str, str] = {}
    ports, files = [], {}
    for section in sections[1:]:
        name = section.name or section.kind
        if name in files or any(port.name == name for port in ports):
            raise refused(section.line, f"a second {name!r}")
        if section.kind == "file":
            files[name] = section.block
            continue
        text = text_of(section, right)
        is_right = section.kind == "right"
        if is_right:
            right[name] = text
        expected = [value.split() for value in values(section, "expected")]
        if not (is_right or expected):
            raise refused(section.line, f"expected a line '- expected: {ANY}', or a level and IDs")
        ports.append(
            Port(
                name,
                is_right,
                "\n".join(section.words).strip(),
                text,
                tuple((level, tuple(ids)) for level, *ids in expected),
                " ".join(values(section, "wanted")),
            )
        )
    if not right:
        raise refused(1, "expected at least one section '## right'")
    command = (values(sections[0], "command") or ["check"])[0]
    if command not in ("check", "run"):
        raise refused(sections[0].line, f"command {command!r}: expected check or run")
    words = "\n".join(head).strip()
    keras = sections[0].block
    without = tuple(" ".join(values(sections[0], "without")).split())
    named = path.parent.name, path.stem
    needs = " ".join(values(sections[0], "needs"))
    return Case(*named, title, words, keras, command, tuple(ports), files, without, needs)


def _sections(lines: list[str], refused) -> tuple[str, list[str], list[_Section]]:
    """Returns the title, the text below it, and the sections of a file."""
    if not lines[0].startswith("# "):
        raise refused(1, "expected '# ' and what the program is")
    head: list[str] = []
    found: list[_Section] = []
    begun = 0  # line of the fence that is open
    for number, line in enumerate(lines[1:], 2):
        if begun:
            if line == FENCE:
                begun = 0
            else:
                found[-1].block += f"{line}\n"
        elif line.startswith("## "):
            match = _HEADING.fullmatch(line)
            if match is None:
                raise refused(number, f"{line!r}: expected keras, right, wrong NAME or file NAME")
            kind, name = match[1] or match[2] or match[4], match[3] or match[5] or ""
            if found and not found[-1].language:
                raise refused(number, f"'## {found[-1].kind}' above has no fenced block")
            found.append(_Section(number, kind, name))
        elif not found:
            head.append(line)
        elif line.startswith(FENCE):
            language = line[len(FENCE) :]
            expected = _LANGUAGES.get(found[-1].kind, (language,))
            if found[-1].language or not language or language not in expected:
                raise refused(number, f"expected one fenced block of {' or '.join(expected)}")
            found[-1].language, begun = language, number
        elif match := re.fullmatch(r"- (\w+): (.+)", line):
            if match[1] not in _KEYS[found[-1].kind]:
                known = ", ".join(_KEYS[found[-1].kind]) or "none"
                raise refused(number, f"key {match[1]!r}: expected one of {known}")
            found[-1].keys.append((match[1], match[2]))
        else:
            found[-1].words.append(line)
    if begun or not found or not found[-1].language:
        raise refused(begun or len(lines), "the file ends within a section")
    return lines[0][2:], head, found


def changed(base: str, diff: str) -> str:
    """Returns a text with the changes of a diff, whose hunks are parted by lines `@@`.

    Raises:
        InputError: a line of the diff has no sign, or what a hunk replaces is not there once.
    """
    lines = base.splitlines()
    for hunk in re.split(r"^@@\n", diff, flags=re.MULTILINE):
        rows = [row or " " for row in hunk.splitlines()]
        if wrong := [row for row in rows if row[0] not in " +-"]:
            raise InputError(f"{wrong[0]!r} in a diff: expected ' ', '+', '-' in front, or '@@'")
        old = [row[1:] for row in rows if row[0] != "+"]
        new = [row[1:] for row in rows if row[0] != "-"]
        places = [at for at in range(len(lines)) if lines[at : at + len(old)] == old]
        if not old or len(places) != 1:
            raise InputError(f"{old} is {len(places)} times in the right port: expected once")
        lines[places[0] : places[0] + len(old)] = new
    return "\n".join(lines) + "\n"
