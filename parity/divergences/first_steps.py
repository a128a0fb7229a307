"""The first step at which a recurrent layer differs from Keras's, with Keras's cell beside it.

No formula of a wrong cell is guessed: whoever wrote it sees the line in Keras's equations.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from parity.divergences.divergence import PLACE, Match, Recogniser
from parity.divergences.evidence import Evidence
from parity.divergences.masked_layers import is_masked
from parity.divergences.recurrent_steps import (
    KINDS,
    OF_CLASS,
    first_states,
    in_walked_order,
    recorded,
    recorded_cell,
    walked,
)

_MOST = 5e6  # of a walk for each order: samples * steps * entries of the recurrent kernel

Node = Mapping[str, Any]


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
    told = _first_step(evidence, node, theirs, ours)
    if evidence.is_by_hand(node):
        told += "; or its weights are laid out as none that was tried, which a `load` of Port says"
    lines = equations(node)
    fix = "\n".join([f"# Keras's cell of {node['name']}", *lines]) if lines else ""
    return Match(PLACE, f"the cell {node['name']} differs {told}", fix=fix)


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
    told = f"first at step {agreeing[best] + 1}"
    is_other = best != tuple(range(len(best)))
    return told + f", with gates {', '.join(map(str, best))} of Keras in their place" * is_other


def _of_directions(evidence: Evidence, node: Node, theirs: np.ndarray, ours: np.ndarray) -> str:
    """Returns the same of both directions, if they are side by side."""
    if node["config"].get("merge_mode") != "concat":
        return "in one direction"
    halves = zip(*(np.split(values, 2, axis=-1) for values in (theirs, ours)), strict=True)
    told = []
    for name, (a, b) in zip(("forward", "backward"), halves, strict=True):
        walks = [values if name == "forward" else values[:, ::-1] for values in (a, b)]
        if (number := _agreeing(evidence, *walks)) < theirs.shape[1]:
            told.append(f"first at step {number + 1} of the {name} direction")
    return " and ".join(told)


def _agreeing(evidence: Evidence, theirs: np.ndarray, ours: np.ndarray) -> int:
    """Returns in how many steps from the first one the port has what Keras has."""
    steps = range(1, ours.shape[1] + 1)
    differing = (n for n in steps if not evidence.is_close(theirs[:, :n], ours[:, :n]))
    return next(differing, ours.shape[1] + 1) - 1


RULES: dict[str, Recogniser] = {"R8": _differs}
