"""Each layer of a port by itself, and which differences are only another way of writing.

A port and the form of its output go in. What every paired layer gets and makes from Keras's values
comes out, in both modes, and the gradients of the loss. A relu that comes after its pool, say, is
no mistake: layers that differ are left out in a second pass. If what follows them then agrees, they
differ in style only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
from torch import nn

from parity.halves.torch.check.forced import Forced, agrees, forced_pass
from parity.halves.torch.check.port_loss import Loss
from parity.halves.torch.port.dataflow import origins, takers
from parity.halves.torch.port.given_images import is_random_image
from parity.halves.torch.port.modules_by_hand import states_of_steps
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.ladder.items import PASS
from parity.ladder.recorded import MODES, compare_output
from parity.traces.trace import TraceWriter


def write_layers(port: PortUnderTest, form: str, loss: Loss | None, writer: TraceWriter) -> None:
    """Writes what every layer makes of Keras's values.

    Args:
        port: the port.
        form: of its output.
        loss: its loss; None: gradients are not compared.
        writer: has the outputs of the port; receives `forward/…/input/…`, `forward/…/own`,
            `forward/…/steps`, `forced/…`, `loss/own`, and the facts `awaited`, `style`, `targets`,
            `unshaped`.
    """
    style: set[str] = set()
    writer.facts |= {"awaited": [], "style": [], "targets": {}, "unshaped": []}
    if port.keras.facts.get("brief"):  # what reaches the first layer decides; the others are absent
        _write("eval", _forced(port, "eval", style, None), writer)
        return
    # Keras's model is not compiled, or the port raises in this mode.
    modes = [
        m for m in MODES if all(f"forward/{m}/output" in x for x in (port.keras, writer.arrays))
    ]
    is_right = _is_right(port, form, modes, writer)
    for mode in modes:
        given = loss if mode == "train" else None
        found = _forced(port, mode, style, given)
        # What comes behind a random layer of images is given: that agrees, whatever the layer does.
        if differing := _differing(port, found) - style - _random_images(port):
            new = differing if is_right else _of_style(port, form, mode, differing, style)
            style |= new
            if new and given is not None:
                found = _forced(port, mode, style, given)
        _write(mode, found, writer)
        if mode == "eval" and not is_right:
            states = states_of_steps(port, partial(_forced, port, mode, style, None))
            for name, array in states.items():
                writer.put(f"forward/{mode}/{name}/steps", array)
        # The loss of another output is none of Keras's.
        if found.loss is not None and _ends_well(port, found, form, mode):
            writer.put("loss/own", found.loss)
    writer.facts["style"] = sorted(style)


def _is_right(port: PortUnderTest, form: str, modes: Sequence[str], writer: TraceWriter) -> bool:
    """Whether the output is Keras's in every mode, and what goes into its activation.

    In one mode alone it says little: a softmax of large values is 0 or 1, whatever comes before it.
    """
    outputs = {mode: writer.arrays[f"forward/{mode}/output"] for mode in modes}
    return port.ends_alike and all(
        compare_output(port.keras, output, form, mode).status == PASS
        for mode, output in outputs.items()
    )


def _random_images(port: PortUnderTest) -> set[str]:
    return {node["name"] for node in port.keras.facts["nodes"] if is_random_image(node)}


def _forced(port: PortUnderTest, mode: str, style: set[str], loss: Loss | None) -> Forced:
    """Runs the port with Keras's values.

    If that raises, layers of another shape are left out, since what follows may not take Keras's;
    then the loss, since other probes tell what it raises.
    """
    style = style | _of_steps(port)
    others = style | _unshaped(port, mode)
    for left_out, given in ((style, loss), (others, loss)):
        with suppress(Exception):  # the user's code may raise anything
            return forced_pass(port, mode, left_out, given)
    return forced_pass(port, mode, others)


def _write(mode: str, found: Forced, writer: TraceWriter) -> None:
    for inputs in found.inputs.values():
        for key, array in inputs.items():
            writer.put(key, array)
    for name, array in found.own.items():
        writer.put(f"forward/{mode}/{name}/own", array)
    writer.facts["targets"][mode] = found.targets
    writer.facts["unshaped"] = sorted({*writer.facts["unshaped"], *found.unshaped})
    for what in ("gradient", "arrived", "state"):
        if mode == "train":
            writer.put_all(f"forced/{what}", getattr(found, what))
    if found.loss is not None:
        writer.facts["awaited"] = found.awaited


def _ends_well(port: PortUnderTest, found: Forced, form: str, mode: str) -> bool:
    """Whether the output of the port is Keras's."""
    ours = port.as_told(found.output).detach().cpu().numpy()
    return compare_output(port.keras, ours, form, mode).status == PASS


