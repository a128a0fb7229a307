"""What trains a network, planned from Keras's configs: loss, optimizer, rate, callbacks, metrics.

A plan is built (`Port.from_keras`) or written as source (`parity port`). The first argument of an
optimizer and of a callback is not in it: parameters, an optimizer, a module.

A ValueError says in one sentence why there is no plan.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from torch_impl import losses, metrics, optim, schedule
from torch_impl.keras_config.graph import is_custom
from torch_impl.keras_config.planned import Planned, parameters_of
from torch_impl.metrics.configuration import value_of
from torch_impl.optim.base import DEFAULTS

# What callbacks of Keras do that are no part of a port; others are code of the program.
_DOES = {
    **dict.fromkeys(
        ("ModelCheckpoint", "BackupAndRestore"), "it writes weights, and changes no number"
    ),
    **dict.fromkeys(
        ("CSVLogger", "TensorBoard", "RemoteMonitor", "ProgbarLogger", "History"),
        "it tells how the training goes, and changes no number",
    ),
    "TerminateOnNaN": "it ends a training whose loss is no number, which a port does not",
    "SwapEMAWeights": "it validates averages of the weights, which a port does not",
}
_BY_SHAPE = ("crossentropy", "ce")
_SHAPED_METRICS = ("accuracy", "acc")
_CALLBACKS = {
    "ReduceLROnPlateau": schedule.ReduceLROnPlateau,
    "EarlyStopping": schedule.EarlyStopping,
}


def planned_loss(config: str | Mapping[str, Any]) -> Planned:
    """Returns the loss of a name, or of what `keras.losses.serialize` says.

    Raises:
        ValueError: it is the user's own, or the shapes of outputs decide what it is.
    """
    name, settings = _name_and_settings(config)
    if name == "LossFunctionWrapper":  # of a function, with the arguments that it gets
        settings = dict(settings)
        name = _name_and_settings(settings.pop("fn", None) or {})[0]
    if name.lower() in _BY_SHAPE:
        raise ValueError(
            f"the loss {name!r} depends on the shapes of outputs and targets; expected "
            "'binary_crossentropy', 'categorical_crossentropy' or 'sparse_categorical_crossentropy'"
        )
    kind = losses.LOSSES.get(name)
    if kind is None or is_custom(config):
        shown = _shown(config, name)
        raise ValueError(f"the loss {shown}: it is none of Keras's in torch_impl.losses")
    known = _known(kind, settings)
    for key, value in settings.items():
        if key not in {*known, "name", "dtype"} and value not in (None, -1):
            raise ValueError(f"the loss {name!r}: torch_impl.losses has no {key}={value!r}")
    return Planned(kind, **known)


def planned_optimizer(config: Mapping[str, Any]) -> Planned:
    """Returns the optimizer of what `keras.optimizers.serialize` says, without its parameters.

    Settings that Keras has by default are left out, but for the learning rate.

    Raises:
        ValueError: torch_impl has none of this class, or no such schedule.
    """
    name, settings = _name_and_settings(config)
    kind = getattr(optim, name, None) if name in optim.__all__ else None
    if name == "KerasOptimizer" or kind is None or is_custom(config):
        raise ValueError(
            f"the optimizer {_shown(config, name)}: it is none of Keras's in torch_impl.optim"
        )
    names = {*parameters_of(kind), *DEFAULTS}
    given = {
        key: value
        for key, value in settings.items()
        if key in names and (key not in DEFAULTS or DEFAULTS[key] != value)
    }
    if "weight_decay" in given and given["weight_decay"] is None:
        given["weight_decay"] = 0.0  # Keras's None
    if not settings.get("use_ema"):
        given.pop("ema_momentum", None)
    rate = planned_rate(settings.get("learning_rate", 0.001))
    return Planned(kind, **{**given, "learning_rate": rate})


def planned_rate(config: Any) -> Any:
    """Returns a learning rate: a number, or the plan of a schedule.

    Raises:
        ValueError: torch_impl has no such schedule.
    """
    if not isinstance(config, Mapping):
        return short(config)
    name, settings = _name_and_settings(config)
    kind: Any = getattr(schedule, name, None) if name in schedule.__all__ else None
    is_schedule = inspect.isclass(kind) and issubclass(kind, schedule.LearningRateSchedule)
    if not is_schedule or kind is schedule.LearningRateSchedule or is_custom(config):
        raise ValueError(
            f"the schedule {_shown(config, name)}: it is none of Keras's in torch_impl.schedule"
        )
    given = _known(kind, settings)
    return Planned(kind, **{key: short(value) for key, value in given.items()})


def planned_callback(name: str, settings: Mapping[str, Any]) -> Planned:
    """Returns a rule of an epoch, without the optimizer or the module that it acts on.

    Args:
        name: of its class in Keras.
        settings: its attributes in Keras.

    Raises:
        ValueError: it is none of ReduceLROnPlateau, EarlyStopping and LearningRateScheduler, or
            the function of the last one is not there.
    """
    if name == "LearningRateScheduler":
        rule = settings.get("schedule")
        if not isinstance(rule, Mapping) and not callable(rule):
            raise ValueError(f"the callback {name}: its function is code of the program")
        return Planned(
            schedule.LearningRateScheduler, rule if callable(rule) else planned_rate(rule)
        )
    if name not in _CALLBACKS:
        raise ValueError(sentence_of_callback(name))
    known = _known(_CALLBACKS[name], settings)
    if "min_delta" in known:  # which may be a whole number
        known["min_delta"] = float(known["min_delta"])
    return Planned(_CALLBACKS[name], **known)


def sentence_of_callback(name: str) -> str:
    """Returns why a callback is left out, by the name of its class."""
    return f"the callback {name}: {_DOES.get(name, 'it is code of the program')}"


def planned_metric(config: str | Mapping[str, Any]) -> str | Planned:
    """Returns the name of a metric, or the plan of what `keras.metrics.serialize` says.

    Raises:
        ValueError: torch_impl has none of this name.
    """
    if isinstance(config, str):
        if config.lower() not in _SHAPED_METRICS:
            _made(config, config)
        return config
    name, settings = _name_and_settings(config)
    made = _made(config, name)
    if config["class_name"] in ("function", "MeanMetricWrapper"):
        return Planned(metrics.from_config, _plain(config))
    kind: Callable[..., Any] = type(made)
    values = {key: value_of(value) for key, value in settings.items() if key != "dtype"}
    return Planned(kind, **_known(kind, values))


def short(value: Any) -> Any:
    """Returns a number that was rounded to float32 as it was written."""
    if isinstance(value, list | tuple):
        return tuple(short(each) for each in value)
    if not isinstance(value, float):
        return value
    near = float(f"{value:.7g}")
    return near if np.float32(near) == np.float32(value) and abs(near - value) < 1e-7 else value


def _name_and_settings(config: Any) -> tuple[str, Mapping[str, Any]]:
    """Returns the name of a class or function of Keras, and its settings."""
    if isinstance(config, str):
        return config, {}
    name, settings = config.get("class_name"), config.get("config")
    if name == "function":  # whose "config" is its name
        return str(settings), {}
    return str(name), settings if isinstance(settings, Mapping) else {}


def _shown(config: Any, name: str) -> str:
    """Returns the name of a class, with the package of one that is registered."""
    registered = config.get("registered_name") if isinstance(config, Mapping) else None
    return repr(registered if registered and ">" in str(registered) else name)


def _custom_metric_name(config: Mapping[str, Any], name: str) -> str:
    """Returns a metric of the user's by its name, and by its class if that is another one."""
    shown, settings = _shown(config, name), config.get("config")
    called = settings.get("name") if isinstance(settings, Mapping) else None
    if called is None or called == name:
        return repr(name) if str(config.get("registered_name")).startswith("own>") else shown
    kind = "class" if name[:1].isupper() else "function"
    return f"{called!r} of your {kind} {name}"


def _known(kind: Callable[..., Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key in parameters_of(kind)}


def _made(config: Any, name: str) -> metrics.Metric:
    """Returns a metric, if there is one.

    Raises:
        ValueError: there is none.
    """
    if is_custom(config):
        raise ValueError(f"the metric {_custom_metric_name(config, name)}: it is none of Keras's")
    try:
        return metrics.from_config(config)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        if name in metrics.METRICS:
            raise ValueError(f"the metric {name!r}: {error}") from None
        raise ValueError(
            f"the metric {name!r}: it is none of Keras's in torch_impl.metrics"
        ) from None


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a config without what is of no use here: modules, registered names, dtypes."""
    settings = config["config"]
    if isinstance(settings, Mapping):
        settings = {
            key: _plain(value) if isinstance(value, Mapping) else value
            for key, value in settings.items()
            if key != "dtype"
        }
    return {"class_name": config["class_name"], "config": settings}
