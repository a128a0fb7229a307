"""Divergences of recurrent layers: activations, gates, states, and directions.

Keras's input of a layer, its weights and settings go in. What the layer would give with one thing
changed is compared with what the port has in the place of its output.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from parity.divergences import arithmetic
from parity.divergences.between import last_step
from parity.divergences.divergence import NUMBERS, Match, Recogniser
from parity.divergences.evidence import Evidence
from parity.divergences.kept_states import forgotten
from parity.divergences.recurrent_dropouts import drawn_by_step, not_dropped
from parity.divergences.recurrent_steps import (
    KINDS,
    OF_CLASS,
    Cell,
    cell_of,
    first_states,
    in_walked_order,
    recorded,
    recorded_cell,
    walked,
)
from parity.divergences.structure import gates
from parity.divergences.windows import other_windows

_MERGED: dict[str, Callable[..., np.ndarray]] = {
    "sum": np.add,
    "mul": np.multiply,
    "ave": lambda a, b: (a + b) / 2,
    "concat": lambda a, b: np.concatenate([a, b], axis=-1),
}

ACROSS = "the port walks over the samples, not over the steps: batch_first=True is missing"

Node = Mapping[str, Any]
# (ID, what is different, what the layer gives then)
Change = tuple[str, str, np.ndarray]


def _found(evidence: Evidence) -> list[tuple[str, str]]:
    """Returns (ID, text) of the first change that gives what the port has."""
    if not evidence.is_forward() or evidence.node is None:
        return []
    if evidence.is_own and evidence.kind in (*KINDS, "bidirectional"):
        changes, source = _changes(evidence, evidence.node), None
        fits: Any = evidence.gives
    else:
        found = evidence.failing_input()
        is_sequence = found is not None and evidence.kind in KINDS and found[1].ndim > 2
        if found is not None and is_sequence and evidence.is_close(found[1][:, ::-1], found[2]):
            return [("R3", "the port walks the sequence in the other direction")]
        source = None if found is None else evidence.source(found[0])
        if found is None or source is None:
            return []
        _, theirs, ours = found
        changes = _changes(evidence, source)

        def fits(value: np.ndarray) -> bool:
            return evidence.is_close(value, ours) and not evidence.is_close(value, theirs)

    of = "" if evidence.is_own or source is None else f", in {source['name']}"
    for name, text, value in changes:
        if fits(value):
            return [(name, text + (of if name in ("A29", "A14c") else ""))]
    return []


def _h_for_c(evidence: Evidence) -> Match | None:
    """Recognises h in the place of the c that an LSTM returns beside it."""
    found = evidence.failing_input()
    source = None if found is None else evidence.source(found[0])
    if found is None or source is None or source["kind"] not in ("lstm", "conv_lstm"):
        return None
    x = recorded(evidence, source, 0)
    config = source["config"]
    cell = recorded_cell(evidence, source)
    if x is None or cell is None:
        return None
    states = first_states(evidence, source)
    given = in_walked_order(config, x)
    h, c = (values[:, -1] for values in walked(cell, given, states))
    for theirs, ours, text in ((c, h, "h in the place of c"), (h, c, "c in the place of h")):
        if evidence.is_close(theirs, found[1]) and evidence.is_close(ours, found[2]):
            return Match(NUMBERS, f"the port has {text} of {source['name']}")
    return None


def other_first_state(evidence: Evidence) -> Match | None:
    """Recognises zeros, or the state of another step, as a state with which a layer begins."""
    found = evidence.failing_input()
    if found is None or evidence.kind not in KINDS or not found[0]:
        return None
    number, theirs, ours = found
    name = "h" if number == 1 else "c"
    if not ours.any():
        return Match(NUMBERS, f"the port begins with zeros in the place of {name}")
    source = evidence.source(number)
    if source is None or source["kind"] not in KINDS:
        return None
    x = recorded(evidence, source, 0)
    cell = recorded_cell(evidence, source)
    if x is None or cell is None:
        return None
    for state, values in zip("hc", walked(cell, x), strict=True):
        for step in range(values.shape[1]):
            if evidence.is_close(values[:, step], ours) and not evidence.is_close(ours, theirs):
                is_last = step == values.shape[1] - 1
                when = "" if is_last else f" after step {step + 1}"
                told = f"the {state} of {source['name']}{when}"
                return Match(NUMBERS, f"the port begins with {told} in the place of {name}")
    return None


def _changes(evidence: Evidence, node: Node) -> Iterator[Change]:
    """Yields what a layer of Keras gives with one change, the likeliest first."""
    x = recorded(evidence, node, 0)
    if x is None or x.ndim < 3:
        return
    if node["kind"] == "bidirectional":
        yield from _of_both(evidence, node, x)
    elif node["kind"] in KINDS:
        cell = recorded_cell(evidence, node)
        if cell is not None:
            states = first_states(evidence, node)
            yield from _of_one(cell, x, states)
            given = in_walked_order(cell.config, x)
            for text, other in _as_set(evidence, node, cell):
                yield "A29", text, _shown(cell, walked(other, given, states)[0])
            if not states:
                yield from _of_handed_states(evidence, node, cell, x)
            yield from _of_several(evidence, node)


def _as_set(evidence: Evidence, node: Node, *cells: Cell) -> Iterator[tuple[Any, ...]]:
    """Yields (text, cells) with the activations that the port's module says, or else torch's.

    Nothing comes if these are Keras's.

    Args:
        evidence: has the settings of the modules.
        node: of the layer.
        *cells: of it, or of its directions.
    """
    partner = dict(evidence.port.facts["pairs"]).get(node["name"], "")
    own = evidence.port.facts["settings"].get(partner, {})
    outer = str(own.get("activation") or own.get("nonlinearity") or "tanh")
    inner = str(own.get("recurrent_activation") or "sigmoid")
    functions, first = arithmetic.ACTIVATIONS, cells[0]
    if first.kind == "simple_rnn":  # it has no gates
        inner = "linear"
    ours = functions.get(outer, first.activation), functions.get(inner, first.inner)
    if ours != (first.activation, first.inner):
        changed = [replace(cell, activation=ours[0], inner=ours[1]) for cell in cells]
        yield (f"activation {outer}, inner activation {inner} in the port", *changed)


def _shown(cell: Cell, values: np.ndarray) -> np.ndarray:
    """Returns what the layer returns of the values of all steps."""
    return values if cell.config.get("return_sequences") else values[:, -1]


def _of_one(cell: Cell, x: np.ndarray, states: list[np.ndarray]) -> Iterator[Change]:
    back = bool(cell.config.get("go_backwards"))
    given = x[:, ::-1] if back else x
    h, c = walked(cell, given, states)
    if states:
        zeros = walked(cell, given)[0]
        yield "R1", "the port begins with zeros", _shown(cell, zeros)
        if len(states) == 2:
            twice = walked(cell, given, states[:1] * 2)[0]
            yield "R1", "the port begins with h in the place of c", _shown(cell, twice)
            swapped = walked(cell, given, states[::-1])[0]
            yield "R1", "the port begins with c and h exchanged", _shown(cell, swapped)
            for number, name in enumerate("hc"):
                changed = list(states)
                changed[number] = np.zeros_like(states[number])
                text = f"the port begins with zeros in the place of {name}"
                yield "R1", text, _shown(cell, walked(cell, given, changed)[0])
    if cell.kind in ("lstm", "conv_lstm"):
        yield "R2", "the port has c in the place of h", _shown(cell, c)
    other = walked(cell, given[:, ::-1], states)[0]
    walks = ("from its start", "from its end") if back else ("from its end", "from its start")
    yield "R3", f"the port walks the sequence {walks[0]}, Keras {walks[1]}", _shown(cell, other)
    if cell.config.get("return_sequences"):
        yield "R3", "the outputs of the port are in the order of the other direction", h[:, ::-1]
        yield "R3", "the port walks and returns in the other direction", other[:, ::-1]
    else:
        yield "R3", "the port has the output of the first step", h[:, 0]
        yield "R3", "the port has the last step of the other direction", other[:, 0]
    if cell.kind == "conv_lstm":
        yield from _windows(cell, given)
    else:
        across = walked(cell, given.swapaxes(0, 1))[0].swapaxes(0, 1)
        yield "R3", ACROSS, _shown(cell, across)
    own = tuple(range(cell.num_gates))
    for order in itertools.permutations(own):
        if order != own:
            text = f"the port takes gates {', '.join(map(str, order))} of Keras in their place"
            yield "A14c", text, _shown(cell, walked(cell.with_gates(order), given, states)[0])


def _windows(cell: Cell, given: np.ndarray) -> Iterator[Change]:
    """Yields other windows of the convolution of the input, as they are and cut to Keras's size."""
    config, ones = cell.config, [1] * (given.ndim - 3)
    sides = walked(cell, given)[0].shape[2:-1]
    for padding, name in itertools.product(("same", "valid"), ("", "strides", "dilation_rate")):
        changed = {**config, "padding": padding, **({name: ones} if name else {})}
        if all(changed[key] == config.get(key) for key in changed):
            continue
        try:
            value = _shown(cell, walked(replace(cell, config=changed), given)[0])
        except ValueError:  # no window fits
            continue
        told = ", ".join(f"{key} {changed[key]}" for key in ("padding", name) if key)
        yield "A18", f"{told} in the port", value
        for axis, side in enumerate(reversed(sides), start=2):
            value = np.moveaxis(np.moveaxis(value, -axis, 0)[:side], 0, -axis)
        yield "A18", f"{told} in the port, and cut", value


