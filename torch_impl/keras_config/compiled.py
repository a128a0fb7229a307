"""What a Keras model was compiled with, read and planned as parts of a Port."""

from __future__ import annotations

import json
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from torch import nn

from torch_impl import schedule
from torch_impl.errors import PortError
from torch_impl.keras_config.graph import is_custom
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.training import (
    planned_callback,
    planned_loss,
    planned_metric,
    planned_optimizer,
    planned_rate,
)
from torch_impl.layouts import joined_parameters
from torch_impl.optim import KerasOptimizer

# --------------------------------------------------------------------------------------------------
#
# What a Keras model was compiled with, as parts of a Port: planned, so that they can be built.
#
# What `compile` was given, or the facts of a trace, goes in. A `Training` comes out, whose parts
# `Port.from_keras` builds and `parity port` writes.


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
    schedule_facts, measured = facts.get("schedule") or {}, facts.get("metrics") or {}
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
            for each in schedule_facts.get("callbacks", [])
        ],
        class_weight=class_weight and {int(k): v for k, v in class_weight.items()},
        left_out=schedule_facts.get("not_compared", []),
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


# --- What a Keras model was compiled with: read from a file, a config, or the model ---------------
#
# None of it needs Keras: a `.keras` and a bundle hold JSON, and a model is asked by its own
# methods.


EXPECTED = (
    "a .keras file, a bundle of `parity record`, model.get_compile_config() as a dictionary or as "
    "JSON text, or the Keras model"
)
_COMPILED = "compile_config"
_MOST, _MOST_DIRECTORY = 64 * 2**20, 4 * 2**20  # bytes
# What zipfile and zlib raise on damaged bytes; RuntimeError covers encryption.
_DAMAGE = (EOFError, ValueError, RuntimeError, struct.error, zipfile.BadZipFile, zlib.error)
_RULES = ("_regularizer", "_constraint")


def compiled_in(given: Any) -> Compiled:
    """Returns what a model was compiled with.

    Args:
        given: the path of a `.keras`, of a bundle, or of a file of JSON; JSON text; a dictionary: a
            compile config, or what a `.keras` holds, in which it is; or a Keras model.

    Raises:
        PortError: it is none of these, or the model is not compiled.
    """
    if callable(getattr(given, "get_compile_config", None)):
        return _of_model(given)
    if isinstance(given, str) and given.lstrip().startswith("{"):
        try:
            given = _json(given.encode())
        except ValueError as error:
            raise PortError(f"the config: no JSON that can be used: {_line(error)}") from None
    if isinstance(given, Mapping):
        return _of_config(given, "the config")
    if isinstance(given, str | Path):
        return _of_file(Path(given))
    raise PortError(f"an object of type {type(given).__name__}: expected {EXPECTED}")


def _of_file(path: Path) -> Compiled:
    try:
        with path.open("rb") as file:
            if file.read(4) == b"PK\3\4":
                config = _of_archive(file)
            else:
                file.seek(0)
                config = _json(file.read(_MOST + 1))
    except OSError as error:
        raise PortError(
            f"{path} cannot be read ({error.strerror or error}); check the path"
        ) from None
    except _DAMAGE as error:
        raise PortError(f"{path}: {_line(error)}; expected {EXPECTED}") from None
    if isinstance(facts := config.get("facts"), Mapping):  # of a bundle
        return compiled_of_facts(facts)
    return _of_config(config, str(path))


def _of_archive(file: IO[bytes]) -> Mapping[str, Any]:
    """Returns the JSON of a `.keras` or of a bundle.

    zipfile reads the directory of an archive whole, whatever its size: it is looked at before.
    """
    file.seek(-22, os.SEEK_END)
    end = file.read()
    if end[:4] != b"PK\5\6" or int.from_bytes(end[12:16], "little") > _MOST_DIRECTORY:
        raise ValueError("its directory is damaged, or too large")
    with zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if name in ("config.json", "bundle.json")]
        if len(names) != 1 or archive.getinfo(names[0]).file_size > _MOST:
            raise ValueError("it holds no description of a model, or one that is too large")
        with archive.open(names[0]) as member:
            return _json(member.read(_MOST + 1))


def _json(content: bytes) -> Mapping[str, Any]:
    """Returns a mapping.

    Raises:
        ValueError: it is none, or too large.
    """
    if len(content) > _MOST:
        raise ValueError(f"it has more than {_MOST:,} bytes")
    try:
        value = json.loads(content.decode())
    except RecursionError:
        raise ValueError("its JSON is nested too deep") from None
    if not isinstance(value, Mapping):
        raise ValueError(f"its JSON is a {type(value).__name__}, and no mapping")
    return value


