"""Each layer of a port by itself, and which differences are only another way of writing.

A port and the form of its output go in. What every paired layer gets and makes from Keras's values
comes out, in both modes, and the gradients of the loss. A relu that comes after its pool, say, is
no mistake: layers that differ are left out in a second pass. If what follows them then agrees, they
differ in style only.
"""

from __future__ import annotations

from contextlib import suppress

from parity.ladder.items import PASS
from parity.ladder.recorded import MODES, compare_output
from parity.traces.trace import TraceWriter
from torch_impl.harness.check.forced import Forced, agrees, forced_pass
from torch_impl.harness.check.port_loss import Loss
from torch_impl.harness.port.dataflow import takers
from torch_impl.harness.port.given_images import is_random_image
from torch_impl.harness.port.port_under_test import PortUnderTest


def write_layers(port: PortUnderTest, form: str, loss: Loss | None, writer: TraceWriter) -> None:
    """Writes what every layer makes of Keras's values.

    Args:
        port: the port.
        form: of its output.
        loss: its loss; None: gradients are not compared.
        writer: has the outputs of the port; receives `forward/…/input/…`, `forward/…/own`,
            `forced/…`, `loss/own`, and the facts `awaited`, `style`, `targets`,
            `unshaped`.
    """
    style: set[str] = set()
    writer.facts |= {"awaited": [], "style": [], "targets": {}, "unshaped": []}
    for mode in MODES:
        key = f"forward/{mode}/output"
        # Keras's model is not compiled, or the port raises in this mode.
        if key not in port.keras or key not in writer.arrays:
            continue
        given = loss if mode == "train" else None
        found = _forced(port, mode, style, given)
        # What comes behind a random layer of images is given: that agrees, whatever the layer does.
        if differing := _differing(port, found) - style - _random_images(port):
            ours = writer.arrays[key]
            agrees = compare_output(port.keras, ours, form, mode).status == PASS
            new = differing if agrees else _of_style(port, form, mode, differing, style)
            style |= new
            if new and given is not None:
                found = _forced(port, mode, style, given)
        _write(mode, found, writer)
        # The loss of another output is none of Keras's.
        if found.loss is not None and _ends_well(port, found, form, mode):
            writer.put("loss/own", found.loss)
    writer.facts["style"] = sorted(style)


def _random_images(port: PortUnderTest) -> set[str]:
    return {node["name"] for node in port.keras.facts["nodes"] if is_random_image(node)}


def _forced(port: PortUnderTest, mode: str, style: set[str], loss: Loss | None) -> Forced:
    """Runs the port with Keras's values.

    If that raises, layers of another shape are left out, since what follows may not take Keras's;
    then the loss, since other probes tell what it raises.
    """
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
    clean = _clean(port, form, mode, weightless, style)
    return clean | _clean(port, form, mode, differing - clean, style | clean)


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
    after = takers(nodes)
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
