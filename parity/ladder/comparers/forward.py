"""Forward: masks, random images, and the output of every layer in eval and train mode."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.data.draws import shared_axes
from parity.data.image_changes import GRAIN, ORIENTATION, QUANTITIES, by_name
from parity.ladder.compare import compare_close, compare_exact
from parity.ladder.comparers.probe import measured, raised
from parity.ladder.items import (
    DECIDES,
    FOLLOWS,
    INTRODUCED,
    LOG_P,
    STYLE,
    Item,
    Outcome,
    judged_if_any,
)
from parity.ladder.recorded import (
    MODES,
    close,
    compare_output,
    compare_recorded,
    outputs_agree,
    unplaced,
)
from parity.ladder.rounding import FLOAT64

if TYPE_CHECKING:
    from parity.traces.facts import Node
    from parity.traces.trace import KerasTrace, PortTrace


# --------------------------------------------------------------------------------------------------
#
# Random layers of images: whether a port changes images as Keras does, and in train mode alone.
#
# A port draws other numbers than Keras. So what many draws of both make of one pattern is compared
# by its distribution, quantity by quantity (`parity/data/image_changes.py`).


START, DRAWN = "random_image:", ", drawn "  # of kinds; in the names of items
# Distributions that are as near as this, in the sense of Kolmogorov and Smirnov, count as equal:
# a zoom by z and one by 1 / z, both uniform in their range, are not told apart.
_NEAR = 0.1
# Which layers change a quantity; the first one that the model has is told.
MOVING = ("RandomRotation", "RandomZoom", "RandomTranslation", "RandomShear", "RandomPerspective")
_MAKERS = {
    **dict.fromkeys(ORIENTATION, ("RandomFlip",)),
    "angle": ("RandomRotation", "RandomShear", "RandomPerspective"),
    **dict.fromkeys(("width", "height"), ("RandomZoom", "RandomShear", "RandomContrast", *MOVING)),
    **dict.fromkeys(("shift right", "shift down"), ("RandomTranslation", "RandomCrop", *MOVING)),
    "brightness": ("RandomBrightness", "RandomColorJitter", *MOVING),
    "contrast": ("RandomContrast", "RandomColorJitter", *MOVING),
    **dict.fromkeys(("darkest", "brightest"), ("RandomErasing", *MOVING)),
    "smoothness": (*MOVING, "RandomElasticTransform"),
}
_FALSE_ALARMS = 1e-3  # of all quantities of a place together
_NOISE = 0.003  # of shares and logarithms: less than this is rounding
_ROUNDED = 0.6  # of a pixel: torchvision shifts by whole ones
_QUANTILES = (0.02, 0.25, 0.5, 0.75, 0.98)
# A difference in the ones before shows in those behind as well.
_STAGES = (QUANTITIES[:7], QUANTITIES[7:9], QUANTITIES[9:])


def of_images(keras: KerasTrace, port: PortTrace) -> Iterator[Item]:
    """Compares when and how images are changed at random, in front of each layer that gets some."""
    augmentations: Mapping[str, Mapping[str, Any]] = port.facts.get("augmentation") or {}
    for place, fact in augmentations.items():
        layers = layers_before(keras.facts["nodes"], place.rpartition("/")[0])
        key = f"image_changes/{place}"
        if not layers or key not in keras or key not in port:
            continue
        yield compare_exact(
            f"{layers[0]['name']} (eval)", "off", "on" if fact["in_eval"] else "off"
        )
        if fact["is_on"] and not fact["in_eval"]:
            yield from _quantities(layers, keras[key], port[key], _sides(keras, place))


def _sides(keras: KerasTrace, place: str) -> tuple[int, int]:
    """Returns height and width of the images in front of a layer."""
    name, _, number = place.rpartition("/")
    node = next(node for node in keras.facts["nodes"] if node["name"] == name)
    shape = node["input_shapes"][int(number)]
    return (shape[1], shape[2]) if len(shape) == 4 else (1, 1)


def layers_before(nodes: Sequence[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    """Returns the random layers of images behind which a layer of Keras comes, in their order."""
    numbers = {node["name"]: number for number, node in enumerate(nodes)}
    found, waiting = set(), [numbers[name]] if name in numbers else []
    while waiting:
        for source in nodes[waiting.pop()]["sources"]:
            if source is not None and source >= 0 and source not in found:
                found.add(source)
                waiting.append(source)
    return [nodes[n] for n in sorted(found) if str(nodes[n]["kind"]).startswith(START)]


def _quantities(
    layers: Sequence[Mapping[str, Any]],
    keras: np.ndarray,
    port: np.ndarray,
    sides: tuple[int, int],
) -> Iterator[Item]:
    if keras.ndim != 2 or port.ndim != 2 or {keras.shape[1], port.shape[1]} != {len(QUANTITIES)}:
        yield compare_exact(f"{layers[0]['name']}{DRAWN}images (train)", keras.shape, port.shape)
        return
    theirs, ours = by_name(keras), by_name(port)
    is_known = False  # whether a stage before differs
    for stage in _STAGES:
        items = [_quantity(name, layers, theirs[name], ours[name], sides) for name in stage]
        for item in items:
            yield replace(item, role=FOLLOWS) if is_known else item
        is_known = is_known or not all(item.agrees for item in items)


def _quantity(
    name: str,
    layers: Sequence[Mapping[str, Any]],
    a: np.ndarray,
    b: np.ndarray,
    sides: tuple[int, int],
) -> Item:
    pixel = {"shift right": 1 / sides[1], "shift down": 1 / sides[0]}.get(name, 0.0)
    p = p_value(name, a, b, _ROUNDED * pixel)
    return Item(
        name=f"{maker_of(name, layers)}{DRAWN}{name} (train)",
        worst=-math.log10(max(p, 1e-300)),
        allowed=-math.log10(_FALSE_ALARMS / len(QUANTITIES)),
        unit=LOG_P,
        num_compared=len(b),
        keras=_extent(name, a),
        torch=_extent(name, b),
        note=f"{said(name, a)} in Keras, {said(name, b)} in the port",
    )


def maker_of(name: str, layers: Sequence[Mapping[str, Any]]) -> str:
    """Returns the name of the layer that changes a quantity; the first layer if none does."""
    kinds = {str(node["kind"]).removeprefix(START): str(node["name"]) for node in reversed(layers)}
    found = (kinds[kind] for kind in _MAKERS[name] if kind in kinds)
    return next(found, str(layers[0]["name"]))


def p_value(name: str, a: np.ndarray, b: np.ndarray, least: float = 0.0) -> float:
    """Returns how likely two samples of a quantity are if both have nearly the same distribution.

    Two tests: of the form, by Kolmogorov and Smirnov, less what counts as near; and of the extremes
    on each side, as of a range that is wider in one half.

    Args:
        name: of the quantity; samples whose quantiles differ by no more than its grain are alike.
        a: one sample.
        b: the other one.
        least: what quantiles may differ by, if it is more than the grain.
    """
    from scipy import stats

    noise = GRAIN[name] if name == "angle" else _NOISE
    a, b = (_finite(values, noise, seed) for seed, values in enumerate((a, b)))
    if name in ORIENTATION:
        apart = abs(float(a.mean() - b.mean()))
    else:
        apart = float(np.abs(np.quantile(a, _QUANTILES) - np.quantile(b, _QUANTILES)).max())
    if apart <= max(GRAIN[name], least):
        return 1.0
    statistic = float(stats.ks_2samp(a, b).statistic)
    size = max(1, round(a.size * b.size / (a.size + b.size)))
    form = float(stats.kstwo.sf(max(0.0, statistic - _NEAR), size))
    return min(1.0, 3 * min(form, _beyond(a, b), _beyond(-a, -b)))


def _finite(values: np.ndarray, noise: float, seed: int) -> np.ndarray:
    """Returns values with some noise, so that rounding makes no difference."""
    known = np.nan_to_num(values.astype(np.float64), nan=1e3, posinf=1e3, neginf=-1e3)
    return np.asarray(known + noise * np.random.default_rng(seed).uniform(-1, 1, len(known)))


def _beyond(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the probability that the k greatest of all values come from the same sample."""
    order = np.argsort(-np.concatenate([a, b]), kind="stable")
    from_a = order < a.size
    run = int(np.argmin(from_a == from_a[0])) if (from_a != from_a[0]).any() else len(order)
    size = a.size if from_a[0] else b.size
    hits = [(size - k) / (len(order) - k) for k in range(min(run, size))]
    return min(1.0, 2 * math.prod(hits))