def _of_config(config: Mapping[str, Any], what: str) -> Compiled:
    """Returns what a compile config says, or a whole one with a compile config in it."""
    model: Mapping[str, Any] = {}
    if _COMPILED in config or "layers" in config or "config" in config:
        model, config = config, config.get(_COMPILED) or {}
    compiled = _of_compile_config(config, what)
    return _about(compiled, model.get("config") or {})


def _of_compile_config(config: Mapping[str, Any], what: str) -> Compiled:
    if not isinstance(config, Mapping) or not (config.get("optimizer") or config.get("loss")):
        raise PortError(
            f"{what}: there is no optimizer and no loss in it, so the model is not compiled; call "
            "model.compile(...) before it is saved, or give what model.get_compile_config() returns"
        )
    return Compiled(
        optimizer=config.get("optimizer"),
        loss=config.get("loss"),
        loss_weights=config.get("loss_weights"),
        metrics=config.get("metrics"),
        weighted_metrics=config.get("weighted_metrics"),
    )


def _about(compiled: Compiled, model: Mapping[str, Any], outputs: Sequence[str] = ()) -> Compiled:
    """Returns the same with what the config of the model says."""
    return replace(compiled, outputs=outputs or _outputs(model), rules=sorted(set(_rules(model))))


def _outputs(model: Mapping[str, Any]) -> list[str]:
    """Returns the names of the outputs of a functional model; of a Sequential none."""
    layers = model.get("output_layers")
    if isinstance(layers, Mapping):
        return [str(name) for name in layers]
    if isinstance(layers, list) and all(isinstance(each, list) for each in layers):
        return [str(each[0]) for each in layers]
    return []


def _rules(config: Any, name: str = "") -> Iterator[str]:
    """Yields the settings in the config of a model that penalise or constrain its weights."""
    if isinstance(config, list):
        for each in config:
            yield from _rules(each, name)
    elif isinstance(config, Mapping):
        inner = config.get("config")
        if isinstance(inner, Mapping):
            name = str(inner.get("name") or name)
            if config.get("class_name") == "ActivityRegularization":
                yield f"{name}.activity_regularizer"
        for key, value in config.items():
            if str(key).endswith(_RULES) and value is not None:
                yield f"{name}.{key}"
            else:
                yield from _rules(value, name)


def _of_model(model: Any) -> Compiled:
    """Returns what a model of Keras says of itself, by its own methods."""
    try:
        config = model.get_compile_config()
    except Exception as error:  # of a class of the user, which may raise anything
        raise PortError(f"the model: its compile config cannot be had ({_line(error)})") from None
    measured = getattr(model, "_compile_metrics", None)
    objects = {
        "loss": getattr(model, "loss", None),
        "metrics": getattr(measured, "_user_metrics", None),
        "weighted_metrics": getattr(measured, "_user_weighted_metrics", None),
    }
    config = dict(config or {})
    for name, each in objects.items():
        if config.get(name) is not None:
            config[name] = _with_object(config[name], each)
    compiled = _of_compile_config(config, "the model")
    try:
        inner = model.get_config()
    except Exception:  # a model of the user's own class may have none
        inner = {}
    inner = inner if isinstance(inner, Mapping) else {}
    names = getattr(model, "output_names", None) or []
    return _about(compiled, inner, _outputs(inner) or [str(name) for name in names])


def _with_object(config: Any, thing: Any) -> Any:
    """Returns a config with what it lacks of its object: the module, and arguments of a function.

    Keras writes neither the module of a function nor the delta of a Huber loss.
    """
    if isinstance(thing, Mapping) and isinstance(config, Mapping):
        return {name: _with_object(part, thing.get(name)) for name, part in config.items()}
    if isinstance(thing, list | tuple) and isinstance(config, list | tuple):
        pairs = zip(config, thing, strict=False)
        return [_with_object(part, each) for part, each in pairs]
    if not isinstance(config, Mapping) or thing is None or isinstance(thing, str):
        return config
    parts = [thing, getattr(thing, "fn", None), getattr(thing, "_fn", None)]
    kinds = [x if hasattr(x, "__name__") else type(x) for x in parts if x is not None]
    modules = [str(kind.__module__) for kind in kinds if not _is_kerass(kind)]
    found = dict(config)
    if modules:
        found["module"] = modules[0]
    given = getattr(thing, "_fn_kwargs", None)
    if isinstance(given, Mapping) and isinstance(found.get("config"), Mapping):
        found["config"] = {**given, **found["config"]}
    return found


def _is_kerass(kind: Any) -> bool:
    return str(kind.__module__).partition(".")[0] in ("keras", "tf_keras")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


# --- The arguments of a Port that trains a module as a compiled Keras model is trained ------------


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
    callback_configs = list(compiled.callbacks if callbacks is None else map(_callback, callbacks))
    training = planned(_with(compiled, callback_configs, given))
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
        if isinstance(name, str) and isinstance(settings, Mapping) and not is_custom(given):
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
