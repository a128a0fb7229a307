"""Configurations that Keras 2 wrote, in the words of Keras 3.

A configuration goes in, of a model or of what it was compiled with, and comes out for Keras 3.
What a setting does is never changed: what Keras 3 has no more is left out where it was off, and
stays where it was on, so that Keras refuses it by name.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import keras

from parity.weights.old_config import NO_RULE, changed_rules, entries_in, one_axis, renewed_graph
from parity.weights.old_operations import is_operation

_MODELS = {"Functional": "functional", "Model": "functional", "Sequential": "sequential"}
_OFF: tuple[Any, ...] = (None, False)
_ALONE = {"groups": 1, "trainable": True}  # of layers that have no such argument
_UNUSED = {"SeparableConv1D": ("kernel_initializer",), "SeparableConv2D": ("kernel_initializer",)}
_OF_OPTIMIZERS = ("is_legacy_optimizer", "jit_compile")
_OF_EVERY_LAYER = ("name", "trainable", "dtype", "activity_regularizer", "input_shape")


def renewed(config: Any) -> Any:
    """Returns a configuration with all layers, models and optimizers in it as Keras 3 has them."""
    if isinstance(config, list):
        return [renewed(each) for each in config]
    if not isinstance(config, Mapping):
        return config
    found = {key: renewed(value) for key, value in config.items()}
    if isinstance(compiled := found.get("compile_config"), dict):
        found["compile_config"] = {k: v for k, v in compiled.items() if v is not None}
    kind, settings = found.get("class_name"), found.get("config")
    if not isinstance(kind, str) or not isinstance(settings, dict):
        return found
    kind = found["class_name"] = kind.removeprefix("Custom>")
    if found.get("registered_name") == f"Custom>{kind}":
        found["registered_name"] = kind
    if kind in _MODELS:
        file = _MODELS[kind]
        if file == "functional":
            found["config"] = renewed_graph(settings, _without_slashes)
        return {**found, "class_name": file.capitalize(), "module": f"keras.src.models.{file}"}
    if kind == "Policy":
        return settings.get("name")
    if kind == "MeanMetricWrapper" and isinstance(settings.get("fn"), str):
        return _metric(settings)
    if hasattr(keras.optimizers.schedules, kind):
        found["config"] = {k: v for k, v in settings.items() if (k, v) != ("name", None)}
    elif inspect.isclass(getattr(keras.optimizers, kind, None)):
        found = {**found, "module": "keras.optimizers", "config": _optimizer(settings)}
    elif inspect.isclass(getattr(keras.layers, kind, None)):
        if kind != "InputLayer":
            settings = _layer(kind, settings)
        if "name" in settings:
            settings = {**settings, "name": _without_slashes(settings["name"])}
        found["config"] = settings
        found = {"module": "keras.layers", "registered_name": None, **found}
    return found


def changed(config: Any) -> Iterator[str]:
    """Yields what of a configuration of Keras 2 the classes of Keras 3 do not compute alike.

    Args:
        config: as Keras 2 wrote it.
    """
    yield from changed_rules(config)
    for entry in entries_in(config):
        kind, settings = entry["class_name"], entry["config"]
        name = settings.get("name")
        if _is_kerass(entry, kind) and not (is_operation(entry) or _is_there(kind)):
            yield f"the class {kind!r} of layer {name!r}, which Keras 3 has not"


def _is_kerass(config: Mapping[str, Any], kind: str) -> bool:
    """Whether a class is Keras's and a layer: it has a name, and no package of the user's."""
    module = config.get("module", "keras.layers")
    is_layer = isinstance(module, str) and module.startswith(("keras.layers", "keras.src.layers"))
    return is_layer and {"name", "trainable"} <= set(config["config"]) and ">" not in kind


def _is_there(kind: str) -> bool:
    return kind in _MODELS or hasattr(keras.layers, kind)


def _without_slashes(name: Any) -> Any:
    """Returns the name of a layer as Keras 3 allows it."""
    return name.replace("/", "_") if isinstance(name, str) else name


def _metric(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a metric of which Keras 2 has written the function by its name."""
    kind = "".join(part.capitalize() for part in settings["fn"].split("_"))
    config = {key: value for key, value in settings.items() if key != "fn"}
    return {
        "module": "keras.metrics",
        "class_name": kind,
        "config": config,
        "registered_name": None,
    }


def _layer(kind: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    known = _arguments(getattr(keras.layers, kind))
    settings = one_axis(kind, settings)
    unused = (*NO_RULE, *_UNUSED.get(kind, ()))
    return {
        key: value
        for key, value in settings.items()
        if key in known
        or not (key in unused or value in _OFF or (key in _ALONE and value == _ALONE[key]))
    }


def _optimizer(settings: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in settings.items() if key not in _OF_OPTIMIZERS}
    decay = found.pop("decay", None)  # of optimizers before Keras 2.11
    if decay:
        found["learning_rate"] = {
            "module": "keras.optimizers.schedules",
            "class_name": "InverseTimeDecay",
            "config": {
                "initial_learning_rate": found.get("learning_rate"),
                "decay_steps": 1,
                "decay_rate": decay,
            },
            "registered_name": None,
        }
    return found


def _arguments(kind: Any) -> set[str]:
    """Returns the names of the arguments of a layer class, with those that it passes on."""
    found: set[str] = set()
    for each in inspect.getmro(kind):
        made = vars(each).get("__init__")
        if not inspect.isfunction(made):
            continue
        parameters = inspect.signature(made).parameters
        found |= set(parameters)
        if all(one.kind is not one.VAR_KEYWORD for one in parameters.values()):
            return found
    return found | set(_OF_EVERY_LAYER)
