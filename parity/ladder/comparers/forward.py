"""Forward: dropout masks and rates, and the output of every layer in eval and in train mode."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.ladder.compare import compare_close, compare_exact
from parity.ladder.comparers.probe import MEASURED, close, raised
from parity.ladder.comparers.run import compare_facts
from parity.ladder.initial_weights import P_VALUE
from parity.ladder.outcome import Outcome, judged, judged_if_any
from parity.ladder.rounding import allowed
from parity.ladder.tolerance import EXACT, FLOAT64, SEMANTIC, Tolerance

if TYPE_CHECKING:
    from parity.ladder.items import Item
    from parity.traces.trace import Trace


def of_run(keras: Trace, torch: Trace, tolerance: Tolerance) -> Outcome:
    """Compares dropout masks, and the output of every layer in eval mode and in train mode."""
    items = compare_facts("", keras.facts["settings"]["layers"], torch.facts["settings"]["layers"])
    items += [
        compare_exact(f"{name}.mask", keras[f"mask/{name}"], torch[f"mask/{name}"])
        for name in sorted({*keras.names("mask"), *torch.names("mask")})
    ]
    items += [
        compare_close(
            f"{layer['name']} ({mode})",
            keras[f"forward/{mode}/{layer['name']}"],
            torch[f"forward/{mode}/{layer['name']}"],
            allowed=FLOAT64,
            unit="rel",
        )
        for mode in ("eval", "train")
        for layer in keras.facts["structure"]["layers"]
    ]
    return judged(f"{SEMANTIC}; masks {EXACT}", items)


def of_probe(keras: Trace, port: Trace) -> Outcome:
    """Compares dropout rates, every layer in both modes, and its state after train mode."""
    nodes = {node["name"]: node for node in keras.facts["nodes"]}
    calls = {node["name"]: node for node in port.facts["nodes"]}
    items = []
    active = port.facts.get("active_dropouts", {})
    for keras_name, torch_name in port.facts["pairs"]:
        if nodes[keras_name]["kind"] == "dropout":
            rate = nodes[keras_name]["config"].get("rate")
            items.append(compare_exact(f"{keras_name}.rate", rate, calls[torch_name]["rate"]))
            items += _grain(keras, nodes[keras_name], calls[torch_name])
            mode = "on" if torch_name in active.get("eval", []) else "off"
            items.append(compare_exact(f"{keras_name} (eval)", "off", mode))
            mode = "on" if torch_name in active.get("train", []) else "off"
            items.append(
                compare_exact(
                    f"{keras_name} (train)", "on" if rate else "off", mode if rate else "off"
                )
            )
    for mode in ("eval", "train"):
        items += raised(port, f"forward/{mode}")
        for keras_name, _ in port.facts["pairs"]:
            items += _layer(keras, port, mode, keras_name)
        if f"forward/{mode}/output" in port and f"forward/{mode}/output" in keras:
            items.append(_output(keras, port, mode))
    items += [
        close(keras, port, f"state/{weight}", f"{weight} (after a batch in train mode)")
        for weight in port.facts["weights"]
        if f"state/{weight}" in keras and f"state/{weight}" in port
    ]
    return judged_if_any(f"{MEASURED}; dropout uses Keras's masks", items)


def _grain(keras: Trace, node: dict[str, Any], call: dict[str, Any]) -> Iterator[Item]:
    """Compares what a dropout drops together; Keras's mask in both halves would hide that."""
    name = node["name"]
    key = f"mask/train/{name}"
    if key not in keras:
        return
    mask = keras[key]
    if mask.ndim < 3:
        return
    by_channel = mask.reshape(len(mask), -1, mask.shape[-1])
    is_whole = bool((by_channel == by_channel[:, :1]).all())
    if is_whole and _chance_of_whole(by_channel) > P_VALUE:
        return
    said = {True: "whole channels", False: "single values"}
    forms = call["input_forms"][0]
    # torch drops along the second axis, whatever its meaning.
    is_last = forms[0] == node["input_shapes"][0] != forms[-1]
    drops = "whole steps" if call["drops_channels"] and is_last else said[call["drops_channels"]]
    yield compare_exact(f"{name} drops", said[is_whole], drops)


def _chance_of_whole(by_channel: np.ndarray) -> float:
    """Returns how likely it is that dropping single values drops only whole channels by chance.

    Args:
        by_channel: the mask, (samples, places, channels), equal in all places.
    """
    kept, places = by_channel[:, 0], by_channel.shape[1]
    share = kept.mean()
    of_one_place = np.where(kept, share, 1 - share).prod()
    return float(of_one_place ** (places - 1))


def _layer(keras: Trace, port: Trace, mode: str, name: str) -> Iterator[Item]:
    """Compares the input and output of a layer, and its output for Keras's own input."""
    prefix = f"forward/{mode}/{name}"
    torch_name = dict(port.facts["pairs"])[name]
    call = next(node for node in port.facts["nodes"] if node["name"] == torch_name)
    logarithmic = call["kind"] == "activation:log_softmax"  # it replaces a softmax
    first, last = port.facts["ends"][name]  # the layer itself, or what pads or crops around it
    number = 0
    while (key := f"forward/{mode}/{first}/input/{number}") in keras:
        if key in port:
            yield close(keras, port, key, f"input of {name} ({mode})")
        number += 1
    for kind, label in (("output", name), ("own", f"{name}, with Keras's input")):
        # Keras does not run a model that is not compiled in train mode.
        if f"{prefix}/{kind}" in port and f"forward/{mode}/{last}/output" in keras:
            ours = port[f"{prefix}/{kind}"]
            if logarithmic:
                ours = np.exp(ours)
            yield _layer_output(keras, f"forward/{mode}/{last}", ours, f"{label} ({mode})")


def _layer_output(keras: Trace, prefix: str, ours: np.ndarray, label: str) -> Item:
    """Compares with the output of the layer, before or after its activation.

    A module of the user may contain the activation; the closer of the two is used.
    """
    keys = [key for key in (f"{prefix}/output", f"{prefix}.activation/output") if key in keras]
    items = [
        compare_close(label, keras[key], ours, allowed=allowed(keras, key), unit="rel")
        for key in keys
    ]
    return min(items, key=lambda item: item.worst)


def _output(keras: Trace, port: Trace, mode: str) -> Item:
    """Compares the model's output, in the form in which the port returns it."""
    key = f"forward/{mode}/output"
    theirs, form = keras[key], port.facts["output_form"]
    if form == "linear":
        theirs = keras[f"forward/{mode}/{keras.facts['nodes'][-1]['name']}/input/0"]
    elif form == "log":
        with np.errstate(divide="ignore"):
            theirs = np.log(theirs)
    ours = port[key]
    # A wrong shape fails below.
    if ours.shape != theirs.shape and ours.ndim == theirs.ndim > 2:
        ours = np.moveaxis(ours, 1, -1)  # channels last
    elif ours.squeeze().shape == theirs.squeeze().shape:
        ours = ours.reshape(theirs.shape)  # (N,) for (N, 1)
    return compare_close(f"output ({mode})", theirs, ours, allowed=allowed(keras, key), unit="rel")
