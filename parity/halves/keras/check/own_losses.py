"""What a port is told of losses of the user's own: functions, methods, and subclasses of Loss.

A compiled model goes in. Facts come out by the names that the losses have in a trace.
"""

from __future__ import annotations

import inspect
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import keras

from parity.halves.keras.check.outer_values import shown
from parity.halves.keras.check.output_losses import is_kerass, name_of
from parity.halves.keras.check.quoted import quoted
from parity.halves.keras.check.quoted_helpers import quoted_helpers
from parity.halves.keras.versions import is_kerass_own

Facts = dict[str, Any]
_OF_ALL = ("name", "dtype", "reduction")  # attributes of every Loss


def own_losses(model: keras.Model, folder: Path) -> tuple[dict[str, Facts], list[str]]:
    """Returns what a port is told of the losses of the user's own, by name.

    Args:
        model: compiled, or not.
        folder: of the program.

    Returns:
        Of each: "name"; "class", of the code; "is_function", whose targets Keras gives the rank of
        the output; "source"; "helpers", the sources of what it calls; "values" of settings as
        source, by the names that the code has for them, "self.alpha" of an attribute; "reduction"
        of a Loss. And a sentence for each name that several have. `write_loss_graphs` adds "graphs"
        later.
    """
    given = {
        id(loss): told
        for loss in keras.tree.flatten(getattr(model, "loss", None))
        if (told := _told(loss, folder))
    }
    problems = [
        f"two losses of your own have the name {name!r}: give each one of its own, such as by "
        "__name__ of a function that another one returns, or by name= of a Loss"
        for name, number in Counter(told["name"] for told in given.values()).items()
        if number > 1
    ]
    return {told["name"]: told for told in given.values()}, problems


def _told(loss: Any, folder: Path) -> Facts | None:
    """Returns what is told of a loss; None if it is Keras's, or there is none."""
    name = name_of(loss)
    if isinstance(loss, str):  # it may be registered
        with suppress(ValueError):
            loss = keras.losses.get(loss)
    if name is None or isinstance(loss, str) or is_kerass(loss):
        return None
    reduction = getattr(loss, "reduction", None)
    told = {"name": name, "reduction": reduction if isinstance(loss, keras.losses.Loss) else "mean"}
    values = {}
    if isinstance(loss, keras.losses.Loss) and is_kerass_own(loss):  # it wraps a function
        loss, values = loss.fn, shown(getattr(loss, "_fn_kwargs", {}))
    while isinstance(loss, partial):
        loss, values = loss.func, {**shown(loss.keywords), **values}
    if inspect.isroutine(loss):
        holder = getattr(loss, "__self__", None)
        return {
            **told,
            "class": loss.__name__,
            "is_function": True,
            "source": quoted(loss, folder),
            "helpers": quoted_helpers(loss, folder),
            "values": values | (_attributes(holder) if inspect.ismethod(loss) else {}),
        }
    return {
        **told,
        "class": type(loss).__name__,
        "is_function": False,
        "source": quoted(type(loss), folder),
        "helpers": quoted_helpers(type(loss), folder),
        "values": values | _attributes(loss),
    }


def _attributes(holder: Any) -> Facts:
    """Returns the plain attributes of an object, by "self.NAME"."""
    found = shown(getattr(holder, "__dict__", {}))
    return {
        f"self.{name}": value
        for name, value in found.items()
        if name not in _OF_ALL and not name.startswith("_")
    }
