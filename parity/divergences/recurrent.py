"""Divergences of recurrent layers: activations, gates, states, directions, first steps."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from parity.divergences import arithmetic
from parity.divergences.between import last_step
from parity.divergences.divergence import NUMBERS, PLACE, Match, Recogniser, found_by
from parity.divergences.evidence import Evidence
from parity.divergences.masks import drawn_by_step, forgotten, not_dropped
from parity.divergences.recurrent_steps import (
    KINDS,
    OF_CLASS,
    Cell,
    cell_of,
    first_states,
    in_walked_order,
    is_masked,
    recorded,
    recorded_cell,
    walked,
)
from parity.divergences.structure import gates
from parity.divergences.windows import other_windows

# --- Divergences of recurrent layers: activations, gates, states, and directions ------------------
#
# Keras's input of a layer, its weights and settings go in. What the layer would give with one thing
# changed is compared with what the port has in the place of its output.


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
                text = f"the {state} of {source['name']}{when}"
                return Match(NUMBERS, f"the port begins with {text} in the place of {name}")
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
    settings = evidence.port.facts["settings"].get(partner, {})
    outer = str(settings.get("activation") or settings.get("nonlinearity") or "tanh")
    inner = str(settings.get("recurrent_activation") or "sigmoid")
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
    keras_order = tuple(range(cell.num_gates))
    for order in itertools.permutations(keras_order):
        if order != keras_order:
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
        text = ", ".join(f"{key} {changed[key]}" for key in ("padding", name) if key)
        yield "A18", f"{text} in the port", value
        for axis, side in enumerate(reversed(sides), start=2):
            value = np.moveaxis(np.moveaxis(value, -axis, 0)[:side], 0, -axis)
        yield "A18", f"{text} in the port, and cut", value


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
        text = f"the port begins with the last states of {other['name']}, Keras with zeros"
        yield "R1", text, _shown(cell, walked(cell, given, states)[0])


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
    keras_order = tuple(range(several[0].num_gates))
    for order in itertools.permutations(keras_order):
        if order != keras_order:
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


RULES: dict[str, Recogniser] = {
    **{name: found_by(name, _found) for name in ("A29", "R3", "R4")},
    "R1": lambda evidence: other_first_state(evidence) or found_by("R1", _found)(evidence),
    "A25": lambda evidence: last_step(evidence) or found_by("A25", _found)(evidence),
    "R2": lambda evidence: _h_for_c(evidence) or found_by("R2", _found)(evidence),
    "A18": lambda evidence: other_windows(evidence) or found_by("A18", _found)(evidence),
    "A14c": lambda evidence: gates(evidence) or found_by("A14c", _found)(evidence),
    "R5": drawn_by_step,
    "R6": not_dropped,
    "R7": forgotten,
}


# --------------------------------------------------------------------------------------------------
#
# The first step at which a recurrent layer differs from Keras's, with Keras's cell beside it.
#
# No formula of a wrong cell is guessed: whoever wrote it sees the line in Keras's equations.


_MOST = 5e6  # of a walk for each order: samples * steps * entries of the recurrent kernel


def _differs(evidence: Evidence) -> Match | None:
    """Recognises a recurrent layer that is wrong for Keras's input, by whatever its cell computes.

    One without a module of its own is seen by what reaches the next layer.
    """
    node, ours = evidence.node, evidence.own_output()
    if not evidence.is_forward() or node is None:
        return None
    theirs = evidence.keras_output()
    if not evidence.is_own:
        found = evidence.failing_input()
        node = None if found is None else evidence.source(found[0])
        if found is None or node is None:
            return None
        _, theirs, ours = found
        if f"forward/{evidence.mode}/{node['name']}/own" in evidence.port:  # it is right
            return None
    if node["kind"] not in (*KINDS, "bidirectional") or theirs is None or ours is None:
        return None
    text = _first_step(evidence, node, theirs, ours)
    if evidence.is_by_hand(node):
        text += "; or its weights are laid out as none that was tried, which a `load` of Port says"
    lines = equations(node)
    fix = "\n".join([f"# Keras's cell of {node['name']}", *lines]) if lines else ""
    return Match(PLACE, f"the cell {node['name']} differs {text}", fix=fix)


def equations(node: Node) -> list[str]:
    """Returns what Keras's cell computes in one step, a line each, by the settings of its layer.

    Of a bidirectional layer of other layers than those of Keras, nothing is known.
    The lines are Python: from x, the states h and c, and the weights as Keras has them come the
    new states. `split` cuts the last axis into equal parts.

    Source: keras 3.15 `layers/rnn/`.

    Args:
        node: of a recurrent layer of Keras, or of a bidirectional one.
    """
    inner, kind = node["config"].get("layer"), str(node["kind"])
    config = node["config"]
    if inner is not None:
        config, kind = inner["config"], OF_CLASS.get(inner["class_name"], "")
    has_bias = config.get("use_bias", True)
    f, s = (
        name if isinstance(name := config.get(key) or "linear", str) else key
        for key in ("activation", "recurrent_activation")
    )
    of_x, of_h = "x @ kernel", "h @ recurrent_kernel"
    bias = " + bias" if has_bias else ""
    if kind == "simple_rnn":
        return [f"h = {f}({of_x} + {of_h}{bias})"]
    if kind == "gru" and config.get("reset_after", True):
        first, second = (f" + bias[{n}]" if has_bias else "" for n in (0, 1))
        return [
            f"xz, xr, xg = split({of_x}{first}, 3)",
            f"hz, hr, hg = split({of_h}{second}, 3)",
            f"z, r = {s}(xz + hz), {s}(xr + hr)",
            f"g = {f}(xg + r * hg)",
            "h = z * h + (1 - z) * g",
        ]
    if kind == "gru":
        return [
            f"xz, xr, xg = split({of_x}{bias}, 3)",
            "uz, ur, ug = split(recurrent_kernel, 3)",
            f"z, r = {s}(xz + h @ uz), {s}(xr + h @ ur)",
            f"g = {f}(xg + (r * h) @ ug)",
            "h = z * h + (1 - z) * g",
        ]
    if kind == "conv_lstm":
        of_x, of_h = "conv(x, kernel)", "conv(h, recurrent_kernel)"
    elif kind != "lstm":
        return []
    return [
        f"i, f, g, o = split({of_x} + {of_h}{bias}, 4)",
        f"i, f, o = {s}(i), {s}(f), {s}(o)",
        f"c = f * c + i * {f}(g)",
        f"h = o * {f}(c)",
    ]


def _first_step(evidence: Evidence, node: Node, theirs: np.ndarray, ours: np.ndarray) -> str:
    """Returns in words at which step a layer differs first.

    The order of the gates of a cell by hand is not known, and with another one all steps differ.
    So that order counts with which it agrees for longest.
    """
    config, key = node["config"], f"forward/{evidence.mode}/{node['name']}/steps"
    x = recorded(evidence, node, 0)
    is_whole = x is not None and x.ndim == theirs.ndim and theirs.shape == ours.shape
    if node["kind"] == "bidirectional":
        return _of_directions(evidence, node, theirs, ours) if is_whole else "in one direction"
    if not is_whole and key not in evidence.port:
        advice = "; as a module that gets all steps in one call, it tells the first one"
        return "in its last step" + advice * (not evidence.is_own)
    ours = ours if is_whole else evidence.port[key]
    tried: dict[tuple[int, ...], np.ndarray] = {(): theirs} if is_whole else {}
    cell = recorded_cell(evidence, node)
    is_left_out = is_masked(evidence.keras, evidence.mode, node)
    if cell is not None and x is not None and not is_left_out:
        given = in_walked_order(config, x)
        states = first_states(evidence, node)
        orders = itertools.permutations(range(cell.num_gates))
        is_free = evidence.is_by_hand(node) and given[..., 0].size * cell.weights[1].size < _MOST
        for order in orders if is_free else itertools.islice(orders, 1):
            tried[order] = walked(cell.with_gates(order), given, states)[0]
    agreeing = {order: _agreeing(evidence, values, ours) for order, values in tried.items()}
    best = max(agreeing, key=agreeing.__getitem__, default=None)
    if best is None:
        return "in its last step"
    if agreeing[best] == ours.shape[1]:
        return f"after step {ours.shape[1]}"
    text = f"first at step {agreeing[best] + 1}"
    is_other = best != tuple(range(len(best)))
    return text + f", with gates {', '.join(map(str, best))} of Keras in their place" * is_other


def _of_directions(evidence: Evidence, node: Node, theirs: np.ndarray, ours: np.ndarray) -> str:
    """Returns the same of both directions, if they are side by side."""
    if node["config"].get("merge_mode") != "concat":
        return "in one direction"
    halves = zip(*(np.split(values, 2, axis=-1) for values in (theirs, ours)), strict=True)
    texts = []
    for name, (a, b) in zip(("forward", "backward"), halves, strict=True):
        walks = [values if name == "forward" else values[:, ::-1] for values in (a, b)]
        if (number := _agreeing(evidence, *walks)) < theirs.shape[1]:
            texts.append(f"first at step {number + 1} of the {name} direction")
    return " and ".join(texts)


def _agreeing(evidence: Evidence, theirs: np.ndarray, ours: np.ndarray) -> int:
    """Returns in how many steps from the first one the port has what Keras has."""
    steps = range(1, ours.shape[1] + 1)
    differing = (n for n in steps if not evidence.is_close(theirs[:, :n], ours[:, :n]))
    return next(differing, ours.shape[1] + 1) - 1


RULES_OF_FIRST_STEPS: dict[str, Recogniser] = {"R8": _differs}
