"""Every command on every page is accepted by its program, and runs where that takes seconds."""

import argparse
import ast
import re
import runpy
import shutil
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import click
import documented
import pytest
import user_files
from documented import ROOT, commands_of, files_of, pages
from documented_runs import FOREIGN_OPTIONS, NOT_RUN, QUICK, RUN
from helpers import commands
from pytest_calls import pytest_called
from rows import each_row

from parity.cli.main import cli, main
from parity.divergences import find as find_divergence
from parity.errors import ParityError
from parity.ladder.items import LEVEL_IDS
from parity.programs.bench_spec import BenchSpec
from parity.programs.program_spec import ProgramSpec
from parity.programs.scenarios import find as find_scenario

pytestmark = pytest.mark.usefixtures("warm_halves")

HELP = {"-h", "--help", "--version"}

# What a word of the user's is taken for, where it has to be a value that can be parsed.
SAMPLES = {"N": "2", "A:B": "0:2", "A,B": "train"}

ALL = [command for path in pages() for command in commands_of(path)]
DISTINCT = list({(c.words, c.is_mention, c.folder): c for c in ALL}.values())


def test_the_pages_have_commands():
    """Otherwise the tests below would pass on nothing."""
    assert {"README.md", "CONTRIBUTING.md", "docs/check.md"} <= {command.page for command in ALL}
    assert len(DISTINCT) > 80
    assert {command.words[0] for command in ALL} == set(documented.PROGRAMS)


# --- accepted ------------------------------------------------------------------------------------


@each_row("command", DISTINCT, ids=lambda command: command.where)
def test_a_command_is_accepted_by_its_program(command, accept):
    accept(command)


@pytest.fixture
def accept(pytestconfig, monkeypatch):
    """Gives a command to the program's own parser, and runs nothing."""
    checks = {
        "parity": accepted_by_parity,
        "python": lambda command: accepted_by_script(command, monkeypatch),
        "pytest": lambda command: accepted_by_pytest(command, pytestconfig),
        "make": accepted_by_make,
        "pip": accepted_by_pip,
    }

    def check(command):
        if len(command.words) == 1 and command.is_mention:
            return
        assert command.is_mention or not command.has_placeholders, "a command that nobody can run"
        checks[command.words[0]](command)

    return check


def sampled(command):
    """The words behind the program, those of the user's as values."""
    return [SAMPLES.get(word, word.partition("|")[0]) for word in command.words[1:]]


def accepted_by_parity(command):
    try:
        values = parsed(command)
    except click.MissingParameter:
        assert command.is_mention, "an argument is missing"
    else:
        check_values(command.words[1], values)


def parsed(command):
    """The values of a command of `parity` by name; none where it asks for help."""
    name, *rest = sampled(command)
    if name in HELP:
        return {}
    assert name in commands(), f"parity has no command {name!r}"
    if HELP & set(rest):
        return {}
    if command.is_mention:
        rest = [word for word in rest if not word.startswith("[") and not word.endswith("]")]
    return commands()[name].make_context(name, rest, parent=click.Context(cli)).params


def check_values(name, values):
    """What the command line leaves to the library: names of scenarios, divergences, levels."""
    # Names of a user's programs on the pages.
    own = ("migration", "sensors", "example_1", "example_2", "example_3")
    programs = [name for name in values.get("programs", ()) if name not in own]
    for scenario in (*values.get("scenarios", ()), *programs):
        if not documented.is_placeholder(scenario):
            find_scenario(scenario)
    if name == "bench" and values:
        known = BenchSpec.__dataclass_fields__
        settings = {k: v for k, v in values.items() if k in known and v is not None}
        scenario = settings.pop("program", None)
        if scenario in own or values["keras"] is not None:
            BenchSpec.of_program(ProgramSpec(keras="a:build", torch="b:build"), **settings)
        else:
            BenchSpec(**settings, **({} if scenario is None else {"scenario": scenario}))
    if name == "explain" and values and not documented.is_placeholder(values["name"]):
        find_divergence(values["name"])
    if values.get("levels"):
        assert set(values["levels"].split(",")) <= set(LEVEL_IDS)


class Accepted(Exception):
    """The arguments of a script are right."""


