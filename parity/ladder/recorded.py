"""Compares arrays of a port with what Keras left, within the effect of rounding."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.ladder.compare import compare_close, only_counted
from parity.ladder.items import PASS
from parity.ladder.rounding import allowed, allowed_in_training, dtype_of, limits_of

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.traces.trace import KerasTrace, PortTrace


# --- Weights of unknown layers of Keras, and parameters of a port, that have no partner -----------


def unknown_weights(keras: KerasTrace, port: PortTrace, *, is_right: bool) -> set[str]:
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
    # Of a cell by hand.
    incomplete = {entry["what"] for entry in port.facts.get("incomplete") or []}
    return {
        weight
        for node in keras.facts["nodes"]
        for weight in node["weights"]
        if weight not in port.facts["weights"]
        and (weight in incomplete or node["kind"].startswith("unknown:"))
    }


def _has_no_room(port: PortTrace) -> bool:
    is_run = "forward/eval/output" in port and not port.facts["given"]["load"]
    return is_run and not port.facts["not_carried"]


def unknown_parameters(port: PortTrace) -> set[str]:
    """Returns the parameters of the port that an entry of `incomplete` speaks of."""
    incomplete = {entry["what"] for entry in port.facts.get("incomplete") or []}
    return set(port.facts.get("by_hand", ())) | {
        name
        for name in port.facts["not_carried"]
        if any(name == what or name.startswith(f"{what}.") for what in incomplete)
    }


# --- Compares arrays of a port with what Keras left, within the effect of rounding ----------------
#
# Where Keras's masks of sequences leave values out, any value is right.
#
# What a whole model returns is among them: the values on which a verdict about its layers rests. A
# port is right if they agree, however its layers are written.


MODES = ("eval", "train")
FORMS = ("same", "linear", "log")  # of what a port returns; see `in_form`


def compare_recorded(
    keras: KerasTrace,
    key: str,
    ours: np.ndarray,
    name: str,
    most: float | None = None,
    **place: Any,
) -> Item:
    """Compares an array with the one that Keras left under a key.

    Args:
        keras: the results of Keras, and the effect of rounding on them.
        key: key of Keras's array.
        ours: the port's array.
        name: name of the item.
        most: what may differ; None: what `allowed` says.
        **place: epoch and step of the item.
    """
    theirs = keras[key]
    if theirs.dtype.kind in "iu" or ours.dtype.kind in "iu":  # tokens, which Keras converts
        theirs, ours = theirs.astype(np.float64), ours.astype(np.float64)
    theirs, ours = only_counted(keras, key, theirs, _widened(keras, ours))
    limit = allowed(keras, key) if most is None else most
    return compare_close(name, theirs, ours, allowed=limit, unit="rel", **place)


def _widened(keras: KerasTrace, ours: np.ndarray) -> np.ndarray:
    """Returns an array of a port in float32 as float64, in which Keras computes."""
    is_single = dtype_of(keras.facts) == "float32" and ours.dtype.kind == "f"
    return ours.astype(np.float64) if is_single else ours


def close(keras: KerasTrace, port: PortTrace, key: str, name: str, **place: Any) -> Item:
    """Compares an array of the port with Keras's, within the effect of rounding."""
    return compare_recorded(keras, key, port[key], name, **place)


def weights_after(
    keras: KerasTrace, port: PortTrace, step: int, unknown: Collection[str]
) -> Iterator[tuple[str, Item | None, bool]]:
    """Yields each weight after a step: its item, and whether it agrees and rounding decides it.

    Args:
        keras: the results of Keras.
        port: the results of the port.
        step: from 1.
        unknown: weights that the port holds in another form; they have no item.
    """
    most = limits_of(keras).most_in_training
    for weight in keras.facts["weights"]:
        if (key := f"trajectory/{step}/{weight}") not in port:
            continue
        if weight in unknown:
            yield weight, None, False
            continue
        limit = allowed_in_training(keras, step, key)
        item = close(keras, port, key, weight, most=limit, step=step)
        yield weight, item, limit > most and item.agrees


