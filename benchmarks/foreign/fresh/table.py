"""The ports of all families."""

import importlib
from collections.abc import Iterator
from pathlib import Path

from benchmarks.foreign.case import Case

FAMILIES = ("masks", "attention", "recurrent", "outputs", "later")


def cases(work: Path) -> Iterator[Case]:
    """Yields the ports, model by model, the right ones first."""
    for family in FAMILIES:
        package = f"benchmarks.foreign.fresh.{family}"
        table = importlib.import_module(f"{package}.cases")
        for model in dict.fromkeys(table.RIGHT.values()):
            keras = f"{package}.keras_models:{model}"
            for name, of in table.RIGHT.items():
                if of == model:
                    yield Case(model, name, keras, f"{package}.right:{name}")
            for name, one in table.WRONG.items():
                if one.model == model:
                    torch = f"{package}.wrong:{name}"
                    yield Case(model, name, keras, torch, one.mistake, causes=one.names)