def accepted_by_script(command, monkeypatch):
    if command.words[1] == "-c":
        compile(command.words[2], command.where, "exec")
        return
    if command.words[1] == "-m":
        assert find_spec(command.words[2]) is not None, "there is no such module"
        return
    script = ROOT / command.words[1]
    assert script.is_file(), "there is no such script"
    parse = argparse.ArgumentParser.parse_args

    def stop(parser, *arguments, **options):
        parse(parser, *arguments, **options)
        raise Accepted

    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        patch.setattr(sys, "argv", [str(script), *sampled(command)[1:]])
        patch.setattr(sys, "path", [str(script.parent), *sys.path])
        with pytest.raises(Accepted):
            runpy.run_path(str(script), run_name="__main__")


def accepted_by_pytest(command, config):
    known, unknown = config._parser.parse_known_and_unknown_args(sampled(command))
    assert unknown == []
    for path in known.file_or_dir:
        assert (ROOT / command.folder / path).exists(), path


def targets():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z-]+):", text, re.M))


def accepted_by_make(command):
    assert {word for word in sampled(command) if "=" not in word} <= targets()


def accepted_by_pip(command):
    assert command.words[1] in ("install", "wheel")
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = set(re.findall(r"^(\w+) = \[", text.partition("[project.optional-")[2], re.M))
    for word in command.words[2:]:
        for names in re.findall(r"\[(.*?)\]", word):
            assert set(names.split(",")) <= extras


