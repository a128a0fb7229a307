"""NoTwinError: all parts of a model that have no twin, in one message."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from torch_impl import constraints, initializers, regularizers
from torch_impl.keras_config.graph import Config, name_of
from torch_impl.keras_config.rows.entry import dtype_of
from torch_impl.keras_config.settings import given


class NoTwinError(ValueError):
    """A model has layers, operations or settings that torch_impl does not offer.

    Args:
        problems: a sentence for each.
        lacks: what they have not.

    Attributes:
        problems: as given.
    """

    def __init__(self, problems: Sequence[str], lacks: str = "twin") -> None:
        self.problems = list(dict.fromkeys(problems))
        lines = [f"{len(self.problems)} parts of the model have no {lacks}:", *self.problems]
        super().__init__(self.problems[0] if len(self.problems) == 1 else "\n- ".join(lines))


@contextmanager
def naming(layer: Config) -> Iterator[None]:
    """Makes a NoTwinError that names a layer of what goes wrong inside.

    An error of torch's own, such as one of memory, stays as it is: it says nothing about the layer.
    """
    try:
        yield
    except NoTwinError:
        raise
    except Exception as error:
        if type(error).__module__ != "builtins":
            raise
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        raise NoTwinError([f"{title_of(layer)}: {kind}{error}"]) from error


def title_of(layer: Config) -> str:
    """Returns name and class of a layer, in words."""
    return f"layer {name_of(layer)!r} of class {layer['class_name']!r}"


_CUSTOM = re.compile(r"(: expected|, or|; give its torch module by) custom=\{.*", re.DOTALL)


def without_custom(problems: Sequence[str]) -> list[str]:
    """Returns problems without the advice to give `custom`, for who calls no Python function."""
    return [_CUSTOM.sub("", problem) for problem in problems]


_READERS: dict[str, Callable[..., object]] = {
    "initializer": initializers.from_config,
    "regularizer": regularizers.from_config,
    "constraint": constraints.from_config,
}


def of_settings(layer: Config) -> list[str]:
    """Returns what is wrong with the settings that all kinds of layers have.

    Args:
        layer: its entry in the config of a model.
    """
    name, config = title_of(layer), layer["config"]
    found = []
    if config.get("data_format") == "channels_first":
        message = "data_format='channels_first': expected 'channels_last'"
        found.append(f"layer {name_of(layer)!r} with {message}")
    try:
        dtype_of(config)
    except ValueError as error:
        found.append(f"{name}: {error}")
    for key, value in _settings(layer):
        try:
            _READERS[key.rpartition("_")[2]](value)
        except (ValueError, TypeError) as error:
            found.append(f"{name}: {key}: {error}")
    return found


def _settings(layer: Config) -> list[tuple[str, object]]:
    """Returns the settings of a layer, and of those inside of it, that name a rule of Keras."""
    wrapped = [layer, *(layer["config"].get(key) for key in ("layer", "backward_layer"))]
    return [
        (key, part["config"][key])
        for part in wrapped
        if part
        for name, key in given(part, *_READERS)
        if key in part["config"] and name == part["config"].get("name", "")
    ]
