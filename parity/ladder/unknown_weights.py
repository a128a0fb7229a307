"""Weights of unknown layers of Keras, and parameters of a port, that have no partner."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from parity.traces.trace import Trace


def unknown_weights(keras: Trace, port: Trace, *, is_right: bool) -> set[str]:
    """Returns the weights of unknown Keras layers, and of told ones, that may be in the port.

    They are not if each parameter of the port has another weight of Keras, and the output is not
    Keras's: then the port lacks them.

    Args:
        keras: the results of Keras.
        port: the results of the port.
        is_right: whether the output in eval mode is Keras's.
    """
    if not is_right and _has_no_room(port):
        return set()
    told = {entry["what"] for entry in port.facts.get("incomplete") or []}  # of a cell by hand
    return {
        weight
        for node in keras.facts["nodes"]
        for weight in node["weights"]
        if weight not in port.facts["weights"]
        and (weight in told or node["kind"].startswith("unknown:"))
    }


def _has_no_room(port: Trace) -> bool:
    is_run = "forward/eval/output" in port and not port.facts["given"]["load"]
    return is_run and not port.facts["not_carried"]


def unknown_parameters(port: Trace) -> set[str]:
    """Returns the parameters of the port that an entry of `incomplete` speaks of."""
    told = {entry["what"] for entry in port.facts.get("incomplete") or []}
    return set(port.facts.get("by_hand", ())) | {
        name
        for name in port.facts["not_carried"]
        if any(name == what or name.startswith(f"{what}.") for what in told)
    }
