"""Weights of unknown layers of Keras, and parameters of a port, that have no partner."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from parity.traces.trace import Trace


def unknown_weights(keras: Trace, port: Trace, *, is_right: bool) -> set[str]:
    """Returns the weights of unknown Keras layers that may be somewhere in the port.

    They are not if each parameter of the port has another weight of Keras, and the output is not
    Keras's: then the port lacks them.

    Args:
        keras: the results of Keras.
        port: the results of the port.
        is_right: whether the output in eval mode is Keras's.
    """
    if not is_right and _has_no_room(port):
        return set()
    return {
        weight
        for node in keras.facts["nodes"]
        if node["kind"].startswith("unknown:")
        for weight in node["weights"]
        if weight not in port.facts["weights"]
    }


def _has_no_room(port: Trace) -> bool:
    is_run = "forward/eval/output" in port and not port.facts["given"]["load"]
    return is_run and not port.facts["not_carried"]


def unknown_parameters(port: Trace) -> set[str]:
    """Returns the parameters of the port that an entry of `incomplete` speaks of."""
    told = {entry["what"] for entry in port.facts.get("incomplete") or []}
    return {
        name
        for name in port.facts["not_carried"]
        if any(name == what or name.startswith(f"{what}.") for what in told)
    }
