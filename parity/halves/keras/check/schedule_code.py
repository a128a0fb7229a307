"""What a port is told of a learning rate schedule of the user's own: a subclass of Keras's.

A compiled model goes in. Facts come out by the name of the class.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

from parity.halves.keras.check.outer_values import shown
from parity.halves.keras.check.quoted import quoted
from parity.halves.keras.compiled_rate import has_schedule
from parity.halves.keras.own_schedules import attributes_of, class_of
from parity.halves.keras.versions import is_kerass_own

Facts = dict[str, Any]


def own_schedules(model: keras.Model, folder: Path) -> dict[str, Facts]:
    """Returns what a port is told of the schedule of the optimizer, if it is the user's own.

    Args:
        model: compiled, or not.
        folder: of the program.

    Returns:
        Of one, by the name of its class: "class"; "source"; "values" of its plain attributes as
        source, by their names; "held", the names of the classes of other attributes. Else nothing.
    """
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None or not has_schedule(optimizer):
        return {}
    schedule = optimizer._learning_rate
    if is_kerass_own(schedule):
        return {}
    kind, attributes = class_of(schedule), attributes_of(schedule)
    values = shown(attributes)
    held = {key: type(value).__name__ for key, value in attributes.items() if key not in values}
    told = {"class": kind.__name__, "source": quoted(kind, folder), "values": values, "held": held}
    return {kind.__name__: told}
