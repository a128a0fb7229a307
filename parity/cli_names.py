"""What a shell completes: names of scenarios, divergences, variants, parts, and files.

Nothing is imported that is slow: a key press waits for the answer. So the IDs of the divergences
stand here, whose formulas need numpy and scipy; a test compares them with the registry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import click
from click.shell_completion import CompletionItem

LEVELS = (
    "data",
    "structure",
    "init",
    "forward",
    "loss",
    "gradient",
    "optimizer",
    "trajectory",
    "schedule",
    "behaviour",
)
DATA = ("embedded", "mnist")  # sources with a name
DIVERGENCES = (
    *("H7", "H12", "H13", "A1", "A2", "A3", "A10", "A14c", "A14b", "A11", "A16", "A17", "A15"),
    *("B2", "B1", "B3", "B9", "B8", "A5", "A7", "A8", "A9", "A18", "C1", "C2", "C3", "C4", "C5"),
    *("A13", "A20", "A21", "C6", "C15", "C7", "C14", "A22", "A23", "N1", "N2", "D1", "D2", "C9"),
    *("C8", "D4", "D5", "D9", "D12", "D13", "E6", "E3", "E7", "F6", "F15", "A14", "F2", "F1", "F4"),
    *("F5", "F8", "C11", "F9", "E1", "E2", "E8", "F14", "F13", "G12", "G10", "G1", "G2", "G3"),
    *("G4", "G6", "G8", "G9", "G13"),
)

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def scenarios(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Completes the name of a scenario that is not given yet."""
    from parity.programs.scenarios import SCENARIOS

    given = context.params.get(parameter.name or "")
    taken = given if isinstance(given, tuple) else ()
    told = {name: found.summary for name, found in SCENARIOS.items() if name not in taken}
    return _items(told, incomplete)


def divergences(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Completes an ID, which may be begun in lower case."""
    return _items(dict.fromkeys(DIVERGENCES), incomplete.upper())


def variants() -> Mapping[str, str]:
    """Returns the variants of a benchmark with what they are."""
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


def levels() -> Iterable[str]:
    """Returns the levels of the ladder."""
    return LEVELS


def one_of(names: Callable[[], Iterable[str]]) -> Completer:
    """Returns what completes one of some names."""

    def complete(
        context: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return _items(_told(names()), incomplete)

    return complete


def several_of(names: Callable[[], Iterable[str]]) -> Completer:
    """Returns what completes the last of some names with commas between them."""

    def complete(
        context: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",")
        given = before.split(",")
        told = {
            before + comma + name: summary
            for name, summary in _told(names()).items()
            if name not in given
        }
        return _items(told, before + comma + last)

    return complete


def files(*names: str) -> Completer:
    """Returns what completes one of some names, and where none fits, a path."""

    def complete(
        context: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        found = _items(dict.fromkeys(names), incomplete)
        return found or [CompletionItem(incomplete, type="file")]

    return complete


def _told(names: Iterable[str]) -> Mapping[str, str | None]:
    return names if isinstance(names, Mapping) else dict.fromkeys(names)


def _items(told: Mapping[str, str | None], incomplete: str) -> list[CompletionItem]:
    return [
        CompletionItem(name, help=summary)
        for name, summary in told.items()
        if name.upper().startswith(incomplete.upper())
    ]