def _extent(name: str, values: np.ndarray) -> float:
    """Returns one number for a sample: a share, or the greatest change."""
    known = values[np.isfinite(values)]
    if not known.size:
        return math.nan
    return float(known.mean() if name in ORIENTATION else known[np.argmax(np.abs(known))])


def said(name: str, values: np.ndarray) -> str:
    """Returns a sample in words: "-36 to 36 degrees"."""
    known = values[np.isfinite(values)]
    if not known.size:
        return "nothing that can be seen"
    if name in ORIENTATION:
        return f"{name} exchanged in {known.mean():.0%}"
    low, high = float(known.min()), float(known.max())
    if name in ("width", "height", "contrast"):
        low, high = math.exp(low), math.exp(high)
        what = "contrast" if name == "contrast" else f"zoom of the {name}"
        return f"{what} {low:.3g} to {high:.3g}"
    if name == "angle":
        return f"{low:.3g} to {high:.3g} degrees"
    return f"{name} {low:.3g} to {high:.3g}"


# --------------------------------------------------------------------------------------------------
#
# Forward: dropout masks and rates, and the output of every layer in eval and in train mode.


def of_probe(keras: KerasTrace, port: PortTrace) -> Outcome:
    """Compares what the port returns in both modes, its state, and how its dropouts drop.

    The layers in between only say where a difference comes from. Where the port has not all of
    Keras's weights, they alone decide, each with Keras's input: what it returns says nothing.
    """
    left, why = [], unplaced(keras, port)
    items = [*_dropouts(keras, port), *raised(port, "images"), *of_images(keras, port)]
    for mode in MODES:
        items += raised(port, f"forward/{mode}")
        for keras_name, _ in port.facts["pairs"]:
            items += _layer(keras, port, mode, keras_name, decides=bool(why))
        key = f"forward/{mode}/output"
        if why:
            left.append((f"output ({mode})", why))
        elif key in port and key in keras:
            items.append(compare_output(keras, port[key], port.facts["output_form"], mode))
    if keras.facts.get("stateful") and "goes_on" in port.facts:
        ours = "kept" if port.facts["goes_on"] else "not kept"
        items.append(compare_exact(STATES, "kept", ours))
    for weight in port.facts["weights"]:
        key, label = f"state/{weight}", f"{weight} (after a batch in train mode)"
        if key not in keras:
            continue
        if f"forced/{key}" in port:
            item = compare_recorded(keras, key, port[f"forced/{key}"], label)
            items.append(item if why else replace(item, role=INTRODUCED))
        if key in port and not why:
            items.append(close(keras, port, key, label))
    return judged_if_any(f"{measured(keras)}; dropout uses Keras's masks", items, left)


