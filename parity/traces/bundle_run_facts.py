"""The training in a bundle and what `fit` was fed: checked before anything relies on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from parity.data.image_changes import DRAWN
from parity.data.probe_inputs import MAX_STEP_ENTRIES, sampled
from parity.files.records import problem
from parity.programs.program_spec import ProgramSpec
from parity.traces.anchors import FLOAT32, MASKS, MOVED, NUM_STEPS, SIZE
from parity.traces.bundle_facts import Shapes
from parity.traces.facts import Anchors, Feed, FeedSettings, RunProbe, TrainingFacts
from parity.traces.training_recorder import MAX_ENTRIES, PREDICTIONS

# --------------------------------------------------------------------------------------------------
#
# What `fit` was fed, and the recorded states, in a bundle: checked before anything relies on it.
#
# Arrays stand by key: `feed/…` as in a feed file, `anchor/STEP/…` as in a file of an anchor. Forms
# say how they make up nests; see `parity.traces.folder`.


MAX_DEPTH = 8  # of a nest
_BATCHES = ("train_batches", "val_batches")
_FLOWS = ("train_flow", "val_flow")
_ARRAYS = ("x", "y", "weight")
_NAMES = (*_ARRAYS, "order", "val", *_BATCHES, *_FLOWS)
_FLOW = ("x", "misc", "y", "weight", "mean", "std", "index", "sizes", "sums", "drawn")


def check_feed(
    feed: Any, shapes: Shapes, ends: list[int], get: Get, facts: Mapping[str, Any]
) -> str:
    """Returns what is wrong with what `fit` was fed, "" if nothing is.

    Args:
        feed: forms of the nests by name, and settings.
        shapes: of the arrays, by key.
        ends: number of steps after each epoch.
        get: returns an array.
        facts: of the probes.
    """
    if wrong := problem(Feed, feed, "feed"):
        return wrong
    forms, settings = feed["forms"], feed["settings"]
    if unknown := [name for name in forms if name not in _NAMES]:
        return f"feed has {unknown[0][:40]!r}; expected some of {', '.join(_NAMES)}"
    named: list[str] = []
    for name, form in forms.items():
        if wrong := _leaves(f"feed/{name}", form, named):
            return wrong
    if set(named) != set(shapes):
        return "the forms of feed speak of other arrays than there are"
    kinds = [name for name in ("x", "train_batches", "train_flow") if name in forms]
    if len(kinds) != 1 or (kinds == ["x"] and not {*_ARRAYS} <= set(forms)):
        return "feed has no samples of training, or several kinds of them"
    if len([name for name in ("val", "val_batches", "val_flow") if name in forms]) > 1:
        return "feed has several kinds of samples of validation"
    return (
        _whole(forms, shapes, facts["fit"])
        or _settings(forms, settings, ends)
        or _phantom(settings.get("phantom_steps", {}), facts["masks"])
        or next((p for n in _BATCHES if n in forms and (p := _batches(n, forms[n], shapes))), "")
        or next(
            (
                p
                for n in _FLOWS
                if n in forms and (p := _flow(n, forms[n], settings["flows"][n], shapes, get))
            ),
            "",
        )
    )


def _leaves(path: str, form: Any, named: list[str], depth: int = 0) -> str:
    """Puts the keys of the leaves of a nest into `named`; returns what is wrong with its form."""
    if depth > MAX_DEPTH:
        return f"{path[:80]} is nested deeper than {MAX_DEPTH}"
    if form is None:
        return ""
    if form == "array":
        named.append(path)
        return ""
    if isinstance(form, dict) and set(form) == {"names"} and isinstance(form["names"], dict):
        parts: Iterator[tuple[Any, Any]] = iter(form["names"].items())
    elif isinstance(form, dict) and set(form) == {"parts"} and isinstance(form["parts"], list):
        parts = enumerate(form["parts"])
    else:
        return f"{path[:80]} has the form {str(form)[:40]}; expected array, names or parts"
    found = (_leaves(f"{path}/{name}", part, named, depth + 1) for name, part in parts)
    return next((wrong for wrong in found if wrong), "")


def _lengths(path: str, form: Any, shapes: Shapes) -> set[int]:
    """Returns the numbers of samples that the arrays of a nest have; 0 for one of none."""
    named: list[str] = []
    _leaves(path, form, named)
    return {([*shapes[key], 0])[0] for key in named}


def _whole(forms: Mapping[str, Any], shapes: Shapes, fit: Mapping[str, Any]) -> str:
    """Arrays that are fed whole have as many samples each."""
    groups: list[tuple[str, list[str]]] = []
    if "x" in forms:
        groups.append(("x, y and weight", [*_ARRAYS, *(["order"] if "order" in forms else [])]))
    if "val" in forms:
        groups.append(("val", ["val"]))
        parts = forms["val"].get("parts") if isinstance(forms["val"], dict) else None
        if parts is None or len(parts) not in (1, 2, 3):
            return "feed.val is no (x, y) or (x, y, weight)"
    for label, names in groups:
        lengths = set().union(*(_lengths(f"feed/{name}", forms[name], shapes) for name in names))
        if len(lengths) != 1 or 0 in lengths:
            return f"the arrays of {label} have {sorted(lengths)[:5]} samples; expected one number"
    if "x" in forms and not isinstance(fit["batch_size"], int):
        return "facts.fit.batch_size is missing, and arrays were fed"
    return ""


def _settings(forms: Mapping[str, Any], settings: Mapping[str, Any], ends: list[int]) -> str:
    is_whole = not any(name.endswith(("_batches", "_flow")) for name in forms)
    if is_whole:
        return "" if not settings else "feed.settings is not empty, and arrays were fed"
    if wrong := problem(FeedSettings, settings, "feed.settings"):
        return wrong
    if lacking := [name for name in _FLOWS if name in forms and name not in settings["flows"]]:
        return f"feed.settings.flows has no {lacking[0]!r}"
    if settings["epoch_ends"] != ends:
        return "feed.settings.epoch_ends are not those of the training"
    numbers = settings["val_ends"]
    has_validation = any(name.startswith("val_") for name in forms)
    if any(b < a for a, b in zip([0, *numbers], numbers, strict=False)):
        return "feed.settings.val_ends are no numbers of batches, in their order"
    if has_validation and len(numbers) < len(ends):
        return f"feed.settings.val_ends has {len(numbers)} validations for {len(ends)} epochs"
    return ""


def _phantom(steps: Mapping[str, Any], masks: Mapping[str, Any]) -> str:
    """Steps without a batch tell the state of every generator of masks."""
    for epoch, step in steps.items():
        if {*step["masks"]} != {*masks}:
            return (
                f"feed.settings.phantom_steps.{epoch[:20]!r}.masks are not those of the layers in "
                "facts.masks"
            )
    return ""


def _batches(name: str, form: Any, shapes: Shapes) -> str:
    parts = form.get("parts") if isinstance(form, dict) else None
    if not parts:
        return f"feed.{name} is no list of batches"
    for number, part in enumerate(parts):
        lengths = _lengths(f"feed/{name}/{number}", part, shapes)
        if len(lengths) != 1 or 0 in lengths:
            return f"batch {number} of feed.{name} has {sorted(lengths)[:5]} samples"
    return ""


def _flow(name: str, form: Any, settings: Mapping[str, Any], shapes: Shapes, get: Get) -> str:
    """The samples and the parameters of a flow are those of its arrays."""
    names = form.get("names") if isinstance(form, dict) else None
    if names is None or set(names) != set(_FLOW):
        return f"feed.{name} has other parts than {', '.join(_FLOW)}"
    start = f"feed/{name}"
    needed = ["x", "index", "sizes", "sums"]
    if not all(names[part] == "array" for part in needed) or len(shapes[f"{start}/x"]) != 4:
        return f"feed.{name} lacks its images (N, H, W, C), index, sizes or sums"
    arrays = {part: names[part] for part in ("x", "misc", "y", "weight")}
    lengths = set().union(*(_lengths(f"{start}/{n}", f, shapes) for n, f in arrays.items()))
    if len(lengths) != 1:
        return f"the arrays of feed.{name} have {sorted(lengths)[:5]} samples; expected one number"
    index, sizes = get(f"{start}/index"), get(f"{start}/sizes")
    if index.dtype.kind != "i" or sizes.dtype.kind != "i" or index.ndim != 1 or sizes.ndim != 1:
        return f"feed.{name} has an index or sizes that are no rows of integers"
    if sizes.min(initial=1) < 1 or sizes.sum() != len(index):
        return f"the sizes of feed.{name} are not those of its batches"
    if index.min(initial=0) < 0 or index.max(initial=0) >= min(lengths):
        return f"the index of feed.{name} names samples that are not there"
    if shapes[f"{start}/sums"] != sizes.shape or get(f"{start}/sums").dtype.kind != "f":
        return f"feed.{name} has other sums than batches"
    drawn = names["drawn"].get("names") if isinstance(names["drawn"], dict) else None
    if drawn is None or not set(drawn) <= set(DRAWN):
        return f"feed.{name} has other draws than {', '.join(DRAWN)}"
    for each, leaf in drawn.items():
        shape = shapes.get(f"{start}/drawn/{each}") if leaf == "array" else None
        if shape not in ((1,), index.shape):
            return f"feed.{name} has draws of {each} for another number of images"
        if not np.isfinite(get(f"{start}/drawn/{each}")).all():
            return f"feed.{name} has draws of {each} that are not finite"
    channels = (1, 1, shapes[f"{start}/x"][3])
    for statistic, setting in (
        ("mean", "featurewise_center"),
        ("std", "featurewise_std_normalization"),
    ):
        is_there = names[statistic] == "array"
        if is_there != settings["arguments"][setting] or (
            is_there and shapes[f"{start}/{statistic}"] != channels
        ):
            return f"feed.{name} has not the {statistic} that its generator uses"
    return ""


def check_anchors(
    anchors: Any,
    steps: list[int],
    shapes: Shapes,
    weights: Mapping[str, tuple[int, ...]],
    num_steps: int,
    num_made: int,
) -> str:
    """Returns what is wrong with the recorded states, "" if nothing is.

    Args:
        anchors: plan, and the form of the batches of each state.
        steps: those from which steps were made.
        shapes: of the arrays of the states, by key.
        weights: shape of each weight.
        num_steps: of the training.
        num_made: from each state, if the training goes on so long.
    """
    if wrong := problem(Anchors, anchors, "anchors"):
        return wrong
    plan, batches = anchors["plan"], anchors["batches"]
    planned = {*plan["steps"]}
    if not {*plan["measured"], *plan["validated"]} <= planned or not {*steps} <= planned:
        return "anchors.plan has other steps in its parts than in all"
    if set(batches) != set(map(str, steps)):
        return "anchors.batches are not those of the recorded states"
    left = set(shapes)
    for step in steps:
        start, number = f"anchor/{step}", min(num_made, num_steps - step)
        parts = batches[str(step)].get("parts") if isinstance(batches[str(step)], dict) else None
        if parts is None or len(parts) != number:
            return f"the state before step {step} has not the batches of {number} steps"
        named: list[str] = []
        if wrong := _leaves(f"{start}/batches", batches[str(step)], named):
            return wrong
        for place, part in enumerate(parts):
            is_triple = isinstance(part, dict) and len(part.get("parts", ())) == 3
            if not is_triple or len(_lengths(f"{start}/batches/{place}", part, shapes)) != 1:
                return f"a batch of the state before step {step} is no (x, y, weight)"
        if missing := [key for key in named if key not in left]:
            return f"the array {missing[0][:80]!r} is missing"
        left -= set(named)
        expected: dict[str, tuple[int, ...]] = {f"{start}/rates": (number,)}
        expected |= {f"{start}/weights/{name}": shape for name, shape in weights.items()}
        for key in [key for key in left if key.startswith(f"{start}/")]:
            kind, _, name = key[len(start) + 1 :].partition("/")
            weight = name.partition("/")[2]
            if kind == "masks":
                expected[key] = (2,)
            elif kind == "others" or (kind == "slots" and weight in weights):
                expected[key] = shapes[key]
        for key, shape in expected.items():
            if shapes.get(key) != shape:
                return f"the array {key[:80]!r} has the shape {shapes.get(key)}; expected {shape}"
        left -= set(expected)
    return f"the array {sorted(left)[0][:80]!r} is of no recorded state" if left else ""


# --- What the training in a bundle looks like, checked before anything relies on it ---------------


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
            numbers = range(1, length + 1)
            expected |= {f"anchored/{step}/{MOVED}/{n}/{name}": shape for n in numbers}
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