def in_form(keras: KerasTrace, mode: str, form: str) -> np.ndarray:
    """Returns Keras's output as a port returns it.

    Args:
        keras: the results of Keras.
        mode: "eval" or "train".
        form: "same"; "linear": the port leaves out Keras's last activation; "log": it returns the
            logarithm.
    """
    if form == "linear":
        return keras[_before_last(keras, mode)]
    theirs = keras[f"forward/{mode}/output"]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(theirs) if form == "log" else theirs


def _before_last(keras: KerasTrace, mode: str) -> str:
    """Returns the key of what goes into the last layer of a model, or into its activation."""
    return f"forward/{mode}/{keras.facts['nodes'][-1]['name']}/input/0"


def compare_output(keras: KerasTrace, ours: np.ndarray, form: str, mode: str) -> Item:
    """Compares the output of a model.

    Args:
        keras: the results of Keras.
        ours: as the port returns it.
        form: of that; see `in_form`.
        mode: "eval" or "train".
    """
    key = f"forward/{mode}/output"
    theirs, ours = in_form(keras, mode, form), _widened(keras, ours)
    if theirs.dtype.kind == ours.dtype.kind == "i":  # TensorFlow counts in int32, torch in int64
        theirs, ours = theirs.astype(np.int64), ours.astype(np.int64)
    # A wrong shape fails below.
    if ours.shape != theirs.shape and ours.ndim == theirs.ndim > 2:
        ours = np.moveaxis(ours, 1, -1)  # channels last
    elif ours.squeeze().shape == theirs.squeeze().shape:
        ours = ours.reshape(theirs.shape)  # (N,) for (N, 1)
    theirs, ours = only_counted(keras, key, theirs, ours)
    # What the last activation leaves of rounding does not limit what goes into it.
    keys = [key] if form == "same" else [key, _before_last(keras, mode)]
    most = max(allowed(keras, key) for key in keys if key in keras)
    return compare_close(f"output ({mode})", theirs, ours, allowed=most, unit="rel")


def weights_in_other_form(keras: KerasTrace, port: PortTrace) -> set[str]:
    """Returns the weights that a port loads itself and holds in a form that is not known.

    Its outputs agree, so they are right; but their gradients and steps cannot be compared.
    """
    if not port.facts["given"]["load"] or not outputs_agree(keras, port, *MODES):
        return set()
    return {
        weight
        for weight in port.facts["weights"]
        if (key := f"weights/{weight}") in keras
        and not np.array_equal(keras[key], carried_weight(keras, port, weight))
    }


def carried_weight(keras: KerasTrace, port: PortTrace, weight: str) -> np.ndarray:
    """Returns a weight of Keras as the port holds it; its trace lacks those that are equal."""
    key = f"weights/{weight}"
    return port[key] if key in port else keras[key]


def outputs_agree(keras: KerasTrace, port: PortTrace, *modes: str) -> bool:
    """Whether a port returns what Keras returns, in some modes; False if it returns nothing."""
    keys = {mode: f"forward/{mode}/output" for mode in modes if f"forward/{mode}/output" in keras}
    return bool(keys) and all(
        key in port
        and compare_output(keras, port[key], port.facts["output_form"], mode).status == PASS
        for mode, key in keys.items()
    )


def unplaced(keras: KerasTrace, port: PortTrace) -> str:
    """Returns why what comes of some weights of Keras is not known; "" if it is.

    The port may hold them where no place was found, such as in a recurrent cell by hand. It then
    computes with other values, and an output that is not Keras's says nothing.
    """
    incomplete = {entry["what"] for entry in port.facts.get("incomplete") or []}
    if incomplete.isdisjoint(keras.facts["weights"]) or outputs_agree(keras, port, "eval"):
        return ""
    unknown = unknown_weights(keras, port, is_right=False)
    names = [name for name in keras.facts["weights"] if name in unknown & incomplete]
    if not names:
        return ""
    is_one = len(names) == 1
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return (
        f"the port computes it without Keras's values of {shown}, for which no "
        f"{'place was' if is_one else 'places were'} found: give Port a `load` that sets "
        f"{'it' if is_one else 'them'}"
    )
