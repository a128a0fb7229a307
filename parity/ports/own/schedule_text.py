"""The stub of a learning rate schedule of the user's own, with which an optimizer is planned."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from parity.ports.form import Parameter
from parity.ports.names import attribute
from parity.ports.own.facts import Facts
from parity.ports.own.stub_text import INDENT, PLACE, place_of, quoted, raised
from parity.ports.wrapping import commented, docstring, head, wrapped
from torch_impl.keras_config.compiled import Compiled

_CUT = "..."  # a value that was too long to be told begins so


def with_own_schedule(
    compiled: Compiled, facts: Mapping[str, Any], taken: Collection[str], *, plain: bool = False
) -> tuple[Compiled, list[str]]:
    """Returns what is compiled, with the stub as the rate, and the source of the stub.

    Args:
        compiled: of the trace of the Keras half.
        facts: of the same trace.
        taken: names that the source has itself.
        plain: whether the source imports nothing of `torch_impl`.

    Returns:
        If the schedule is Keras's, or a number: what is compiled as it was, and no source.
    """
    told = facts.get("own", {}).get("schedules", {})
    optimizer = compiled.optimizer
    if not told or not isinstance(optimizer, Mapping):
        return compiled, []
    ((name, own),) = told.items()
    known = attribute(re.sub(r"\W", "_", name))
    known = f"{known}_" if known in taken else known
    config = {**optimizer["config"], "learning_rate": Parameter(f"{known}()")}
    changed = replace(compiled, optimizer={**optimizer, "config": config})
    return changed, [schedule_text(known, own, plain=plain)]


def schedule_text(name: str, told: Facts, *, plain: bool) -> str:
    """Returns the source of a schedule.

    Args:
        name: of the class.
        told: of the Keras half.
        plain: whether it is called by an optimizer of plain torch, with the step alone.
    """
    place = place_of(told["source"])
    lines = [f"class {name}:" if plain else f"class {name}(schedule.LearningRateSchedule):"]
    lines += docstring(f"Keras's {told['class']}{place}; its rate is to be written.", "    ")
    values = {key: text for key, text in told["values"].items() if key.isidentifier()}
    settings = {key: text for key, text in values.items() if not text.startswith(_CUT)}
    others = [f"self.{key} = {text}" for key, text in values.items() if key not in settings]
    others += [f"self.{key} is an object of {kind} in Keras" for key, kind in told["held"].items()]
    if settings:
        lines += ["", *head("    def __init__(self) -> None:")]
        for key, text in settings.items():
            lines += wrapped(f"{INDENT}self.{key} = {text}")
    if plain:
        lines += ["", *head("    def __call__(self, step: int) -> float:")]
        what = "the rate of a step; step is the number of earlier steps, 0 at first"
    else:
        lines += ["", *head("    def _rate(self, step: Any, number: Any) -> Any:")]
        what = (
            "the rate of a step; step is the number of earlier steps, 0 at first, as a number of "
            "the type `number`, which is np.float32, in which Keras computes a rate, or np.float64"
        )
    lines += commented(f"{PLACE}: {what}.", INDENT)
    lines += [line for text in others for line in commented(text, INDENT)]
    lines += quoted(told["source"])
    lines += raised(f"{name}, the schedule, is to be written: as Keras computes it{place}")
    return "\n".join(lines)