def _of_steps(port: PortUnderTest) -> set[str]:
    """Returns the recurrent layers of Keras in whose place the port calls a part of one.

    What such a layer returns is not what a cell returns in the first step; nor what a module of
    torch does, if the port merges its two directions in code of its own.
    """
    return {
        pair.node["name"]
        for pair in port.pairs
        if pair.node["kind"] in ("lstm", "gru", "simple_rnn")
        and pair.call.inputs
        and pair.call.inputs[0].ndim == len(pair.node["input_shapes"][0]) - 1
    } | {
        pair.node["name"]
        for pair in port.pairs
        if pair.node["kind"] == "bidirectional"
        and pair.node["config"].get("merge_mode") in ("sum", "mul", "ave")
        and isinstance(pair.call.module, nn.RNNBase)
    }


def _unshaped(port: PortUnderTest, mode: str) -> set[str]:
    """Returns the Keras layers whose output has another shape in the port."""
    found = set()
    for pair in port.pairs:
        call = pair.chain(port.calls)[-1]
        key = f"forward/{mode}/{port.keras.facts['nodes'][pair.ends.keras_last]['name']}/output"
        if key in port.keras:
            value = pair.native_output(port.keras[key], call)
            if value is None or value.shape != call.output.shape:
                found.add(pair.node["name"])
    return found


def _differing(port: PortUnderTest, found: Forced) -> set[str]:
    """Returns the Keras layers whose output differs, or what reaches them."""
    outputs = {
        name for name, a in found.own.items() if not agrees(port.keras, found.targets[name], a)
    }
    return outputs | _reached(port, found)


def _reached(port: PortUnderTest, found: Forced) -> set[str]:
    """Returns the Keras layers with an input that differs.

    Of attention, query and key are not noted: its output differs if one of them does.
    """
    kinds = {node["name"]: node["kind"] for node in port.keras.facts["nodes"]}
    weights = {
        name
        for name, array in found.own.items()
        if kinds[name] == "attention" and not agrees(port.keras, found.targets[name], array)
    }
    return weights | {
        name
        for name, inputs in found.inputs.items()
        if not all(agrees(port.keras, key, array) for key, array in inputs.items())
    }


def _of_style(
    port: PortUnderTest, form: str, mode: str, differing: set[str], style: set[str]
) -> set[str]:
    """Returns the differing layers behind which nothing differs once they are left out.

    Layers without weights come first: a layer with weights beside one of them may be wrong.
    """
    weightless = {
        pair.node["name"]
        for pair in port.pairs
        if pair.node["name"] in differing and not pair.node["weights"] and not pair.variables
    }
    clean = _in_another_shape(port, mode, differing)
    clean |= _clean(port, form, mode, weightless - clean, style | clean)
    return clean | _clean(port, form, mode, differing - clean, style | clean)


def _in_another_shape(port: PortUnderTest, mode: str, differing: set[str]) -> set[str]:
    """Returns the layers that make what Keras's make, of Keras's numbers in another shape.

    Such are positions, (T,) in one half and (1, T) in the other.
    """
    with suppress(Exception):  # without Keras's values the port may not even fit together
        found = forced_pass(port, mode)
        wrong = {
            name for name, a in found.own.items() if not agrees(port.keras, found.targets[name], a)
        }
        return {
            name
            for name, inputs in found.inputs.items()
            if name in differing - wrong
            and name in found.own
            and all(np.array_equal(port.keras[k].ravel(), a.ravel()) for k, a in inputs.items())
        }
    return set()


def _possible_takers(nodes: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """Returns, for every call, the calls that take its output.

    In the code of a user's layer, the way of a tensor is not always known. Of a call whose output
    nothing is seen to take, these are the later ones of which a source is not known.
    """
    after = takers(nodes)
    unknown = [number for number, node in enumerate(nodes) if None in origins(node)]
    return [
        found or [other for other in unknown if other > number]
        for number, found in enumerate(after)
    ]


def _clean(port: PortUnderTest, form: str, mode: str, asked: set[str], style: set[str]) -> set[str]:
    """Returns the layers of `asked` behind which nothing differs if all of them are left out."""
    if not asked:
        return set()
    try:
        found = forced_pass(port, mode, style | asked)
    except Exception:  # without Keras's values the port may not even fit together
        return set()
    bad = _reached(port, found)
    ends_well = _ends_well(port, found, form, mode)
    nodes = port.keras.facts["nodes"]
    after = _possible_takers(nodes)
    judged = set(found.own) | set(found.inputs)

    def is_clean(start: int) -> bool:
        seen: set[int] = set()
        waiting = [start]
        while waiting:
            number = waiting.pop()
            if not after[number] and not ends_well:
                return False
            for taker in set(after[number]) - seen:
                seen.add(taker)
                name = nodes[taker]["name"]
                if name in bad:
                    return False
                if name not in judged:
                    waiting.append(taker)
        return True

    return {node["name"] for n, node in enumerate(nodes) if node["name"] in asked and is_clean(n)}
