"""The functions of `LearningRateScheduler` that the user has written, copied into train.py."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from parity.ports.form import Parameter
from parity.ports.names import attribute, distinct
from parity.ports.own.facts import Facts
from parity.ports.own.stub_text import place_of
from parity.ports.wrapping import commented, head
from torch_impl.keras_config.compiled import Compiled

_CALLBACK = "LearningRateScheduler"
_TYPES = ("int", "float")  # of the epoch, and of the rate before


class _Function(Parameter):
    """The name of a function, in the place of the function of a callback."""

    def __call__(self, epoch: int, rate: float) -> float:
        """Stands for the function, of which only the name is needed."""
        raise NotImplementedError(f"{self.name} is called in train.py alone")


def with_own_rates(
    compiled: Compiled, facts: Mapping[str, Any], taken: Collection[str]
) -> tuple[Compiled, list[str]]:
    """Returns what is compiled, whose callbacks know their functions, and the source of these.

    Args:
        compiled: of the trace of the Keras half.
        facts: of the same trace.
        taken: names that the source has itself.
    """
    told = iter(facts.get("own", {}).get("rates", []))
    callbacks, texts = [], list[str]()
    names = set(taken)
    for kind, settings in compiled.callbacks:
        rate = next(told, None) if kind == _CALLBACK else None
        if rate is not None:
            name = distinct(attribute(re.sub(r"\W", "_", rate["name"])), names)
            names.add(name)
            texts.append(rate_text(name, rate))
            settings = {**settings, "schedule": _Function(name)}
        callbacks.append((kind, settings))
    return replace(compiled, callbacks=callbacks), texts


def rate_text(name: str, told: Facts) -> str:
    """Returns the source of a function.

    Args:
        name: of it.
        told: of the Keras half.
    """
    parts = []
    for number, (parameter, default) in enumerate(told["parameters"]):
        kind = f": {_TYPES[number]}" if number < len(_TYPES) and default is None else ""
        parts.append(f"{parameter}{kind}" if default is None else f"{parameter}={default}")
    lines = head(f"def {name}({', '.join(parts)}) -> float:")
    if place := place_of(told["source"]):
        lines += commented(f"The code of the Keras program{place}.", "    ")
    lines += [f"    {key} = {value}" for key, value in told["values"].items()]
    return "\n".join([*lines, textwrap.indent(told["body"], "    ")])
