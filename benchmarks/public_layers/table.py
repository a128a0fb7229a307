"""All settings, the public classes by introspection, and the arguments that no setting gives."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from keras import layers

from benchmarks.public_layers import (
    activations,
    attention,
    categories,
    convolutions,
    dense,
    images,
    merging,
    normalizations,
    pools,
    recurrent,
    regularization,
    shapes,
    sounds,
)
from benchmarks.public_layers.setting import Setting, numbered

SETTINGS: dict[str, Setting] = numbered(
    *(
        family.SETTINGS
        for family in (
            *(dense, convolutions, pools, normalizations, activations, regularization, shapes),
            *(merging, recurrent, attention, categories, images, sounds),
        )
    )
)
# Arguments that change nothing, or that are of all layers.
_COMMON = frozenset(["self", "name", "dtype", "kwargs", "trainable", "args"])


def public_classes() -> dict[str, type]:
    """Returns the public classes of keras.layers by name, each once, under its own name."""
    found: dict[type, str] = {}
    for name in sorted(dir(layers)):
        kind = getattr(layers, name)
        if inspect.isclass(kind) and (kind not in found or name == kind.__name__):
            found[kind] = name
    return {name: kind for kind, name in sorted(found.items(), key=lambda item: item[1])}


def of_layer(name: str) -> list[Setting]:
    """Returns the settings of a layer."""
    return [setting for setting in SETTINGS.values() if setting.layer == name]


def arguments_left(name: str) -> list[str]:
    """Returns the arguments of a layer that none of its settings gives another value."""
    parameters = inspect.signature(getattr(layers, name).__init__).parameters
    left = set(parameters) - _COMMON
    for arguments in map(_arguments, of_layer(name)):
        left -= {key for key, value in arguments.items() if _is_off(parameters.get(key), value)}
    return [key for key in parameters if key in left]


def _arguments(setting: Setting) -> Any:
    return setting.arguments() if callable(setting.arguments) else setting.arguments


def _is_off(parameter: inspect.Parameter | None, value: Any) -> bool:
    if parameter is None:
        return False
    default = parameter.default
    return (
        default is inspect.Parameter.empty or type(value) is not type(default) or value != default
    )


def left() -> Iterator[str]:
    """Yields "layer.argument" for each argument that is never off its default."""
    for name in dict.fromkeys(setting.layer for setting in SETTINGS.values()):
        yield from (f"{name}.{argument}" for argument in arguments_left(name))
