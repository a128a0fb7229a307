"""Texts of settings that differ between the halves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from parity.divergences.names import module_text

if TYPE_CHECKING:
    from parity.ladder.result import Result

NUMBERED = re.compile(r"\d+(\.\d+)*(#\d+)?")  # path of a module in nested nn.Sequential


def setting_texts(result: Result) -> list[str]:
    """Returns the different settings of both halves, even after the first divergence."""
    texts = []
    for row in result.settings:
        (keras, torch), *more = row["layers"]
        name = row["name"]
        if keras == row["keras"] or torch == row["torch"]:  # the class itself is another one
            keras, torch = "Keras", "the port"
        elif keras == torch:  # an optimizer of the same name in both
            name, keras, torch = f"{name} of {keras}", "Keras", "the port"
        elif row.get("module") or NUMBERED.fullmatch(torch):
            torch = module_text(torch, row.get("module", ""))
        text = f"{row['id']}  {name}: {row['keras']} in {keras}, {row['torch']} in {torch}"
        texts.append(f"{text}, also in {len(more)} more" if more else text)
    return texts
