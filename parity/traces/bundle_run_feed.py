"""What `fit` was fed, and the recorded states, in a bundle: checked before anything relies on it.

Arrays stand by key: `feed/…` as in a feed file, `anchor/STEP/…` as in a file of an anchor. Forms
say how they make up nests; see `parity.traces.feed_file`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from parity.data.augmented import DRAWN
from parity.files.records import problem
from parity.traces.facts import Anchors, Feed, FeedSettings

Shapes = Mapping[str, tuple[int, ...]]
Get = Callable[[str], np.ndarray]

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
    for told, names in groups:
        lengths = set().union(*(_lengths(f"feed/{name}", forms[name], shapes) for name in names))
        if len(lengths) != 1 or 0 in lengths:
            return f"the arrays of {told} have {sorted(lengths)[:5]} samples; expected one number"
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
