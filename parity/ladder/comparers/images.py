"""Random layers of images: whether a port changes images as Keras does, and in train mode alone.

A port draws other numbers than Keras. So what many draws of both make of one pattern is compared by
its distribution, quantity by quantity (`parity/data/image_changes.py`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.data.image_changes import GRAIN, ORIENTATION, QUANTITIES, by_name
from parity.ladder.compare import compare_exact
from parity.ladder.items import FOLLOWS, LOG_P, Item

if TYPE_CHECKING:
    from parity.traces.trace import Trace

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


def of_images(keras: Trace, port: Trace) -> Iterator[Item]:
    """Compares when and how images are changed at random, in front of each layer that gets some."""
    told: Mapping[str, Mapping[str, Any]] = port.facts.get("augmentation") or {}
    for place, fact in told.items():
        layers = layers_before(keras.facts["nodes"], place.rpartition("/")[0])
        key = f"image_changes/{place}"
        if not layers or key not in keras or key not in port:
            continue
        yield compare_exact(
            f"{layers[0]['name']} (eval)", "off", "on" if fact["in_eval"] else "off"
        )
        if fact["is_on"] and not fact["in_eval"]:
            yield from _quantities(layers, keras[key], port[key], _sides(keras, place))


def _sides(keras: Trace, place: str) -> tuple[int, int]:
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
