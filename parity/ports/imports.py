"""Import statements in the order of formatters."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from parity.ports.wrapping import WIDTH


def imported(names: Mapping[str, tuple[str, str]]) -> str:
    """Returns the import statements of a file.

    Args:
        names: as the file has them -> (module, its name there; "" for the module itself).
    """
    sections = []
    for is_standard in (True, False):
        own = {
            name: (module, inner)
            for name, (module, inner) in names.items()
            if (module.partition(".")[0] in sys.stdlib_module_names) == is_standard
            and module != "__future__"
        }
        whole = {name: module for name, (module, inner) in own.items() if not inner}
        lines = [
            f"import {module}" if name == module else f"import {module} as {name}"
            for name, module in sorted(whole.items(), key=lambda pair: pair[1])
        ]
        by_module: dict[str, list[str]] = {}
        for name, (module, inner) in own.items():
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
