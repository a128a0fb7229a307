"""Which arrays a bundle needs of the metrics of its model, and which shapes they have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parity.traces.bundle_outputs import Shapes, names_of
from parity.traces.trace import keyed


def metrics_problem(facts: Mapping[str, Any], shapes: Shapes) -> str:
    """Returns what is wrong with what metrics say and were given, "" if nothing is."""
    probe = facts.get("metric_probe") or {}
    names, sizes = probe.get("names", []), probe.get("sizes", [])
    if not names:
        return ""
    if not sizes or "weights" not in probe:
        return "facts.metric_probe has no 'sizes' or 'weights'"
    for name in names:
        for part, number in (("given", len(sizes)), ("eval", 2), ("train", 2)):
            key = f"metric/{part}/{name}"
            if shapes.get(key, ())[:1] != (number,):
                return f"the array {key[:80]!r} has the shape {shapes.get(key)}; expected {number}"
    return _given(facts, shapes, sum(sizes))


def _given(facts: Mapping[str, Any], shapes: Shapes, num: int) -> str:
    sides = [tuple(each["shape"]) for each in facts.get("outputs") or []]
    for name, side in zip(names_of(facts), sides or [tuple(facts["output_shape"])], strict=True):
        for what in ("linear", "output"):
            key = keyed(f"metric_input/{what}", name)
            if shapes.get(key) != (num, *side):
                return (
                    f"the array {key[:80]!r} is missing, or has another shape than {(num, *side)}"
                )
        key = keyed("metric_input/target", name)
        if shapes.get(key, ())[:1] != (num,):
            return f"the array {key[:80]!r} is missing, or has other samples"
        probe = shapes.get(keyed("target/probe", name), ())[:1]
        for part, samples in (("given", (num,)), ("eval", probe), ("train", probe)):
            key = keyed(f"metric_input/weight/{part}", name)
            if key in shapes and shapes[key][:1] != samples:
                return f"the array {key[:80]!r} has the shape {shapes[key]}; expected {samples}"
    return ""
