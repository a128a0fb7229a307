"""What the training in a bundle looks like, checked before anything relies on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from parity.data.augmented import DRAWN
from parity.data.probe_inputs import MAX_STEP_ENTRIES, sampled
from parity.files.records import problem
from parity.programs.program_spec import ProgramSpec
from parity.traces.anchored_steps import MAX_ENTRIES
from parity.traces.anchors import FLOAT32, MASKS, MOVED, NUM_STEPS, SIZE
from parity.traces.facts import RunProbe, TrainingFacts
from parity.traces.training_recorder import PREDICTIONS

Shapes = Mapping[str, tuple[int, ...]]
Get = Callable[[str], np.ndarray]

# First part of a key -> dtypes.
PARTS = {
    "training": ("F64", "I64"),
    "predictions": ("F32", "F64"),
    "anchored": ("F64", "I64"),
    "anchor_noise": ("F64",),
    "anchor_constants": ("F64",),
    "between_steps": ("I64",),
}
_ANCHORS = ("anchors", "anchors_measured", "anchors_with_constants")
# What the keys begin with of what was measured, and the fact that tells from which states.
_MEASURED = {"anchor_noise/": _ANCHORS[1], "anchor_constants/": _ANCHORS[2]}


def check_probed(facts: Mapping[str, Any], shapes: Shapes, get: Get) -> str:
    """Returns what is wrong with what the probes of a run say of its training, "" if nothing is.

    Args:
        facts: of the probes.
        shapes: of their arrays, by key.
        get: returns one of them.
    """
    if wrong := problem(RunProbe, facts, "facts") or _fit(facts["fit"]):
        return wrong
    for name, entry in facts["weights"].items():
        if shapes.get(f"start/{name}") != tuple(entry["shape"]):
            return f"the array {f'start/{name}'[:80]!r} is missing, or has another shape"
        if not np.isfinite(get(f"start/{name}")).all():
            return f"the array {f'start/{name}'[:80]!r} has values that are not finite"
    others = [key for key in shapes if key.startswith("start/")]
    if len(others) != len(facts["weights"]):
        return "there are initial weights of more than the weights"
    if "order" not in shapes:
        return ""
    order = get("order")
    if order.ndim != 1 or not np.array_equal(np.sort(order), np.arange(len(order))):
        return "the array 'order' is no order of samples"
    return ""


def _fit(fit: Mapping[str, Any]) -> str:
    """A training begins before it ends."""
    if fit["initial_epoch"] >= fit["epochs"]:
        return f"facts.fit.epochs is {fit['epochs']}, after epoch {fit['initial_epoch']}"
    return ""


def check_training(
    spec: ProgramSpec,
    content: Mapping[str, Any],
    shapes: Shapes,
    weights: Mapping[str, tuple[int, ...]],
) -> str:
    """Returns what is wrong with the training of a run, "" if nothing is.

    Args:
        spec: of the run.
        content: facts, history, wall_s.
        shapes: of the arrays of its trace, by key.
        weights: shape of each weight of the model.
    """
    facts = content["facts"]
    needed: list[str] = []
    if has_anchors := "anchors" in facts:
        needed += _ANCHORS
    elif spec.dtype == FLOAT32:
        return "there are no recorded states, which a training in float32 has"
    if "training/image_sums" in shapes:
        needed.append("augment")
    if spec.evaluates:
        needed.append("num_classes")
    if lacking := [name for name in needed if name not in facts]:
        return f"facts has no {lacking[0]!r}"
    wrong = problem(TrainingFacts, facts, "facts") or _fit(facts["fit"])
    if wrong := wrong or _history(content["history"], facts["epoch_ends"]):
        return wrong
    if facts["fit"]["has_anchors"] != has_anchors:
        return "facts.fit.has_anchors is not what the recorded states say"
    num_steps = facts["epoch_ends"][-1]
    anchored: Shapes = {}
    if has_anchors:
        if wrong := _steps_of_anchors(facts, num_steps):
            return wrong
        anchored = {key: shape for key, shape in shapes.items() if key.startswith("anchor")}
    trained = {key: shape for key, shape in shapes.items() if key not in anchored}
    if spec.evaluates and trained.pop(PREDICTIONS, ()) != (facts["num_val"], facts["num_classes"]):
        return f"the array {PREDICTIONS!r} is missing, or of other samples or classes"
    return _trained(trained, num_steps, weights, has_anchors) or _anchored(
        anchored, facts, weights, num_steps
    )


def _history(history: Mapping[str, Any], ends: list[int]) -> str:
    if any(b <= a for a, b in pairwise(ends)):
        return "facts.epoch_ends are no numbers of steps, each larger than the one before"
    if wrong := problem(dict[str, list[float]], history, "history"):
        return wrong
    for name, column in history.items():
        if len(column) != len(ends):
            return f"history.{name[:40]} has {len(column)} numbers for {len(ends)} epochs"
    return "" if "loss" in history else "history has no 'loss'"


def _steps_of_anchors(facts: Mapping[str, Any], num_steps: int) -> str:
    steps, *chosen = (facts[name] for name in _ANCHORS)
    if steps != sorted({*steps}) or steps[-1] >= num_steps:
        return "facts.anchors are no numbers of steps, in their order"
    for name, some in zip(_ANCHORS[1:], chosen, strict=True):
        if some != sorted({*some}) or not {*some} <= {*steps}:
            return f"facts.{name} are not some of facts.anchors, in their order"
    return ""


def _trained(
    shapes: Shapes, num_steps: int, weights: Mapping[str, tuple[int, ...]], has_anchors: bool
) -> str:
    expected: dict[str, tuple[int, ...]] = {
        "training/loss": (num_steps,),
        "training/rates": (num_steps,),
    } | {f"training/final/{name}": shape for name, shape in weights.items()}
    if has_anchors:
        expected["between_steps"] = (num_steps,)
    kept = {name: _sampled(shape, MAX_STEP_ENTRIES) for name, shape in weights.items()}
    steps: dict[int, int] = {0: 0}
    for key, shape in shapes.items():
        kind, number, name = _parts_of(key)
        if kind == "training/weights":
            if number is None or number > num_steps or name not in kept:
                return f"the array {key[:80]!r} is of no step and weight of the training"
            expected[key] = kept[name]
            steps[number] = steps.get(number, 0) + 1
        elif kind == "training/images":
            is_such = number is not None and 1 <= number <= num_steps and not name
            if not is_such or len(shape) != 4 or "training/image_sums" not in shapes:
                return f"the array {key[:80]!r} has no images of a step"
            expected[key] = shape
        elif key == "training/image_sums":
            expected[key] = (num_steps,)
        elif key.startswith("training/flow/"):
            expected[key] = _of_flow(key, shapes)
        elif kind == "training/counts":  # of the means that steps of the user's own return
            expected[key] = (num_steps,)
        elif key not in expected:
            return f"the array {key[:60]!r} is none that a training leaves"
    if missing := [step for step, number in steps.items() if number != len(weights)]:
        return f"some weights of step {missing[0]} are missing"
    return _differing(shapes, expected)


def _of_flow(key: str, shapes: Shapes) -> tuple[int, ...]:
    """Returns the shape of what was drawn for the images of a flow; () for a key that is none."""
    name = key.removeprefix("training/flow/")
    if name == "sizes":
        return shapes[key] if len(shapes[key]) == 1 else ()
    is_drawn = name.startswith("drawn/") and name.removeprefix("drawn/") in DRAWN
    index = shapes.get("training/flow/index", ())
    return index if (name == "index" or is_drawn) and len(index) == 1 else ()


def _parts_of(key: str) -> tuple[str, int | None, str]:
    """Returns the first two parts of a key, the number that follows, and the rest."""
    part, kind, number, name = [*key.split("/", 3), "", "", ""][:4]
    is_number = number.isascii() and number.isdecimal() and len(number) < 11
    return f"{part}/{kind}", int(number) if is_number else None, name


def _anchored(
    shapes: Shapes,
    facts: Mapping[str, Any],
    weights: Mapping[str, tuple[int, ...]],
    num_steps: int,
) -> str:
    """The arrays of steps from recorded states have the shapes that the weights say."""
    expected: dict[str, tuple[int, ...]] = {}
    lengths = {step: min(NUM_STEPS, num_steps - step) for step in facts.get("anchors", ())}
    kept = {name: _sampled(shape, MAX_ENTRIES) for name, shape in weights.items()}
    for step, length in lengths.items():
        expected[f"anchored/{step}/loss"] = (length,)
        for name, shape in kept.items():
            expected[f"anchored/{step}/{SIZE}/{name}"] = ()
            expected[f"anchored/{step}/{FLOAT32}/{name}"] = shape
            expected |= {f"anchored/{step}/{MOVED}/{n}/{name}": shape for n in {1, length}}
    for key, shape in shapes.items():
        if key.startswith(tuple(_MEASURED)):
            expected[key] = (len(facts[_MEASURED[key.partition("/")[0] + "/"]]),)
            continue
        _, number, rest = [*key.split("/", 2), "", ""][:3]
        kind, _, name = rest.partition("/")
        if number not in map(str, lengths):
            return f"the array {key[:80]!r} is of no recorded state"
        if kind in ("running", "validation"):
            expected[key] = ()
        elif kind == "slots":
            made, _, name = name.partition("/")
            weight = name.partition("/")[2]
            if made not in ("1", str(lengths[int(number)])) or not weight:
                return f"the array {key[:80]!r} is of no step from a recorded state"
            expected[key] = kept.get(weight, shape)
        elif kind == MASKS:
            expected[key] = (2,)
        elif key not in expected:
            return f"the array {key[:80]!r} is none that steps from a recorded state leave"
    return _differing(shapes, expected)


def _sampled(shape: tuple[int, ...], most: int) -> tuple[int, ...]:
    """Returns the shape of what is kept of an array."""
    return sampled(np.broadcast_to(np.uint8(0), shape), most).shape


def _differing(shapes: Shapes, expected: Shapes) -> str:
    for key, wanted in expected.items():
        if shapes.get(key) != wanted:
            return f"the array {key[:80]!r} has the shape {shapes.get(key)}; expected {wanted}"
    return ""
