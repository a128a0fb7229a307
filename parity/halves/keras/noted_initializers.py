"""The initialisers that variables began with; a layer of the user keeps them nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from parity.halves.keras import versions

_NAME = "_parity_initializer"


@contextmanager
def initializers_noted() -> Iterator[None]:
    """Notes the initialiser of every variable that is made in the block; Keras 3 only."""
    if versions.IS_KERAS_2:
        yield
        return
    kind: Any = keras.Variable
    before = kind.__init__

    def made(variable: Any, initializer: Any, *arguments: Any, **options: Any) -> None:
        before(variable, initializer, *arguments, **options)
        if callable(initializer):  # and not the values
            setattr(variable, _NAME, initializer)

    kind.__init__ = made
    try:
        yield
    finally:
        kind.__init__ = before


def noted_initializer(variable: Any) -> Any:
    """Returns the initialiser of a variable; None if it is not known, or began with values."""
    return getattr(variable, _NAME, None)