def _of_handed_states(
    evidence: Evidence, node: Node, cell: Cell, x: np.ndarray
) -> Iterator[Change]:
    """Yields what a layer that begins with zeros gives if it begins where another one has ended."""
    given = in_walked_order(cell.config, x)
    for other in evidence.keras.facts["nodes"]:
        if other["kind"] != node["kind"] or other["name"] == node["name"]:
            continue
        passed = recorded(evidence, other, 0)
        encoder = recorded_cell(evidence, other)
        # With the same recurrent kernel both have as many units.
        if passed is None or encoder is None or encoder.weights[1].shape != cell.weights[1].shape:
            continue
        passed = in_walked_order(encoder.config, passed)
        h, c = (values[:, -1] for values in walked(encoder, passed))
        states = [h, c] if cell.kind in ("lstm", "conv_lstm") else [h]
        told = f"the port begins with the last states of {other['name']}, Keras with zeros"
        yield "R1", told, _shown(cell, walked(cell, given, states)[0])


def _of_several(evidence: Evidence, node: Node) -> Iterator[Change]:
    """Yields what layers on top of one another give if all have the same gates or activations."""
    nodes = evidence.keras.facts["nodes"]
    chain = [node]
    while (source := chain[0]["sources"][0]) is not None and source >= 0:
        if nodes[source]["kind"] != node["kind"]:
            break
        chain.insert(0, nodes[source])
    cells = [recorded_cell(evidence, n) for n in chain]
    x = recorded(evidence, chain[0], 0)
    if len(chain) < 2 or x is None:
        return
    several = [cell for cell in cells if cell is not None]
    across = _through(several, x.swapaxes(0, 1)).swapaxes(0, 1)
    if across.ndim == x.ndim:
        yield "R3", ACROSS, across
    own = tuple(range(several[0].num_gates))
    for order in itertools.permutations(own):
        if order != own:
            changed = [cell.with_gates(order) for cell in several]
            text = f"the port takes gates {', '.join(map(str, order))} of Keras in their place"
            yield "A14c", text, _through(changed, x)


