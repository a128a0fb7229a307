"""Accuracies that are none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from parity.behaviour.units import ACCURACIES
from parity.errors import InputError


def check_accuracies(history: Mapping[str, Sequence[float]], source: str) -> None:
    """Refuses a history with an accuracy below 0, in whatever unit: its column is something else.

    Args:
        history: Keras's keys, with a number per epoch.
        source: the file, for the message.

    Raises:
        InputError: an accuracy is below 0.
    """
    for key in ACCURACIES:
        for epoch, value in enumerate(history.get(key, ()), start=1):
            if value < 0:
                raise InputError(
                    f"{source}: {key} of epoch {epoch} is {value:.3g}; expected accuracies of at "
                    "least 0; give the column its own name, or correct it"
                )
