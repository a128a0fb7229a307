"""What a Keras model was compiled with, as parts of a Port: planned, so that they can be built.

What `compile` was given, or the facts of a trace, goes in. A `Training` comes out, whose parts
`Port.from_keras` builds and `parity port` writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch_impl import schedule
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.training import (
    planned_callback,
    planned_loss,
    planned_metric,
    planned_optimizer,
    planned_rate,
)

_KINDS = ("metrics", "weighted_metrics")
_ONE = "output"  # name of the only output, where its loss has a weight


@dataclass(frozen=True)
class Compiled:
    """What `compile` and `fit` were given, in the words of Keras's configs.

    Attributes:
        optimizer: what `keras.optimizers.serialize` says; None: there is none.
        loss: a name or a config, or a nest of these by output; None: there is none.
        loss_weights: a number, or a nest.
        metrics: names and configs, or a nest of these by output.
        weighted_metrics: likewise.
        outputs: names of the outputs, in the order in which the model returns them; empty: they
            are not known.
        callbacks: class and attributes of each.
        class_weight: from label to weight; None: there is none.
        left_out: classes of callbacks of which no more is known.
        rules: "LAYER.kernel_regularizer" and the like, which are in no compile config.
    """

    optimizer: Any = None
    loss: Any = None
    loss_weights: Any = None
    metrics: Any = None
    weighted_metrics: Any = None
    outputs: Sequence[str] = ()
    callbacks: Sequence[tuple[str, Mapping[str, Any]]] = ()
    class_weight: Mapping[int, float] | None = None
    left_out: Sequence[str] = ()
    rules: Sequence[str] = ()


@dataclass
class Training:
    """The parts of a Port, planned.

    Attributes:
        loss: of the only output, or by output or in order.
        optimizer: without its parameters.
        schedulers: without the optimizer.
        early_stopping: without the module.
        settings: other arguments of a Port, by name. Metrics are names and plans.
        problems: argument of the Port, and why it cannot be planned, in a sentence.
    """

    loss: Any = None
    optimizer: Planned | None = None
    schedulers: list[Planned] = field(default_factory=list)
    early_stopping: Planned | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    problems: list[tuple[str, str]] = field(default_factory=list)


def compiled_of_facts(facts: Mapping[str, Any]) -> Compiled:
    """Returns what the facts of a trace of the Keras half say."""
    loss = facts.get("loss") or {}
    outputs = loss.get("outputs") or {}
    optimizer = facts.get("optimizer")
    told, measured = facts.get("schedule") or {}, facts.get("metrics") or {}
    weights = {name: each["weight"] for name, each in outputs.items()}
    class_weight = loss.get("class_weight")
    return Compiled(
        optimizer=optimizer and {"class_name": optimizer["class"], "config": optimizer["config"]},
        loss={name: _one(each) for name, each in outputs.items()} or (_one(loss) if loss else None),
        loss_weights=weights if any(weight != 1.0 for weight in weights.values()) else None,
        metrics=measured.get("metrics"),
        weighted_metrics=measured.get("weighted_metrics"),
        outputs=[each["name"] for each in facts.get("outputs") or []],
        callbacks=[
            (each["class"], {key: value for key, value in each.items() if key != "class"})
            for each in told.get("callbacks", [])
        ],
        class_weight=class_weight and {int(k): v for k, v in class_weight.items()},
        left_out=told.get("not_compared", []),
    )


def _one(loss: Mapping[str, Any]) -> Any:
    return loss["config"] if loss["config"].get("class_name") else loss["name"]


def planned(compiled: Compiled) -> Training:
    """Plans all parts, and says of which there is no plan."""
    found = Training()
    _plan_loss(compiled, found)
    _plan_optimizer(compiled, found)
    for name, settings in compiled.callbacks:
        _plan_callback(name, settings, found)
    for kind in _KINDS:
        _plan_metrics(kind, getattr(compiled, kind), found)
    if len(compiled.outputs) > 1:
        found.settings["output_names"] = list(compiled.outputs)
    if compiled.class_weight:
        found.settings["class_weight"] = dict(compiled.class_weight)
    return found


def _plan_loss(compiled: Compiled, found: Training) -> None:
    loss, weights = compiled.loss, compiled.loss_weights
    if loss is None:
        return
    if len(compiled.outputs) > 1 and not _is_nest(loss):  # one loss is for all outputs
        loss = dict.fromkeys(compiled.outputs, loss)
    elif len(compiled.outputs) < 2 and (one := _only(loss)) is not None:
        weight = None if weights is None else _only(weights)
        loss, weights = one, None
        if weight not in (None, 1.0):
            name = next(iter(compiled.outputs), _ONE)
            loss, weights = {name: one}, {name: float(weight)}
    elif isinstance(loss, list | tuple) and not compiled.outputs:
        why = "the losses are in a list, and the names of the outputs are not known"
        found.problems.append(("loss", f"{why}: expected the file of the model"))
        return
    found.loss = _each(loss, lambda x: _tried("loss", planned_loss, x, found))
    if weights is not None:
        found.settings["loss_weights"] = weights


def _plan_optimizer(compiled: Compiled, found: Training) -> None:
    config = compiled.optimizer
    if config is None:
        return
    if isinstance(config, str):
        config = {"class_name": config, "config": {}}
    try:
        planned_rate((config.get("config") or {}).get("learning_rate", 0.001))
    except ValueError as error:
        found.problems.append(("optimizer", str(error)))
        config = {**config, "config": {**config["config"], "learning_rate": 0.001}}
    found.optimizer = _tried("optimizer", planned_optimizer, config, found)


def _plan_callback(name: str, settings: Mapping[str, Any], found: Training) -> None:
    try:
        plan = planned_callback(name, settings)
    except ValueError as error:
        found.problems.append(("callbacks", str(error)))
        return
    if plan.kind is schedule.EarlyStopping:
        found.early_stopping = plan
    else:
        found.schedulers.append(plan)


def _plan_metrics(kind: str, given: Any, found: Training) -> None:
    made = _each(given, lambda config: _tried(kind, planned_metric, config, found))
    if measured := _without_none(made):
        found.settings[kind] = measured


def _tried(part: str, plan: Callable[[Any], Any], config: Any, found: Training) -> Any:
    """Returns a plan; None, with the reason among the problems, if there is none."""
    if config is None:
        return None
    try:
        return plan(config)
    except ValueError as error:
        found.problems.append((part, str(error)))
        return None


def _is_nest(value: Any) -> bool:
    return isinstance(value, list | tuple) or (isinstance(value, Mapping) and not _is_config(value))


def _is_config(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("class_name"), str)


def _only(nest: Any) -> Any:
    """Returns what a nest holds if it is one thing alone; None: it is none, or several."""
    while _is_nest(nest):
        inner = list(nest.values() if isinstance(nest, Mapping) else nest)
        if len(inner) != 1:
            return None
        nest = inner[0]
    return nest


def _each(nest: Any, change: Callable[[Any], Any]) -> Any:
    """Returns a nest with every name or config in it changed."""
    if isinstance(nest, Mapping) and not _is_config(nest):
        return {name: _each(part, change) for name, part in nest.items()}
    if isinstance(nest, list | tuple):
        return [_each(part, change) for part in nest]
    return change(nest)


def _without_none(nest: Any) -> Any:
    if isinstance(nest, Mapping):
        kept = {name: _without_none(part) for name, part in nest.items()}
        return kept if any(kept.values()) else {}
    if isinstance(nest, list):
        return [_without_none(part) for part in nest if part is not None]
    return nest
