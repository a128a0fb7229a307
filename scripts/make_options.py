"""Writes the tables of options in docs/commands.md from the program.

    python scripts/make_options.py            writes them
    python scripts/make_options.py --check    exits 1 if the page differs

A table stands between `<!-- options: NAME -->` and `<!-- end -->`; the text around it is written by
hand. Option, default and meaning are those of `parity NAME --help`.
"""

from __future__ import annotations

import argparse
import itertools
import re
import sys
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # so that it runs from a checkout that is not installed

from parity.cli.main import COMMANDS, cli  # noqa: E402

PAGE = ROOT / "docs" / "commands.md"
_TABLE = re.compile(r"(<!-- options: (\w+) -->\n).*?(<!-- end -->\n)", re.S)
# What click tells behind a text, such as "[default: 3; x>=1]" or "[0<=x<=1]".
_TOLD = re.compile(r"\s*\[(?:default: ([^\[\]]*)|([^\[\]]*\bx\b[<>]=[^\[\]]*))\]$")


def options_table(command: click.Command) -> str:
    """Returns the options of a command as a table in Markdown, without those of all commands."""
    context = click.Context(command, info_name=command.name, show_default=True)
    rows = []
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if isinstance(parameter, click.Argument) or record is None:
            continue
        if {"--help", "--quiet"} & set(parameter.opts):
            continue
        name, text = record
        told = _TOLD.search(text)
        default, limits = _limited((told[1] or told[2]) if told else "")
        meaning = _TOLD.sub("", text) + limits
        rows.append(f"| {_cell(name, is_code=True)} | {_cell(default)} | {_cell(meaning)} |")
    usage = " ".join(command.collect_usage_pieces(context))
    table = ["| option | default | meaning |", "|---|---|---|", *rows] if rows else []
    return (
        "\n".join(["```text", f"parity {command.name} {usage}", "```", "", *table]).rstrip() + "\n"
    )


def _limited(told: str) -> tuple[str, str]:
    """Returns the default and a sentence on the range, of what click tells: "(1024); x>=1"."""
    parts = told.split("; ")
    limits = parts.pop() if re.search(r"\bx\b[<>]=", parts[-1]) else ""
    default = re.sub(r"^(\d+)\.0$", r"\1", "; ".join(parts))
    if default.startswith("(") and default.endswith(")"):
        default = default[1:-1]  # click's brackets around a default that is a text
    limits = re.sub(r"^x>=(\S+)$", r" It is at least \1.", limits)
    return default, re.sub(r"^(\S+)<=x<=(\S+)$", r" It is \1 to \2.", limits)


def _cell(text: str, *, is_code: bool = False) -> str:
    text = " ".join(text.split()).replace("|", "\\|")
    if is_code:
        return f"`{text}`"
    outside = [re.sub(r"--[a-z][a-z-]*", r"`\g<0>`", part) for part in text.split("`")[::2]]
    inside = [f"`{part}`" for part in text.split("`")[1::2]]
    return "".join(itertools.chain(*itertools.zip_longest(outside, inside, fillvalue="")))


def with_tables(page: str) -> str:
    """Returns the page with the tables of today's options.

    Raises:
        ValueError: a command has no table, or a table no command.
    """
    names = [found[2] for found in _TABLE.finditer(page)]
    if sorted(names) != sorted(COMMANDS):
        raise ValueError(
            f"docs/commands.md has tables of {sorted(names)}; expected {sorted(COMMANDS)}"
        )

    def table(found: re.Match[str]) -> str:
        command = cli.get_command(click.Context(cli), found[2])
        assert command is not None
        return found[1] + options_table(command) + found[3]

    return _TABLE.sub(table, page)


def main(arguments: list[str] | None = None) -> int:
    """Writes the page, or compares it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="compare and write nothing")
    given = parser.parse_args(arguments)
    old = PAGE.read_text(encoding="utf-8")
    new = with_tables(old)
    if given.check:
        if new != old:
            print("docs/commands.md differs; run python scripts/make_options.py", file=sys.stderr)
        return int(new != old)
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
