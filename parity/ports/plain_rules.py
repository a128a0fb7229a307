"""Rules of a training as source in plain torch: losses, optimizers, schedules, metrics."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from parity.ports.form import Parameter, arguments, defaults_of, literal, readable, told
from parity.ports.plain import arguments_of
from parity.ports.wrapping import with_texts
from torch_impl import metrics
from torch_impl.keras_config.planned import Planned
from torch_impl.plain import callbacks, losses, optimizers, schedules

_HOMES = {"losses": losses, "optim": optimizers, "schedule": schedules}
_CALL = re.compile(rf"\b({'|'.join(_HOMES)})\.(\w+)\(")
_CLIPS = {
    "clipnorm": "clip_norm",
    "clipvalue": "clip_value",
    "global_clipnorm": "clip_global_norm",
}
_ACTS_ON = {"ReduceLROnPlateau": "optimizer", "EarlyStopping": "model"}
_REDUCTIONS = ("sum_over_batch_size", "sum")
_STOCK_SGD = re.compile(r"optim\.SGD\(model\.parameters\(\), learning_rate=([\d.e-]+)\)")


def as_rule(text: str) -> str:
    """Returns source with the losses, optimizers and schedules of `torch_impl` in plain torch.

    Raises:
        ValueError: one of them has no plain form.
    """
    stock = _STOCK_SGD.fullmatch(text)
    if stock is not None:  # torch computes the same
        return f"torch.optim.SGD(model.parameters(), lr={stock[1]})"
    for setting, name in _CLIPS.items():
        text = _replaced(text, rf"\b{setting}=([\d.e-]+)", rf"clip=rules.{name}(\1)")
    for call in ast.walk(ast.parse(text, mode="eval")):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            home = getattr(call.func.value, "id", "")
            if home in _HOMES:
                _check(getattr(_HOMES[home], call.func.attr, None), call)
    return _replaced(text, _CALL, r"rules.\2(")


def _replaced(text: str, pattern: str | re.Pattern[str], by: str) -> str:
    """Returns source with something else in the place of code, and not of texts."""
    return with_texts(text, lambda told: [re.sub(pattern, by, told)])[0]


def _check(part: Any, call: ast.Call) -> None:
    assert isinstance(call.func, ast.Attribute)
    if part is None:
        raise ValueError(f"{call.func.attr} has no plain form")
    for each in call.keywords:
        value = ast.unparse(each.value)
        is_known = each.arg in arguments_of(part)
        if not is_known or (each.arg == "reduction" and ast.literal_eval(value) not in _REDUCTIONS):
            raise ValueError(f"{call.func.attr} with {each.arg}={value} has no plain form")


def callback(plan: Planned) -> str:
    """Returns the source of a callback that watches a metric.

    Args:
        plan: of a rule of `torch_impl.schedule`, without what it acts on.

    Raises:
        ValueError: it has no plain form, or the name of the metric does not say whether more is
            better.
    """
    kind = plan.kind.__name__
    of = _ACTS_ON.get(kind)
    if of is None:
        raise ValueError(f"the callback {kind}: it has no plain form")
    part: Any = getattr(callbacks, kind)
    own = {key: value for key, value in plan.settings.items() if key in arguments_of(part)}
    if own.get("mode", "auto") == "auto":
        try:
            is_less = _is_less_better(str(own.get("monitor", "val_loss")))
        except ValueError as error:
            raise ValueError(f"the callback {kind}: {error}") from None
        own["mode"] = "min" if is_less else "max"
    short = told(Planned(part, **own))
    settings = {
        key: Parameter(readable(each)) if isinstance(each, float) else each
        for key, each in short.settings.items()
    }
    given = arguments(*short.arguments, **settings)
    return f"rules.{kind}({', '.join(filter(None, [of, given]))})"


def _is_less_better(monitor: str) -> bool:
    from torch_impl.schedule.monitor import Monitor

    return Monitor(monitor, "auto", 0.0).is_better(0.0, 1.0)


def metric(plan: str | Planned) -> str:
    """Returns the source of a metric of `compile(metrics=...)`.

    Args:
        plan: its name, or its plan.

    Raises:
        ValueError: it has no plain form.
    """
    if isinstance(plan, str) and plan.lower() in ("accuracy", "acc"):
        return f"rules.Average({literal(plan)}, rules.accuracy)"
    if isinstance(plan, str):
        kind, name, settings = type(metrics.from_config(plan)), plan, {}
    else:
        made = plan.build()
        kind, name = type(made), made.name
        defaults = defaults_of(Planned(kind))
        settings = {
            key: each
            for key, each in _settings_of(plan).items()
            if key in defaults and key not in ("name", "dtype") and each != defaults[key]
        }
    shown = f"the metric {name!r}: {kind.__name__}"
    row = _METRICS.get(kind.__name__)
    if row is None:
        raise ValueError(f"{shown} has no plain form")
    function, known = row
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise ValueError(f"{shown} with {', '.join(unknown)} has no plain form")
    return function(literal(name), kind.__name__, settings)


def _settings_of(plan: Planned) -> Mapping[str, Any]:
    """Returns the settings of a metric, also of one that is made of a config."""
    if plan.kind is not metrics.from_config:
        return plan.settings
    settings = plan.arguments[0]["config"]
    return settings if isinstance(settings, Mapping) else {}


_Row = tuple[Callable[[str, str, Mapping[str, Any]], str], Sequence[str]]


def _of_function(function: str) -> _Row:
    return lambda name, kind, settings: f"rules.Average({name}, rules.{function})", ()


def _of_top_k(function: str) -> _Row:
    def row(name: str, kind: str, settings: Mapping[str, Any]) -> str:
        return f"rules.Average({name}, rules.{function}({literal(settings.get('k', 5))}))"

    return row, ("k",)


def _of_loss(loss: str, *known: str) -> _Row:
    def row(name: str, kind: str, settings: Mapping[str, Any]) -> str:
        return f"rules.Average({name}, rules.{loss}({arguments(**settings)}).per_sample)"

    return row, known


def _of_class(*known: str) -> _Row:
    def row(name: str, kind: str, settings: Mapping[str, Any]) -> str:
        given = ", ".join(filter(None, [name, arguments(**settings)]))
        return f"rules.{kind}({given})"

    return row, known


_METRICS: dict[str, _Row] = {
    "BinaryAccuracy": _of_function("binary_accuracy"),
    "CategoricalAccuracy": _of_function("categorical_accuracy"),
    "SparseCategoricalAccuracy": _of_function("sparse_categorical_accuracy"),
    "TopKCategoricalAccuracy": _of_top_k("top_k_categorical_accuracy"),
    "SparseTopKCategoricalAccuracy": _of_top_k("sparse_top_k_categorical_accuracy"),
    "MeanSquaredError": _of_loss("MeanSquaredError"),
    "MeanAbsoluteError": _of_loss("MeanAbsoluteError"),
    "MeanAbsolutePercentageError": _of_loss("MeanAbsolutePercentageError"),
    "MeanSquaredLogarithmicError": _of_loss("MeanSquaredLogarithmicError"),
    "LogCoshError": _of_loss("LogCosh"),
    **{
        name: _of_loss(name)
        for name in ("Hinge", "SquaredHinge", "CategoricalHinge", "KLDivergence", "Poisson")
    },
    "BinaryCrossentropy": _of_loss("BinaryCrossentropy", "from_logits", "label_smoothing"),
    "CategoricalCrossentropy": _of_loss(
        "CategoricalCrossentropy", "from_logits", "label_smoothing"
    ),
    "SparseCategoricalCrossentropy": _of_loss("SparseCategoricalCrossentropy", "from_logits"),
    "RootMeanSquaredError": _of_class(),
    "Precision": _of_class("thresholds"),
    "Recall": _of_class("thresholds"),
    "AUC": _of_class("num_thresholds"),
}