STATES = "states behind a batch (eval)"  # of a stateful layer
# Kinds of layers that draw -> by which setting they draw nothing.
_RATES = {
    "dropout": "rate",
    "alpha_dropout": "rate",
    "gaussian_dropout": "rate",
    "gaussian_noise": "stddev",
}


def _dropouts(keras: KerasTrace, port: PortTrace) -> Iterator[Item]:
    """Compares when and how a dropout drops, which Keras's masks in both halves would hide."""
    nodes = {node["name"]: node for node in keras.facts["nodes"]}
    calls = {node["name"]: node for node in port.facts["nodes"]}
    active = port.facts.get("active_dropouts", {})
    for keras_name, torch_name in port.facts["pairs"]:
        setting = _RATES.get(nodes[keras_name]["kind"])
        if setting is None:
            continue
        rate, ours = nodes[keras_name]["config"].get(setting), calls[torch_name]["rate"]
        if rate is None or ours is None:
            continue
        yield compare_close(f"{keras_name}.{setting}", rate, ours, allowed=FLOAT64, unit="rel")
        yield from _grain(keras, port, nodes[keras_name])
        mode = "on" if torch_name in active.get("eval", []) else "off"
        in_keras = "on" if f"mask/eval/{keras_name}" in keras else "off"  # a dropout of one's own
        yield compare_exact(f"{keras_name} (eval)", in_keras, mode)
        mode = "on" if torch_name in active.get("train", []) else "off"
        is_on = "on" if rate else "off"
        yield compare_exact(f"{keras_name} (train)", is_on, mode if rate else "off")
    for name, rate in port.facts.get("inner_dropouts", {}).items():
        theirs = nodes[name]["config"]["rate"] if name in nodes else 0.0
        yield compare_close(f"{name}.rate", theirs, rate, allowed=FLOAT64, unit="rel")
    incomplete = {entry["what"] for entry in port.facts.get("incomplete") or []}
    for number in port.facts["torch_left"]:
        call = calls[number]
        if call["kind"] in _RATES and call["rate"] and call["name"] not in incomplete:
            where = f" at {call['where']}" if call.get("where") else ""
            yield compare_exact(call["name"], "absent", f"{call['kind']}{where}")
    if not outputs_agree(keras, port, "train"):
        for name in port.facts["keras_left"]:
            if name in port.facts.get("replayed", []):
                continue
            kind = nodes[name]["kind"]
            if kind in _RATES and nodes[name]["config"].get(_RATES[kind]):
                yield replace(compare_exact(name, kind, "absent"), role=INTRODUCED)


