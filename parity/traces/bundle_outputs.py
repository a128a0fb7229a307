"""Which arrays a bundle needs of the losses of its model, and which shapes they have.

The facts of a bundle and the shapes of its arrays go in; what is wrong comes out. Of a model with
several outputs, each has arrays of its own: `target/probe/NAME`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from parity.traces.trace import keyed

Shapes = Mapping[str, tuple[int, ...]]


def names_of(facts: Mapping[str, Any]) -> list[str]:
    """Returns the names of several outputs; [""] for the only one."""
    return [each["name"] for each in facts.get("outputs") or []] or [""]


def outputs_problem(facts: Mapping[str, Any]) -> str:
    """Returns what is wrong with the facts of several outputs, "" if nothing is."""
    found = facts.get("outputs") or []
    if not found:
        return ""
    names = [each["name"] for each in found]
    if len({*names}) < len(names):
        return "two of facts.outputs have the same name"
    if facts["output_shape"] != [sum(math.prod(each["shape"]) for each in found)]:
        return "facts.outputs have other values together than facts.output_shape says"
    if facts["loss"] is not None:
        of_loss = facts["loss"].get("outputs")
        if not of_loss or {*of_loss} - {*names}:
            return "facts.loss.outputs is no mapping from names of outputs"
    if any(isinstance(each, list) for each in facts.get("metrics", {}).values()):
        return "facts.metrics is no mapping from names of outputs"
    return ""


def needed(facts: Mapping[str, Any]) -> set[str]:
    """Returns the keys of the arrays that the losses need."""
    if facts["loss"] is None:
        return set()
    names = names_of(facts)
    found = {"loss/value", *(keyed("target/probe", name) for name in names)}
    if facts.get("confident", True):
        found |= {keyed("loss/confident/linear", name) for name in names}
    return found


def shapes_problem(facts: Mapping[str, Any], shapes: Shapes) -> str:
    """Returns which array of the losses has another shape than the facts say, "" if none has."""
    if facts["loss"] is None:
        return ""
    sizes = [list(each["shape"]) for each in facts.get("outputs") or []]
    for name, sides in zip(names_of(facts), sizes or [facts["output_shape"]], strict=True):
        if problem := _of_output(facts, shapes, name, sides):
            return problem
    for key, samples in _weights(facts, shapes):
        if shapes[key][:1] != samples:
            return f"the array {key[:80]!r} has the shape {shapes[key]}; expected {samples} samples"
    return ""


def _of_output(facts: Mapping[str, Any], shapes: Shapes, name: str, sides: list[int]) -> str:
    if facts.get("confident", True):
        key = keyed("loss/confident/linear", name)
        linear = shapes[key]
        if list(linear[1:]) != sides:
            return f"the array {key[:80]!r} has the shape {linear}; the output another"
        key = keyed("loss/confident/target", name)
        if shapes.get(key, ())[:1] != linear[:1]:
            return f"the array {key[:80]!r} is missing, or has other samples"
        key = keyed("loss/confident/gradient", name)
        if shapes.get(key) != linear:
            return f"the array {key[:80]!r} has the shape {shapes.get(key)}; expected {linear}"
    for part in ("loss/of", "loss/confident/of"):
        if name and shapes.get(f"{part}/{name}", ()) != ():
            return f"the array '{part}/{name[:40]}' is no number"
    return ""


def _weights(facts: Mapping[str, Any], shapes: Shapes) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yields each array of weights, and the number of its samples.

    The arrays that are there are gone through, not the steps that a bundle claims.
    """
    names = names_of(facts)
    for key in shapes:
        part, _, rest = key.partition("/")
        purpose, _, name = rest.partition("/")
        if part == "weight" and name in ("", *names):
            of = "loss/confident/target" if purpose == "confident" else f"target/{purpose}"
            yield key, shapes.get(keyed(of, names[0]), ())[:1]
