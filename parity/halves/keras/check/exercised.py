"""What a probe leaves without effect: what it cannot compare, and how it is drawn again.

A pass in train mode goes in. The activations that let no gradient through, the weights whose
gradient is zero and the masks that drop nothing or everything come out, with weights under which
more of them mean something.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity.data.probe_inputs import single
from parity.data.weight_names import short_name
from parity.ladder.loss_items import UNUSED
from parity.ladder.rounding import LIMITS, allowed_by_float32, allowed_by_rounding, limits_of
from parity.traces.trace import TraceWriter, largest_of

# Where one sample of each unit is put: inside the linear part of relu, relu6 and hard_sigmoid.
_ALIVE = 0.5


@dataclass
class Exercise:
    """What a pass in train mode leaves without effect.

    Attributes:
        dead: activations that get a gradient and let none through: a ReLU that is zero for all
            samples, a gate that is saturated.
        unused: trainable weights on which the loss does not depend at all.
        idle: other trainable weights whose gradient is zero.
        masks: dropout -> "nothing" or "everything", which is what it drops.
        used_masked: calls with a mask of sequences whose masked steps something uses; no problem.
        unreached: activations -> pieces in which they get no number, such as "above 6" of `relu6`;
            of a recurrent layer, those of its gates.
    """

    dead: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)
    masks: dict[str, str] = field(default_factory=dict)
    used_masked: list[str] = field(default_factory=list)
    unreached: dict[str, list[str]] = field(default_factory=dict)

    @property
    def num_problems(self) -> int:
        """How many of these another draw may change."""
        return len(self.dead) + len(self.idle) + len(self.masks)

    @property
    def num_left(self) -> int:
        """How much is not compared: the problems, and the pieces without a number."""
        return self.num_problems + sum(map(len, self.unreached.values()))


def useless_masks(masks: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Returns the masks (name -> what is kept) that drop nothing or everything."""
    said = {True: "nothing", False: "everything"}
    return {
        name: said[bool(mask.all())] for name, mask in masks.items() if mask.all() or not mask.any()
    }


def revived(
    weights: Mapping[str, np.ndarray], writer: TraceWriter, dead: Sequence[str]
) -> dict[str, np.ndarray] | None:
    """Returns weights under which dead activations let a gradient through.

    The bias of the layer before a dead activation is moved, so that the middle sample of each unit
    is in the linear part of the activation. Without a bias, the kernel is turned over and made
    smaller. A second pass may show others further on.

    Args:
        weights: of the pass.
        writer: holds the pass: the facts `nodes`, and `forward/train/…`.
        dead: names of activations.

    Returns:
        All weights, or None if no layer before a dead activation has weights of its units.
    """
    order = writer.facts["nodes"]
    nodes = {node["name"]: node for node in order}
    found: dict[str, np.ndarray] = {}
    for name in dead:
        sources = nodes[name]["sources"] if name in nodes else []
        if len(sources) != 1 or sources[0] is None or sources[0] < 0:
            continue
        given = writer.arrays[f"forward/train/{name}/input/0"]
        rows = given.reshape(-1, given.shape[-1])
        own = order[sources[0]]["weights"]
        biases = [n for n in own if _ends(n, "bias", "beta") and weights[n].shape == rows.shape[1:]]
        kernels = [n for n in own if _ends(n, "kernel") and weights[n].shape[-1:] == rows.shape[1:]]
        if biases:
            middle = np.sort(rows, axis=0)[(len(rows) - 1) // 2]
            found[biases[0]] = single(weights[biases[0]] - middle + _ALIVE)
        elif kernels:
            size = np.maximum(np.abs(rows).max(axis=0), 1)
            found[kernels[0]] = single(-weights[kernels[0]] / size)
    return {**weights, **found} if found else None


def _ends(weight: str, *variables: str) -> bool:
    return short_name(weight) in variables


def not_compared(exercise: Exercise, writer: TraceWriter) -> list[dict[str, Any]]:
    """Returns what a probe says nothing about, and why.

    Args:
        exercise: of the pass in train mode.
        writer: holds the whole probe, with the fact `noise`.
    """
    behind = f", since nothing passes {', '.join(exercise.dead)}" if exercise.dead else ""
    why = dict.fromkeys(exercise.idle, f"it is zero in every probe{behind}")
    why |= dict.fromkeys(exercise.unused, UNUSED)
    found = [told(f"gradient through {name}", "none passes in any probe") for name in exercise.dead]
    found += [told(f"mask of {name}", f"it drops {what}") for name, what in exercise.masks.items()]
    for name, pieces in exercise.unreached.items():
        found += [told(f"numbers {piece} in {name}", "no probe has any") for piece in pieces]
    found += [told(f"gradient of {n}", text, f"gradient/{n}") for n, text in why.items()]
    return [*found, *_rounding(writer, set(why))]


def _rounding(writer: TraceWriter, zero: set[str]) -> Iterator[dict[str, Any]]:
    """Tells the arrays that are nothing but rounding, or of which rounding decides too much."""
    reader = _Reader(writer)
    limits, single = limits_of(reader), LIMITS["float32"].most
    trained = [name for name, entry in writer.facts["weights"].items() if entry["trainable"]]
    keys = [f"gradient/{name}" for name in trained if f"gradient/{name}" in reader]
    greatest = max(map(reader.largest, keys), default=0.0)
    named: set[str] = set()
    for key in keys:
        name = key.partition("/")[2]
        if name in zero:
            continue
        if reader.largest(key) < limits.floor * greatest:
            named.add(name)
            yield told(f"gradient of {name}", "its gradient is only rounding", key)
        elif (most := allowed_by_rounding(reader, key)) > limits.most:
            named.add(name)
            yield told(f"gradient of {name}", _share(most), key)
        elif allowed_by_float32(reader, key) * reader.largest(key) >= single * greatest:
            named.add(name)
            yield told(
                f"gradient of {name}", "the program has it in float32, which rounds it away", key
            )
    states = [key for key in writer.arrays if key.startswith("state/")]
    for key in states:
        if (most := allowed_by_rounding(reader, key)) > limits.most:
            yield told(f"{key.partition('/')[2]} after a batch", _share(most), key)
    for name in writer.facts["weights"]:
        if name in zero | named:  # what trains by such a gradient is no more certain
            continue
        steps = [key for key in writer.arrays if _is_step_of(key, name)]
        found = {key: allowed_by_rounding(reader, key) for key in steps}
        decided = {key: most for key, most in found.items() if most > limits.most_in_training}
        if decided:
            yield told(f"training of {name}", _share(max(decided.values())), *decided)


def _is_step_of(key: str, weight: str) -> bool:
    parts = key.split("/", 2)
    return parts[0] == "trajectory" and parts[-1] == weight


def _share(most: float) -> str:
    return f"rounding may change it by {most:.1e} of its size"


def told(what: str, why: str, *keys: str) -> dict[str, Any]:
    """Returns an entry of the fact `not_compared`; the keys are the arrays that it is about."""
    return {"what": what, "why": why, "arrays": list(keys)}


class _Reader:
    """A trace that is not written yet, as `allowed` reads it."""

    def __init__(self, writer: TraceWriter) -> None:
        self.facts = writer.facts
        self._arrays = writer.arrays
        self._largest: dict[str, float] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._arrays

    def __getitem__(self, key: str) -> np.ndarray:
        return self._arrays[key]

    def largest(self, key: str) -> float:
        """As Trace.largest."""
        if key not in self._largest:
            self._largest[key] = largest_of(self._arrays[key])
        return self._largest[key]