def _grain(keras: KerasTrace, port: PortTrace, node: Node) -> Iterator[Item]:
    """Compares what a dropout drops together; Keras's mask in both halves would hide that."""
    name, ours = node["name"], port.facts.get("dropped_axes", {}).get(node["name"])
    keys = [key for key in keras.below("mask") if key.partition("/")[2] == name]
    masks = [keras[f"mask/{key}"] for key in keys if keras[f"mask/{key}"].ndim > 2]
    theirs = shared_axes(masks) if masks else None
    if theirs is None or ours is None:
        return
    noise_shape, ndim = node["config"].get("noise_shape"), masks[0].ndim
    is_recurrent = isinstance(noise_shape, list) and noise_shape[1:2] == [1]
    said = [_grain_text(axes, ndim, is_recurrent=is_recurrent) for axes in (theirs, ours)]
    yield compare_exact(f"{name} drops", *said)


def _grain_text(axes: Sequence[int], ndim: int, *, is_recurrent: bool) -> str:
    """Returns what a dropout drops that drops the same along some axes of (N, ..., C)."""
    places = list(range(1, ndim - 1))
    if is_recurrent and list(axes) in ([], places):
        return "the same in all steps" if axes else "others in each step"
    known = {(): "single values", tuple(places): "whole channels", (ndim - 1,): "whole steps"}
    known |= {tuple(range(1, ndim)): "whole samples"}
    return known.get(tuple(axes)) or f"the same along axes {', '.join(map(str, axes))}"


def _layer(
    keras: KerasTrace, port: PortTrace, mode: str, name: str, *, decides: bool = False
) -> Iterator[Item]:
    """Compares a layer for Keras's values, and what the port makes of its own.

    Args:
        keras: the results of Keras.
        port: those of the port.
        mode: "eval" or "train".
        name: of the layer.
        decides: whether a layer with weights decides by what it makes of Keras's input, and what
            the port makes of its own is left out.
    """
    node = port.facts["targets"].get(mode, {}).get(name)
    is_style = name in port.facts["style"] or _is_one_step(keras, port, mode, name)
    first, _ = port.facts["ends"][name]  # the layer itself, or what pads or crops before it
    draws = mode == "train" and _is_random_image(keras, name)
    has_same = not draws or _gets_keras_images(keras, port)
    number = 0
    while not decides and (key := f"forward/{mode}/{first}/input/{number}") in keras:
        if key in port:
            item = close(keras, port, key, f"input of {name} ({mode})")
            yield replace(item, role=STYLE if is_style or draws else INTRODUCED)
        number += 1
    prefix = f"forward/{mode}/{name}"
    if node is None:
        return
    # What comes behind a random layer of images is given to the port, so its own output decides. In
    # other units than Keras's, such as behind a Rescaling, only the distribution of images does.
    isolated_role = (DECIDES if has_same else FOLLOWS) if draws else INTRODUCED
    isolated_role = DECIDES if decides and _has_weights(keras, name) else isolated_role
    parts = [("own", f"{name}, with Keras's input", isolated_role), ("output", name, FOLLOWS)]
    parts = parts[:1] if decides else parts
    for part, label, role in parts:
        if f"{prefix}/{part}" in port:
            ours = port[f"{prefix}/{part}"]
            if part == "output" and _is_logarithm(port, name):
                ours = np.exp(ours)
            item = compare_recorded(keras, node, ours, f"{label} ({mode})")
            yield replace(item, role=STYLE if is_style else role)


def _is_random_image(keras: KerasTrace, name: str) -> bool:
    kinds = {node["name"]: node["kind"] for node in keras.facts["nodes"]}
    return str(kinds.get(name, "")).startswith(START)


def _has_weights(keras: KerasTrace, name: str) -> bool:
    return any(node["weights"] for node in keras.facts["nodes"] if node["name"] == name)


def _gets_keras_images(keras: KerasTrace, port: PortTrace) -> bool:
    """Whether all random layers of the port get Keras's images, in the same units."""
    keys = [
        f"forward/train/{name}/input/0"
        for name, _ in port.facts["pairs"]
        if _is_random_image(keras, name)
    ]
    return all(close(keras, port, k, k).agrees for k in keys if k in keras and k in port)


def _is_one_step(keras: KerasTrace, port: PortTrace, mode: str, name: str) -> bool:
    """Whether the port calls a cell in each time step, in the place of Keras's recurrent layer."""
    kinds = {node["name"]: node["kind"] for node in keras.facts["nodes"]}
    key = f"forward/{mode}/{name}/input/0"
    if kinds.get(name) not in ("lstm", "gru", "simple_rnn") or key not in keras or key not in port:
        return False
    return bool(port[key].ndim == keras[key].ndim - 1)


def _is_logarithm(port: PortTrace, name: str) -> bool:
    """Whether the port has a log softmax in the place of a softmax."""
    torch_name = dict(port.facts["pairs"])[name]
    calls = {node["name"]: node["kind"] for node in port.facts["nodes"]}
    return bool(calls[torch_name] == "activation:log_softmax")