@cache
def options_of_scripts():
    """Options of all scripts, as they are written in their sources."""
    found = set()
    for path in [*ROOT.glob("benchmarks/*/*.py"), *ROOT.glob("scripts/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= set(re.findall(r"^--[a-z][a-z-]*$", node.value))
    return found


def options_of_parity():
    parameters = [p for command in commands().values() for p in command.params]
    return {name for parameter in parameters for name in parameter.opts} | {"--help", "--version"}


def options_of_pytest(config):
    """Those of its plugins too, of which ours is one."""
    groups = [config._parser._anonymous, *config._parser._groups]
    return {name for group in groups for option in group.options for name in option.names()}


@each_row("path", pages(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_an_option_in_the_text_exists(path, pytestconfig):
    _, prose = documented.split(path.read_text(encoding="utf-8"))
    known = options_of_parity() | options_of_scripts() | options_of_pytest(pytestconfig)
    known |= set(FOREIGN_OPTIONS)
    for code, line in documented.spans(prose):
        if match := re.match(r"--[a-z][\w-]*", code):
            # `--parity-*` stands for all that start so.
            names = [name for name in known if name.startswith(match[0])]
            is_known = bool(names) if code.endswith("*") else match[0] in known
            assert is_known, f"line {line}: {code}"


# --- run -----------------------------------------------------------------------------------------


def matches(command, pattern):
    """Whether a command is what a pattern says, whose "..." are any further words."""
    words = pattern.removesuffix(" ...")
    if words == pattern:
        return command.text == words
    return f"{command.text} ".startswith(f"{words} ")


def is_quick(command):
    is_help = command.words[0] == "parity" and HELP & set(command.words)
    return is_help or any(matches(command, f"{words} ...") for words in QUICK)


def is_name(command):
    """`parity run` in a sentence names the command; `parity list` may be run as it stands there."""
    if not command.is_mention:
        return False
    if command.has_placeholders or len(command.words) == 1:
        return True
    if command.words[0] != "parity":
        return False
    try:
        parsed(command)
    except click.MissingParameter:
        return True
    except (click.ClickException, ParityError, AssertionError):
        return False  # what is wrong with it, another test tells
    return len(command.words) == 2 and not is_quick(command)


def handled(command):
    """How a command is handled: "quick", "run", "not run", "a name", or "not at all"."""
    if entry(command) is not None:
        return "run"
    if is_name(command):
        return "a name"
    if any(matches(command, pattern) for pattern in NOT_RUN):
        return "not run"
    return "quick" if is_quick(command) else "not at all"


def entry(command):
    """What RUN has for a command: the words that are added, and the exit code; or None."""
    return next((RUN[pattern] for pattern in RUN if matches(command, pattern)), None)


@each_row("command", DISTINCT, ids=lambda command: command.where)
def test_a_command_is_run_or_it_is_told_why_not(command):
    assert handled(command) != "not at all", (
        "add it to RUN or NOT_RUN in tests/support/documented_runs.py"
    )


def test_no_exception_is_left_behind():
    """Of a command that no page has any more."""
    for pattern in (*RUN, *NOT_RUN):
        assert any(matches(command, pattern) for command in ALL), pattern
    text = " ".join(path.read_text(encoding="utf-8") for path in pages())
    for option in FOREIGN_OPTIONS:
        assert option in text


def to_run(path):
    """(command, words that are added, exit code) of a page, each command once."""
    found = {}
    for command in commands_of(path):
        how = handled(command)
        if how in ("quick", "run"):
            added, code = entry(command) or ((), 0)
            found.setdefault(command.text, (command, added, code))
    return list(found.values())


@pytest.mark.long
@pytest.mark.parametrize(
    "path",
    [path for path in pages() if to_run(path)],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_the_commands_of_a_page_run_in_their_order(path, tmp_path, monkeypatch, capsys):
    user_files.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    files = files_of(path)
    for command, added, code in to_run(path):
        assert command.folder == ".", f"{command.where}: it runs in a folder of its own"
        while files and files[0][0] < command.line:  # as far as its reader has come
            _, name, text = files.pop(0)
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        ended, printed = called([*command.words, *added], monkeypatch, capsys)
        assert ended == code, f"{command.where}: exit code {ended}\n{printed}"
        if command.output and command.is_compared and not added:
            left_out = missing(command.output, printed.splitlines())
            assert left_out is None, f"{command.where}: not printed: {left_out}\n{printed}"


def called(words, monkeypatch, capsys):
    """Exit code and output of a command; `parity` and pytest are called in this process.

    The halves that they start need not import their framework then.
    """
    if words[0] == "parity":
        monkeypatch.setattr(sys, "argv", list(words))
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, "".join(capsys.readouterr())
    if words[0] == "pytest":
        code, *said = pytest_called(words[1:], Path.cwd())
        return code, "".join(said)
    ours = {"python": [sys.executable]}
    program = ours.get(words[0], [shutil.which(words[0])])
    folder = ROOT if words[0] == "make" else Path.cwd()
    path = [ROOT / word if word.startswith("benchmarks/") else word for word in words[1:]]
    ended = subprocess.run(
        [*program, *path], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    return ended.returncode, ended.stdout + ended.stderr


def comparable(line):
    """A line without what may differ: numbers with a point or an exponent, and columns' widths.

    Of a level that passes, where its largest difference lies depends on the processor. pytest adds
    minutes to its seconds if there are any.
    """
    if level := re.match(r"  \w+ +pass\b", line):
        return level[0]
    line = re.sub(r" \(\d+:\d\d:\d\d\)$", "", line)
    return " ".join(re.sub(r"[-+±]?\d[\d,]*(\.\d+(e[-+]?\d+)?|e[-+]?\d+)", "#", line).split())


def missing(shown, printed):
    """The first line that is shown and does not come in its turn among those that were printed."""
    left = iter([comparable(line) for line in printed])
    for line in shown:
        if line.strip() not in ("", "...") and comparable(line) not in left:
            return line
    return None


# --- and nothing else ----------------------------------------------------------------------------


@each_row(
    ("line", "is_right"),
    [
        ("parity run dropout --epochs 3 --seeds 0:3", True),
        ("parity run dropout --epoch-size 3", False),
        ("parity run dropout --epochs three", False),
        ("parity run no_such_scenario", False),
        ("parity run dropout --dtype float16", False),
        ("parity sweep --seeds 3:1", False),
        ("parity bench --parts trian", False),
        ("parity check --levels forwards", False),
        ("parity explain Z99", False),
        ("parity explain", False),
        ("parity explain ID", False),
        ("parity runn", False),
        ("parity --version", True),
        ("parity list divergences", True),
        ("python benchmarks/speed/growth.py --rounds 3", True),
        ("python benchmarks/speed/growth.py --round-trips 3", False),
        ("python benchmarks/accuracy/drift.py", False),
        ("python benchmarks/no_such.py", False),
        ("python -c 'import'", False),
        ("python -m torch_impl --help", True),
        ("python -m no_such", False),
        ("make help", True),
        ("make tea", False),
        ("pytest tests/parity -q", True),
        ("pytest tests/no_such", False),
        ("pytest --no-such-option", False),
        ("pip install '.[peers]'", True),
        ("pip install '.[pears]'", False),
        ("pip wheel --no-deps .", True),
        ("pip bake", False),
    ],
)
def test_a_wrong_command_is_seen(line, is_right, accept):
    command = documented.command_in(line)
    if is_right:
        accept(command)
        return
    with pytest.raises((Exception, SystemExit)):
        accept(command)
