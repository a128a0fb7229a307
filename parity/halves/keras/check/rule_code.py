"""What a port is told of regularisers and constraints of the user's own: classes, and functions.

The layers of a model go in. Facts come out by layer and setting.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from parity.halves.keras.check.outer_values import shown
from parity.halves.keras.check.quoted import quoted
from parity.halves.keras.versions import is_kerass_own

Facts = dict[str, Any]
_ENDINGS = ("_regularizer", "_constraint")


def own_rules(layers: Iterable[Any], folder: Path) -> dict[str, Facts]:
    """Returns what a port is told of such rules of weights and outputs, by "LAYER/SETTING".

    Args:
        layers: of Keras.
        folder: of the program.

    Returns:
        Of each: "class", or the name of a function; "source"; "values" of its plain attributes as
        source; "held", the names of the classes of other attributes.
    """
    return {
        f"{layer.name}/{setting}": _told(rule, folder)
        for layer in layers
        for setting, rule in rules_in(layer).items()
    }


def rules_in(layer: Any) -> dict[str, Any]:
    """Returns the rules of the user's own that a layer of Keras has, by setting."""
    kind: Any = type(layer)
    rules = {name: getattr(layer, name, None) for name in _settings(kind)}
    return {name: rule for name, rule in rules.items() if rule and not is_kerass_own(rule)}


@functools.cache
def _settings(kind: Any) -> tuple[str, ...]:
    """Returns the names of the rules that a class of layers takes."""
    own = [inspect.signature(each).parameters for each in kind.__mro__[:-1]]
    names = {name for each in own for name in each if name.endswith(_ENDINGS)}
    return tuple(sorted({"activity_regularizer", *names}))


def _told(rule: Any, folder: Path) -> Facts:
    kind = rule if inspect.isroutine(rule) else type(rule)
    attributes = {} if inspect.isroutine(rule) else vars(rule)
    values = {name: text for name, text in shown(attributes).items() if name.isidentifier()}
    held = {key: type(value).__name__ for key, value in attributes.items() if key not in values}
    return {"class": kind.__name__, "source": quoted(kind, folder), "values": values, "held": held}
