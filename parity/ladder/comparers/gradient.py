"""Gradient: the gradient of every parameter in train mode."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from parity.ladder.compare import compare_close, compare_exact
from parity.ladder.comparers.probe import (
    IN_OTHER_FORM,
    measured,
    no_loss,
    raised,
    within_rounding,
)
from parity.ladder.items import INTRODUCED, UNUSED, Outcome, judged_if_any, skipped
from parity.ladder.recorded import unplaced, weights_in_other_form
from parity.ladder.rounding import allowed, limits_of

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.traces.trace import KerasTrace, PortTrace


def of_probe(keras: KerasTrace, port: PortTrace) -> Outcome:
    """Compares the gradient of every parameter in train mode.

    The gradients for Keras's values, and those that reach each layer, say where a difference
    comes from. A gradient that is nothing but rounding cannot be compared.
    """
    if keras.facts["loss"] is None:
        return skipped(no_loss(keras))
    if (why := port.facts.get("no_loss")) is not None:
        return skipped(why)
    if why := unplaced(keras, port):
        return skipped(why)
    most_allowed = limits_of(keras).most
    items = raised(port, "gradient")
    given = port.facts["given"]["loss"]
    items += _arrived(keras, port, given)
    not_compared, unknown = [], weights_in_other_form(keras, port)
    entries = [each for each in keras.facts.get("not_compared") or [] if each["why"] == UNUSED]
    unused = {key for each in entries for key in each["arrays"]}
    unshaped = {
        weight
        for node in keras.facts["nodes"]
        if node["name"] in port.facts["unshaped"]
        for weight in node["weights"]
    }
    for weight, entry in keras.facts["weights"].items():
        key = f"gradient/{weight}"
        if weight not in port.facts["weights"] or key not in keras:
            continue
        if weight in unknown:
            not_compared.append((f"gradient of {weight}", IN_OTHER_FORM))
            continue
        if key not in port:
            if key in unused:
                continue
            if entry["trainable"] and not port.facts["raised"].get("gradient"):
                items.append(compare_exact(weight, "a gradient", "no gradient"))
            continue
        most = allowed(keras, key)
        theirs = _theirs(keras, key, given)
        item = compare_close(weight, theirs, port[key], allowed=most, unit="rel")
        if most > most_allowed and item.agrees:
            not_compared.append((f"gradient of {weight}", within_rounding(most_allowed)))
            continue
        forced = f"forced/{key}"
        if forced in port and weight not in unshaped:
            label = f"{weight}, with Keras's values"
            forced_item = compare_close(label, theirs, port[forced], allowed=most, unit="rel")
            items.append(replace(forced_item, role=INTRODUCED))
        items.append(item)
    source = measured(keras) if given else f"with Keras's loss without penalties; {measured(keras)}"
    return judged_if_any(source, items, not_compared)


def _theirs(keras: KerasTrace, key: str, given: bool) -> np.ndarray:
    """Returns Keras's gradient, without that of the penalties if the port has no loss."""
    penalty = f"penalty_{key}"
    return keras[key] if given or penalty not in keras else keras[key] - keras[penalty]


def _arrived(keras: KerasTrace, port: PortTrace, given: bool) -> Iterator[Item]:
    """Compares the gradient that reaches the output of each layer, for Keras's values behind it."""
    limits = limits_of(keras)
    nodes = {node["name"]: node for node in keras.facts["nodes"]}
    for name in port.facts.get("awaited", []):
        target = port.facts["targets"]["train"][name]
        node = target.removeprefix("forward/train/").removesuffix("/output")
        key = f"output_gradient/{node}"
        is_penalised = nodes[name]["config"].get("activity_regularizer") is not None
        if key not in keras or name in port.facts["style"] or (is_penalised and not given):
            continue
        most = allowed(keras, key)
        if f"forced/arrived/{name}" not in port:
            if keras.largest(key):
                label = f"gradient that reaches {name}"
                item = compare_exact(label, "a gradient", "no gradient")
                yield replace(item, role=INTRODUCED)
        elif most <= limits.most:
            theirs, ours = keras[key], port[f"forced/arrived/{name}"]
            if nodes[name]["kind"] in _CUTS and ours.shape == theirs.shape:
                is_open = _is_open(nodes[name]["kind"], keras[target])
                theirs, ours = np.where(is_open, theirs, 0.0), np.where(is_open, ours, 0.0)
            label = f"gradient that reaches {name}"
            item = compare_close(label, theirs, ours, allowed=most, unit="rel")
            if not item.agrees and theirs.shape == ours.shape == keras[target].shape:
                tied = (of_equal_values(keras[target], each) for each in (theirs, ours))
                item = compare_close(label, *tied, allowed=most, unit="rel")
            yield replace(item, role=INTRODUCED)


def of_equal_values(output: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Returns a gradient with its sum at every value that a channel of a sample has several times.

    A maximum that several steps share may hand its gradient to one of them, or a part to each.
    Windows of the same tokens make such values, and what is before them gets the same sum.

    Args:
        output: (N, ..., C), which the gradient reaches.
        gradient: (N, ..., C).
    """
    if output.ndim < 3:
        return gradient
    shape = (len(output), -1, output.shape[-1])
    values, parts = output.reshape(shape), gradient.reshape(shape)
    order = np.argsort(values, axis=1, kind="stable")
    ranked = np.take_along_axis(values, order, axis=1)
    is_new = np.diff(ranked, axis=1, prepend=ranked[:, :1]) != 0
    number = np.cumsum(is_new, axis=1)
    places = np.empty_like(number)
    np.put_along_axis(places, order, number, axis=1)
    rows, columns = (np.arange(size) for size in (shape[0], shape[2]))
    index = rows[:, None, None], places, columns[None, None]
    sums = np.zeros_like(parts)
    np.add.at(sums, index, parts)
    shared: np.ndarray = sums[index].reshape(gradient.shape)
    return shared


# Kinds of activations -> between which outputs a gradient goes on.
_CUTS = {"activation:relu": (0.0, np.inf), "activation:relu6": (0.0, 6.0)}


def _is_open(kind: str, output: np.ndarray) -> np.ndarray:
    """Returns where a gradient that reaches an activation goes on to its input.

    What it is elsewhere has no effect. A pool behind a ReLU, say, takes one of several zeros, and
    which of them gets the gradient is not the same for a padding of zeros and for one of -inf.
    """
    least, most = _CUTS[kind]
    return (output > least) & (output < most)
