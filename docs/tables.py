"""The two pages that are tables of the program: its scenarios, and the divergences that it knows.

In: `parity.programs.scenarios.SCENARIOS` and `parity.divergences.REGISTRY`. Out: Markdown, put into
a page where it has the comment `<!-- scenarios -->` or `<!-- divergences -->`.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from parity import divergences
from parity.divergences.divergence import Divergence
from parity.programs import scenarios
from parity.programs.run_spec import RunSpec
from parity.programs.scenarios import Scenario
from parity.report.text.tables import GROUPS


def insert(app: Any, docname: str, source: list[str]) -> None:
    """Puts a table in the place of its comment, as Sphinx reads a page."""
    for name, (table, module) in TABLES.items():
        comment = f"<!-- {name} -->"
        if comment in source[0]:
            source[0] = source[0].replace(comment, table())
            for file in (module.__file__, __file__):  # a change of the table builds the page anew
                app.env.note_dependency(file)


def scenario_table() -> str:
    """Returns a section for each group of scenarios, and in it one for each scenario."""
    blocks = []
    for heading, group in GROUPS.items():
        blocks.append(f"## {heading}")
        blocks += [_scenario(name, found) for name, found in group.items()]
    return "\n\n".join(blocks)


def _scenario(name: str, found: Scenario) -> str:
    told = [found.summary]
    if found.expected is not None:
        told.append(f"- expected: {found.expected.replace('_', ' ')}, with {found.num_seeds} seeds")
    if found.cures is not None:
        told.append(f"- cures: [{found.cures}](#{found.cures})")
    told.append(f"- settings: {', '.join(f'`{setting}`' for setting in _settings(found.spec))}")
    head, *rows = told
    return f"({name})=\n\n### `{name}`\n\n{head}\n\n" + "\n".join(rows)


def _settings(spec: RunSpec) -> list[str]:
    """What a spec sets that a plain RunSpec has otherwise, as Python writes it."""
    return [
        f"{field.name}={getattr(spec, field.name)!r}"
        for field in dataclasses.fields(spec)
        if field.name != "scenario" and getattr(spec, field.name) != field.default
    ]


def divergence_table() -> str:
    """Returns a section for each level of the ladder, and in it what is first visible there."""
    entries = divergences.REGISTRY.values()
    blocks = []
    for level in dict.fromkeys(entry.level for entry in entries):
        blocks.append(f"## First visible at the level {level}")
        for entry in entries:
            if entry.level == level:
                blocks.append(
                    f"({entry.id.lower()})=\n\n### {entry.id} {entry.slug}: {entry.title}\n\n"
                    + _divergence(entry)
                )
    return "\n\n".join(blocks)


def _divergence(entry: Divergence) -> str:
    """Returns both ways of computing, the fix and the source, as a list."""
    rows = {"In Keras": entry.keras, "In torch": entry.torch, "Fix": entry.fix}
    lines = [f"- **{label}**: {_formula(text)}" for label, text in rows.items()]
    source = [] if entry.source == "-" else [f"- **Source**: {entry.source}"]
    return "\n".join([*lines, *source])


def _formula(text: str) -> str:
    """Returns a text as code if it has a formula or a call, and as it is if it has words only."""
    text = " ".join(text.split())
    return f"`{text}`" if re.search(r"[=()\[\]*_<>]|\w\.\w", text) else text


TABLES = {
    "scenarios": (scenario_table, scenarios),
    "divergences": (divergence_table, divergences),
}
