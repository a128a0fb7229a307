"""Loss, metrics and callbacks of a program as source in plain torch, as far as they have a form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from parity.ports.form import literal
from parity.ports.plain_rules import as_rule, callback, metric
from parity.ports.train_text import written
from parity.ports.watched import all_names, names_of_epoch, without_watched
from torch_impl.keras_config.compiled import Training


def loss_of(training: Training, left_out: list[str]) -> str | None:
    """Returns the loss, or those of several outputs in one; None if there is none.

    Args:
        training: all that was planned.
        left_out: gets a sentence for a loss that has no plain form.
    """
    if training.loss is None:
        return None
    try:
        text = as_rule(written(training.loss))
    except ValueError as error:
        left_out.append(f"the loss: {error}")
        return None
    if not isinstance(training.loss, Mapping):
        return text
    weights = training.settings.get("loss_weights")
    return f"rules.OutputLosses({', '.join([text, *([written(weights)] if weights else [])])})"


def callbacks_of(
    training: Training,
    measured: Any,
    left_out: list[str],
    outputs: Sequence[str],
    *,
    has_optimizer: bool,
) -> dict[str, str]:
    """Returns the callbacks that watch what an epoch has, by the names of arguments.

    Args:
        training: all that was planned.
        measured: the metrics that have a plain form.
        left_out: gets a sentence for each callback that has none.
        outputs: names of the outputs.
        has_optimizer: whether there is one, on which some callbacks act.
    """
    found: dict[str, str] = {}
    known = names_of_epoch(training.loss, {"metrics": measured}, outputs)
    left_out += without_watched(training, known, all_names(training, outputs))
    plans = training.schedulers if has_optimizer else []
    schedulers = [text for plan in plans if (text := _tried(callback, plan, left_out))]
    if schedulers:
        found["schedulers"] = f"[{', '.join(schedulers)}]"
    if training.early_stopping is not None:
        text = _tried(callback, training.early_stopping, left_out)
        found |= {"early_stopping": text} if text else {}
    return found


def metrics_of(training: Training, left_out: list[str]) -> tuple[dict[str, str], Any]:
    """Returns the argument of the metrics, as source, and the plans of those that have a form.

    Args:
        training: all that was planned.
        left_out: gets a sentence for each metric that has none.
    """
    if "weighted_metrics" in training.settings:
        left_out.append("the metrics that count samples by their weights")
    plans = training.settings.get("metrics", [])
    parts = {
        name: _written_metrics(each, left_out)
        for name, each in (plans if isinstance(plans, Mapping) else {"": plans}).items()
    }
    texts = {
        name: f"[{', '.join(text for _, text in part)}]" for name, part in parts.items() if part
    }
    measured: Any = {name: [plan for plan, _ in part] for name, part in parts.items()}
    if not isinstance(plans, Mapping):
        return ({"metrics": texts[""]} if texts else {}), measured[""]
    inner = ", ".join(f"{literal(name)}: {text}" for name, text in texts.items())
    return ({"metrics": f"{{{inner}}}"} if texts else {}), measured


def _written_metrics(plans: Any, left_out: list[str]) -> list[tuple[Any, str]]:
    """Returns each metric with its source, but for those that have none."""
    plans = plans if isinstance(plans, list) else [plans]
    return [(plan, text) for plan in plans if (text := _tried(metric, plan, left_out))]


def _tried(write: Callable[[Any], str], plan: Any, left_out: list[str]) -> str | None:
    """Returns source; None, with the reason, if there is no plain form."""
    try:
        return write(plan)
    except ValueError as error:
        left_out.append(str(error))
        return None
