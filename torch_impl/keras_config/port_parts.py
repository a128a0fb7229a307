"""The arguments of a Port that trains a module as a compiled Keras model is trained."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from torch_impl.errors import PortError
from torch_impl.keras_config.compiled import Compiled, Training, planned
from torch_impl.keras_config.compiled_config import compiled_in
from torch_impl.keras_config.graph import is_own
from torch_impl.keras_config.planned import Planned
from torch_impl.layouts import joined_parameters
from torch_impl.optim import KerasOptimizer

# Arguments of a Port that go with another one: who gives that one gives these.
_WITH = {"loss_weights": "loss"}
_DO = {"callbacks": "leave it out of callbacks=[...]"}


def port_parts(
    module: nn.Module,
    source: Any,
    callbacks: Iterable[Any] | None,
    given: Mapping[str, Any],
) -> dict[str, Any]:
    """Returns loss, optimizer, schedulers and metrics by the names that `Port` has for them.

    Args:
        module: its parameters are trained.
        source: see `compiled_in`.
        callbacks: see `Port.from_keras`.
        given: arguments of the Port that the user gives, which come first.

    Raises:
        PortError: parts cannot be made, with all reasons.
    """
    compiled = compiled_in(source)
    told = list(compiled.callbacks if callbacks is None else map(_callback, callbacks))
    training = planned(_with(compiled, told, given))
    problems = [
        f"{sentence}; {_DO.get(name, f'give {name}=...')}"
        for name, sentence in training.problems
        if name not in given and _WITH.get(name, name) not in given
    ]
    made: dict[str, Any] = {}
    if not problems:
        made = _built(module, training, given, problems)
    if problems:
        problems = list(dict.fromkeys(problems))
        lines = [f"{len(problems)} parts of the Keras model have none here:", *problems]
        raise PortError(problems[0] if len(problems) == 1 else "\n- ".join(lines))
    _warn(compiled, callbacks is None, given)
    return {**made, **given}


def _with(compiled: Compiled, callbacks: Sequence[Any], given: Mapping[str, Any]) -> Compiled:
    names = given.get("output_names")
    return replace(compiled, callbacks=callbacks, outputs=names or compiled.outputs)


def _built(
    module: nn.Module, training: Training, given: Mapping[str, Any], problems: list[str]
) -> dict[str, Any]:
    """Builds what is planned; what cannot be built is added to the problems."""
    made = {}

    def build(name: str, nest: Any, *first: Any) -> Any:
        if isinstance(nest, Planned):
            try:
                return nest.on(*first).build()
            except (ValueError, TypeError) as error:
                problems.append(f"{nest.kind.__name__}: {error}; give {name}=...")
                return None
        if isinstance(nest, Mapping):
            return {key: build(name, part) for key, part in nest.items()}
        return [build(name, part) for part in nest] if isinstance(nest, list) else nest

    for name, nest in {"loss": training.loss, **training.settings}.items():
        if name not in given and _WITH.get(name, name) not in given and nest is not None:
            made[name] = build(name, nest)
    optimizer = given.get("optimizer")
    if "optimizer" not in given and training.optimizer is not None:
        optimizer = made["optimizer"] = build("optimizer", training.optimizer, module.parameters())
        if isinstance(optimizer, KerasOptimizer) and optimizer.takes_norms(optimizer.common):
            optimizer.join_norms(joined_parameters(module))
    if training.schedulers and "scheduler" not in given and not problems:
        if optimizer is None:
            problems.append(f"{training.schedulers[0].kind.__name__}: there is no optimizer")
        else:
            rules = [build("scheduler", each, optimizer) for each in training.schedulers]
            made["scheduler"] = rules[0] if len(rules) == 1 else rules
    if training.early_stopping is not None and "early_stopping" not in given:
        made["early_stopping"] = build("early_stopping", training.early_stopping, module)
    return made


def _callback(given: Any) -> tuple[str, Mapping[str, Any]]:
    """Returns the class and the attributes of a callback.

    Raises:
        PortError: it is none of Keras's.
    """
    if isinstance(given, Mapping):
        name = given.get("class_name") or given.get("class")
        settings = given.get("config") if "class_name" in given else given
        if isinstance(name, str) and isinstance(settings, Mapping) and not is_own(given):
            return name, settings
    elif str(type(given).__module__).partition(".")[0] in ("keras", "tf_keras"):
        settings = dict(vars(given))
        if "min_delta" in settings:  # a training changes its sign
            settings["min_delta"] = abs(settings["min_delta"])
        return type(given).__name__, settings
    raise PortError(
        f"the callback {given!r}: expected one of Keras's, or a dictionary such as "
        '{"class_name": "EarlyStopping", "config": {"patience": 3}}; others are for Trainer.fit'
    )


def _warn(compiled: Compiled, whole: bool, given: Mapping[str, Any]) -> None:
    """Warns of what trains the Keras model and is no part of the Port."""
    lost = list(compiled.left_out) if whole else []
    if lost:
        warnings.warn(
            f"callbacks that a Port has not: {', '.join(lost)}; they are code of the program, or "
            "change no number",
            stacklevel=4,
        )
    rules = [rule for rule in compiled.rules if "constraint" in rule or "added_loss" not in given]
    if rules:
        more = f" and {len(rules) - 6} more" if len(rules) > 6 else ""
        warnings.warn(
            f"the Keras model has {', '.join(rules[:6])}{more}, of which its compile config says "
            "nothing: penalties go into added_loss=..., see torch_impl.penalty.Penalty, and "
            "constraints are applied after each step, see torch_impl.constraints",
            stacklevel=4,
        )
