"""Completion in the shell: names of scenarios, divergences, variants, parts, and files.

Imports nothing slow, since the user waits for the answer after pressing a key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import click
from click.shell_completion import CompletionItem

from parity.ladder.levels import LEVELS

DATA = ("embedded", "mnist")  # sources with a name

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def scenarios(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Completes the name of a scenario that is not given yet."""
    from parity.programs.scenarios import SCENARIOS

    return _not_given({n: s.summary for n, s in SCENARIOS.items()}, context, parameter, incomplete)


def programs(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Completes the name of a scenario or a program that is not given yet."""
    from parity.programs.scenarios import SCENARIOS

    summaries = {name: found.summary for name, found in SCENARIOS.items()}
    return _not_given({**_own_programs(), **summaries}, context, parameter, incomplete)


def _own_programs() -> dict[str, str]:
    from pathlib import Path

    from parity.errors import InputError
    from parity.programs.tool_table import read_tool_table

    try:
        table = read_tool_table(Path.cwd())
    except InputError:  # the command itself tells it
        return {}
    return {name: f"{found.keras} and {found.torch}" for name, found in table.programs.items()}


def _not_given(
    summaries: Mapping[str, str],
    context: click.Context,
    parameter: click.Parameter,
    incomplete: str,
) -> list[CompletionItem]:
    given = context.params.get(parameter.name or "")
    taken = given if isinstance(given, tuple) else ()
    left = {name: summary for name, summary in summaries.items() if name not in taken}
    return _items(left, incomplete)


def divergences(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Completes the ID of a divergence, in upper or lower case, or its slug."""
    return _items(divergence_names(), incomplete)


def divergence_names() -> Mapping[str, str | None]:
    """Returns the IDs of the divergences with their slugs, and the slugs."""
    from parity.divergences.names import SLUGS

    return {**SLUGS, **dict.fromkeys(SLUGS.values())}


def variants() -> Mapping[str, str]:
    """Returns the variants of a benchmark with a summary of each."""
    from parity.programs.variants import VARIANTS

    return {name: variant.summary for name, variant in VARIANTS.items()}


def parts() -> Iterable[str]:
    """Returns the parts of a training that a benchmark times."""
    from parity.programs.bench_spec import PARTS

    return PARTS


def precisions() -> Iterable[str]:
    """Returns the precisions of a benchmark."""
    from parity.programs.bench_spec import PRECISIONS

    return PRECISIONS


def levels() -> Mapping[str, str]:
    """Returns the levels of the ladder with what they compare."""
    return {row.id: row.compares for row in LEVELS}


def one_of(names: Callable[[], Iterable[str]]) -> Completer:
    """Returns a completer for one of the names."""

    def complete(
        context: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return _items(_with_summaries(names()), incomplete)

    return complete


def several_of(names: Callable[[], Iterable[str]]) -> Completer:
    """Returns a completer for the last name in a list with commas."""

    def complete(
        context: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",")
        given = before.split(",")
        summaries = {
            before + comma + name: summary
            for name, summary in _with_summaries(names()).items()
            if name not in given
        }
        return _items(summaries, before + comma + last)

    return complete


def files(*names: str) -> Completer:
    """Returns a completer for one of the names, or for a path if no name fits."""

    def complete(
        context: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        found = _items(dict.fromkeys(names), incomplete)
        return found or [CompletionItem(incomplete, type="file")]

    return complete


def _with_summaries(names: Iterable[str]) -> Mapping[str, str | None]:
    return names if isinstance(names, Mapping) else dict.fromkeys(names)


def _items(summaries: Mapping[str, str | None], incomplete: str) -> list[CompletionItem]:
    return [
        CompletionItem(name, help=summary)
        for name, summary in summaries.items()
        if name.upper().startswith(incomplete.upper())
    ]
