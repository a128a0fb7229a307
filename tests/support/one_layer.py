"""Evidence of one divergence at one layer, or behind it, from arrays that a test computes."""

import numpy as np

from parity.divergences import recognised
from parity.divergences.evidence import Evidence
from parity.ladder.compare import compare_close
from parity.ladder.items import FAIL, INTRODUCED, Level


class Arrays(dict):
    """A trace in memory."""

    def __init__(self, facts, arrays):
        super().__init__(arrays)
        self.facts = facts
        self.spec = {"seed": 0}

    def largest(self, key):
        """The largest absolute value."""
        return float(np.abs(self[key]).max(initial=0.0))

    def below(self, prefix):
        """What follows the prefix."""
        return sorted(key[len(prefix) + 1 :] for key in self if key.startswith(f"{prefix}/"))


def node(name, kind, sources, config=None, weights=()):
    """A Keras node."""
    return {
        "name": name,
        "kind": kind,
        "config": config or {},
        "sources": sources,
        "input_shapes": [[1]],
        "output_shape": [1],
        "weights": list(weights),
    }


def call(name, kind, sources, weights=None):
    """A call of the port."""
    return {
        "name": name,
        "kind": kind,
        "where": "",
        "sources": sources,
        "origins": sources,
        "weights": weights or {},
        "rate": None,
    }


def facts(nodes, calls, of_keras=None):
    """The facts of both halves; nodes and calls are paired in order."""
    pairs = [[a["name"], b["name"]] for a, b in zip(nodes, calls, strict=False)]
    ends = {a: [a, a] for a, _ in pairs}
    both = {"nodes": nodes, "noise": {}, "weights": {}, "loss": None, **(of_keras or {})}
    ours = {
        "nodes": calls,
        "pairs": pairs,
        "ends": ends,
        "settings": {},
        "keras_left": [],
        "torch_left": [],
        "given": {"load": False},
        "raised": {},
    }
    return both, ours


def at_layer(kind, config, x, theirs, ours, weights=None, settings=None):
    """Evidence of a layer "here" that makes something else of Keras's input."""
    names = [f"here.{name}" for name in weights or {}]
    keras, port = facts([node("here", kind, [-1], config, names)], [call("there", kind, [-1])])
    port["settings"] = {"there": settings or {}}
    arrays = {f"weights/here.{name}": value for name, value in (weights or {}).items()}
    arrays |= {"forward/eval/here/input/0": x, "forward/eval/here/output": theirs}
    own = {"forward/eval/here/own": ours, "forward/eval/here/input/0": x}
    return evidence((keras, arrays), (port, own), "here, with Keras's input (eval)", theirs, ours)


def behind(kind, config, x, made, theirs, ours):
    """Evidence of an input of "next", which comes from a layer "here" without a partner."""
    nodes = [node("next", "dense", [1]), node("here", kind, [-1], config)]
    keras, port = facts(nodes, [call("linear", "dense", [-1])])
    arrays = {
        "forward/eval/here/input/0": x,
        "forward/eval/here/output": made,
        "forward/eval/next/input/0": theirs,
    }
    own = {"forward/eval/next/input/0": ours}
    return evidence((keras, arrays), (port, own), "input of next (eval)", theirs, ours)


def evidence(keras, port, name, theirs, ours, level="forward"):
    """Evidence of one item.

    Args:
        keras: (facts, arrays) of Keras.
        port: (facts, arrays) of the port.
        name: name of the item.
        theirs: Keras's array there.
        ours: the port's.
        level: name of the level.
    """
    item = compare_close(name, theirs, ours, allowed=1e-12, unit="rel")
    item = type(item)(**{**vars(item), "role": INTRODUCED})
    return Evidence(Arrays(*keras), Arrays(*port), Level(level, FAIL, "", (item,)), (item,))


def names(found):
    """ID -> detail of what is recognised, the surest first."""
    return {entry.id: match.detail for entry, match in recognised(found)}


def first(found):
    """The ID that is recognised first."""
    return next(iter(names(found)), None)
