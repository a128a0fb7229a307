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
    from parity.traces.bundle import Bundle
    from parity.traces.trace import Trace


def of_run(keras: Trace, torch: Trace, tolerance: Tolerance) -> Outcome:
    """Dropout masks, and the output of every layer in eval mode and in train mode."""
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


def of_probe(bundle: Bundle, port: Trace) -> Outcome:
    """Rates of dropout, every layer in both modes, and what train mode does to its state."""
    nodes = {node["name"]: node for node in bundle.facts["nodes"]}
    calls = {node["name"]: node for node in port.facts["nodes"]}
    items = []
    active = port.facts.get("active_dropouts", {})
    for keras_name, torch_name in port.facts["pairs"]:
        if nodes[keras_name]["kind"] == "dropout":
            rate = nodes[keras_name]["config"].get("rate")
            items.append(compare_exact(f"{keras_name}.rate", rate, calls[torch_name]["rate"]))
            items += _grain(bundle, nodes[keras_name], calls[torch_name])
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
            items += _layer(bundle, port, mode, keras_name)
        if f"forward/{mode}/output" in port and f"forward/{mode}/output" in bundle:
            items.append(_output(bundle, port, mode))
    items += [
        close(bundle, port, f"state/{weight}", f"{weight} (after a batch in train mode)")
        for weight in port.facts["weights"]
        if f"state/{weight}" in bundle and f"state/{weight}" in port
    ]
    return judged_if_any(f"{MEASURED}; dropout keeps what Keras's masks keep", items)


def _grain(bundle: Bundle, node: dict[str, Any], call: dict[str, Any]) -> Iterator[Item]:
    """What a dropout drops at once: its mask is Keras's in both halves, and would hide it."""
    name = node["name"]
    key = f"mask/train/{name}"
    if key not in bundle:
        return
    mask = bundle[key]
    if mask.ndim < 3:
        return
    by_channel = mask.reshape(len(mask), -1, mask.shape[-1])
    is_whole = bool((by_channel == by_channel[:, :1]).all())
    if is_whole and _chance_of_whole(by_channel) > P_VALUE:
        return
    said = {True: "whole channels", False: "single values"}
    forms = call["input_forms"][0]
    # torch drops along the second axis, whatever stands there.
    is_last = forms[0] == node["input_shapes"][0] != forms[-1]
    drops = "whole steps" if call["drops_channels"] and is_last else said[call["drops_channels"]]
    yield compare_exact(f"{name} drops", said[is_whole], drops)


def _chance_of_whole(by_channel: np.ndarray) -> float:
    """How likely single values, of which as many are kept, are dropped by whole channels only.

    Args:
        by_channel: what is kept, (samples, places, channels), alike in all places.
    """
    kept, places = by_channel[:, 0], by_channel.shape[1]
    share = kept.mean()
    of_one_place = np.where(kept, share, 1 - share).prod()
    return float(of_one_place ** (places - 1))


def _layer(bundle: Bundle, port: Trace, mode: str, name: str) -> Iterator[Item]:
    """Its input and output as reached, and its output when fed with Keras's own input."""
    prefix = f"forward/{mode}/{name}"
    torch_name = dict(port.facts["pairs"])[name]
    call = next(node for node in port.facts["nodes"] if node["name"] == torch_name)
    logarithmic = call["kind"] == "activation:log_softmax"  # which stands for a softmax
    first, last = port.facts["ends"][name]  # but for what pads or cuts, the layer itself
    number = 0
    while (key := f"forward/{mode}/{first}/input/{number}") in bundle:
        if key in port:
            yield close(bundle, port, key, f"input of {name} ({mode})")
        number += 1
    for kind, label in (("output", name), ("own", f"{name}, fed with Keras's input")):
        # Keras is not asked what a model that is not compiled does in train mode.
        if f"{prefix}/{kind}" in port and f"forward/{mode}/{last}/output" in bundle:
            ours = port[f"{prefix}/{kind}"]
            if logarithmic:
                ours = np.exp(ours)
            yield _layer_output(bundle, f"forward/{mode}/{last}", ours, f"{label} ({mode})")


def _layer_output(bundle: Bundle, prefix: str, ours: np.ndarray, label: str) -> Item:
    """Compares with what the layer computes, before its activation or after it.

    A module of the user's may hold the activation; it is taken as what it is closer to.
    """
    keys = [key for key in (f"{prefix}/output", f"{prefix}.activation/output") if key in bundle]
    items = [
        compare_close(label, bundle[key], ours, allowed=allowed(bundle, key), unit="rel")
        for key in keys
    ]
    return min(items, key=lambda item: item.worst)


def _output(bundle: Bundle, port: Trace, mode: str) -> Item:
    """The model's output, in the form in which the port returns it."""
    key = f"forward/{mode}/output"
    theirs, form = bundle[key], port.facts["output_form"]
    if form == "linear":
        theirs = bundle[f"forward/{mode}/{bundle.facts['nodes'][-1]['name']}/input/0"]
    elif form == "log":
        with np.errstate(divide="ignore"):
            theirs = np.log(theirs)
    ours = port[key]
    # A shape that does not fit fails below.
    if ours.shape != theirs.shape and ours.ndim == theirs.ndim > 2:
        ours = np.moveaxis(ours, 1, -1)  # channels last
    elif ours.squeeze().shape == theirs.squeeze().shape:
        ours = ours.reshape(theirs.shape)  # (N,) for (N, 1)
    return compare_close(f"output ({mode})", theirs, ours, allowed=allowed(bundle, key), unit="rel")
