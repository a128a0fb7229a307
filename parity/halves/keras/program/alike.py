"""Whether a script builds the same model whenever it begins from the same seeds.

A script runs several times up to `fit`. Where it draws from the clock or the operating system, its
model is another one each time, and what the probes find would be taken for a fault of the port.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from parity.errors import InputError


class Alike:
    """Compares the models of the runs of a script that begin alike.

    Args:
        name: of the script, for messages.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._begun: str = ""
        self._seen: dict[str, dict[str, str]] = {}

    def begin(self) -> None:
        """Before a run: notes the states of the generators that a seed sets."""
        states = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]
        self._begun = hashlib.sha256(repr(states).encode()).hexdigest()

    def check(self, model: Any) -> None:
        """At `fit`: compares the model with that of the first run that has begun alike.

        Raises:
            InputError: it is another one.
        """
        found = _parts(model)
        first = self._seen.setdefault(self._begun, found)
        names = dict.fromkeys((*first, *found))
        other = next((name for name in names if first.get(name) != found.get(name)), None)
        if other is not None:
            raise InputError(
                f"{self._name} builds another model each time it runs: {other} differs between two "
                "runs from the same seed; expected a script that draws all random numbers of its "
                "model from a seed (keras.utils.set_random_seed), not from the clock or the system"
            )


def _parts(model: Any) -> dict[str, str]:
    """Returns what makes a model, before it is trained: name -> digest or value."""
    found = {}
    if getattr(model, "built", False):
        for weight in model.weights:
            array = np.ascontiguousarray(np.asarray(weight))
            digest = hashlib.sha256(array.tobytes()).hexdigest()
            name = getattr(weight, "path", weight.name)
            found[f"the weight {name}"] = f"{array.shape} {digest}"
    optimizer = getattr(model, "optimizer", None)
    if isinstance(optimizer, keras.optimizers.Optimizer):
        for name, value in _told(optimizer).items():
            found[f"{name} of the optimizer"] = repr(value)
    return found


def _told(optimizer: Any) -> Mapping[str, Any]:
    """Returns the settings of an optimizer that are plain values; none if it tells none."""
    try:
        config = optimizer.get_config()
    except Exception:  # of a class of the user's own
        return {}
    plain = (bool, int, float, str, type(None))
    return {name: value for name, value in config.items() if isinstance(value, plain)}
