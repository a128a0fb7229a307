"""Which numbers an epoch has, and which callbacks watch one that the port lacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch_impl.keras_config.compiled import Training
from torch_impl.keras_config.planned import Planned


def names_of_epoch(losses: Any, kinds: Mapping[str, Any], outputs: Sequence[str]) -> set[str]:
    """Returns the names in Keras's history, without those of the validation.

    Args:
        losses: plan of the loss, or of each output by its name.
        kinds: "metrics" and "weighted_metrics" -> names and plans, in a list; of several outputs
            such a list by the name of each.
        outputs: names of the outputs.
    """
    found = {"loss"}
    by_output = losses if isinstance(losses, Mapping) else {}
    own = [name for name, loss in by_output.items() if loss is not None]
    found |= {f"{name}_loss" for name in own if len(own) > 1}
    for kind, given in kinds.items():
        parts = given if isinstance(given, Mapping) else {"": given}
        for output, plans in parts.items():
            before = f"{output}_" if len(outputs) > 1 else ""
            for plan in plans or ():
                names = {name_of_metric(plan)}
                if kind == "weighted_metrics":  # if another metric has the name
                    names |= {f"weighted_{name}" for name in names}
                found |= {f"{before}{name}" for name in names}
    return found


def all_names(training: Training, outputs: Sequence[str]) -> set[str]:
    """Returns the names in the history of a program, as far as they are planned."""
    kinds = {name: training.settings.get(name, []) for name in ("metrics", "weighted_metrics")}
    return names_of_epoch(training.loss, kinds, outputs)


def name_of_metric(plan: str | Planned) -> str:
    """Returns Keras's name of a metric."""
    return plan if isinstance(plan, str) else str(plan.build().name)


def without_watched(training: Training, known: set[str], every: set[str]) -> Iterator[str]:
    """Leaves out the callbacks that watch what an epoch of the port has not.

    Args:
        training: its callbacks are changed.
        known: names of what an epoch of the port has.
        every: names of what one of the program has.

    Yields:
        A sentence for each callback that is left out.
    """

    def reason(plan: Planned) -> str:
        if "monitor" not in plan.settings:
            return ""
        monitor = str(plan.settings["monitor"])
        name = monitor.removeprefix("val_")
        if name in known or monitor in known:
            return ""
        why = "which is left out" if name in every else "which no epoch of the port has"
        return f"the callback {plan.kind.__name__}: it watches {monitor!r}, {why}"

    reasons = [(plan, reason(plan)) for plan in training.schedulers]
    training.schedulers = [plan for plan, why in reasons if not why]
    yield from (why for _, why in reasons if why)
    stopping = training.early_stopping
    if stopping is not None and (why := reason(stopping)):
        training.early_stopping = None
        yield why