def _through(cells: list[Cell], x: np.ndarray) -> np.ndarray:
    for cell in cells:
        given = in_walked_order(cell.config, x)
        x = _shown(cell, walked(cell, given)[0])
    return x


def _of_both(evidence: Evidence, node: Node, x: np.ndarray) -> Iterator[Change]:
    inner = node["config"].get("layer", {})
    config, kind = inner.get("config", {}), str(inner.get("class_name", ""))
    half = len(node["weights"]) // 2
    if kind not in OF_CLASS or not half:
        return
    names = (node["weights"][:half], node["weights"][half:])
    cells = [cell_of(evidence.keras, part, config, OF_CLASS[kind]) for part in names]
    first, second = cells
    if first is None or second is None or recorded(evidence, node, 1) is not None:
        return
    there, back = walked(first, x)[0], walked(second, x[:, ::-1])[0]
    merge = str(node["config"].get("merge_mode"))
    is_whole = bool(config.get("return_sequences"))
    parts = (there, back[:, ::-1]) if is_whole else (there[:, -1], back[:, -1])
    if merge not in _MERGED:
        return
    for name, merged in _MERGED.items():
        if name != merge:
            yield "R4", f"merge_mode {merge} in Keras, {name} in the port", merged(*parts)
    turned = _MERGED[merge](*parts[::-1])
    if not np.array_equal(turned, _MERGED[merge](*parts)):  # a sum is the same in any order
        yield "R4", "the port has both directions the other way round", turned
    if not is_whole:
        text = "the forward direction agrees, the backward one is at another step"
        yield "A25", text, _MERGED[merge](parts[0], back[:, 0])
    if is_whole:
        text = "the port has the backward direction in its own order"
        yield "R3", text, _MERGED[merge](there, back)
    for text, one, other in _as_set(evidence, node, first, second):
        a, b = walked(one, x)[0], walked(other, x[:, ::-1])[0]
        both = (a, b[:, ::-1]) if is_whole else (a[:, -1], b[:, -1])
        yield "A29", f"{text}, in both directions", _MERGED[merge](*both)
    forwards = walked(second, x)[0]
    last = (there, forwards) if is_whole else (there[:, -1], forwards[:, -1])
    yield "R3", "the port walks in the same direction twice", _MERGED[merge](*last)


def _one(name: str) -> Recogniser:
    """Returns the recogniser of an entry that `_found` may find."""

    def recognise(evidence: Evidence) -> Match | None:
        texts = [text for found, text in evidence.once(_found) if found == name]
        return Match(NUMBERS, texts[0]) if texts else None

    return recognise


RULES: dict[str, Recogniser] = {
    **{name: _one(name) for name in ("A29", "R3", "R4")},
    "R1": lambda evidence: other_first_state(evidence) or _one("R1")(evidence),
    "A25": lambda evidence: last_step(evidence) or _one("A25")(evidence),
    "R2": lambda evidence: _h_for_c(evidence) or _one("R2")(evidence),
    "A18": lambda evidence: other_windows(evidence) or _one("A18")(evidence),
    "A14c": lambda evidence: gates(evidence) or _one("A14c")(evidence),
    "R5": drawn_by_step,
    "R6": not_dropped,
    "R7": forgotten,
}
