"""Layers of images with drawn arguments: `python benchmarks/accuracy/image_arguments.py`.

For each layer and each of 13 seeds, arguments are drawn: factors, fill modes, interpolations,
ranges, sizes, the dtype of the policy and of the images, one image or a batch, odd lengths, and
where Keras has its channels. Images of whole numbers go through a compiled model. The table has
the greatest difference between torch_impl's pixels and Keras's, relative to the greatest pixel
that goes in or comes out, and how often the numbers drawn so far, or the images of a
`LayerTransform`, were other ones.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch

from torch_impl import layers
from torch_impl.augment import LayerTransform
from torch_impl.layers.image.projective import FILL_MODES, INTERPOLATIONS
from torch_impl.layers.image.resample import METHODS

# What a generator may be seeded with: the edges of 31 and of 32 bits, and below zero.
SEEDS = (0, 1, 2, 7, 42, 123, 1337, 10**9, 2**31 - 3, 2**31 - 1, 2**32 + 5, -1, -7)
NUM_CALLS = 2
Draw = np.random.Generator
Arguments = dict[str, Any]


def _factor(draw: Draw, low: float, high: float) -> float | tuple[float, float]:
    """Returns a number, or two in any order, also 0 and the bounds."""
    numbers = [float(np.float32(draw.choice([low, high, 0.0, draw.uniform(low, high)])))]
    numbers.append(float(np.float32(draw.uniform(low, high))))
    return numbers[0] if draw.random() < 0.5 else (numbers[0], numbers[1])


def _one(draw: Draw, values: Any) -> Any:
    return list(values)[int(draw.integers(len(values)))]


def _move(draw: Draw) -> Arguments:
    return {
        "fill_mode": _one(draw, FILL_MODES),
        "interpolation": _one(draw, INTERPOLATIONS),
        "fill_value": float(np.float32(draw.uniform(-3, 3))),
    }


def _size(draw: Draw) -> Arguments:
    return {"height": int(draw.integers(1, 20)), "width": int(draw.integers(1, 20))}


def _range(draw: Draw) -> Arguments:
    return {"value_range": _one(draw, [(0, 255), (0.0, 1.0), (-1, 1), (-50.5, 70.0)])}


def _resizing(draw: Draw) -> Arguments:
    shaped: Arguments = _one(
        draw,
        [
            {},
            {"crop_to_aspect_ratio": True},
            {"pad_to_aspect_ratio": True, "fill_value": 3.5},
        ],
    )
    return {
        **_size(draw),
        "interpolation": _one(draw, METHODS),
        "antialias": bool(draw.integers(2)),
        **shaped,
    }


def _zoom(draw: Draw) -> Arguments:
    width = None if draw.random() < 0.3 else _factor(draw, -0.9375, 1)
    return {"height_factor": _factor(draw, -0.9375, 1), "width_factor": width, **_move(draw)}


def _normalization(draw: Draw) -> Arguments:
    return {"mean": float(draw.normal()), "variance": float(_one(draw, [0.0, draw.uniform(0, 9)]))}


ARGUMENTS: dict[str, Callable[[Draw], Arguments]] = {
    "RandomFlip": lambda d: {
        "mode": _one(d, ["horizontal", "vertical", "horizontal_and_vertical"])
    },
    "RandomRotation": lambda d: {"factor": _factor(d, -1, 1), **_move(d)},
    "RandomZoom": _zoom,
    "RandomTranslation": lambda d: {
        "height_factor": _factor(d, -1, 1),
        "width_factor": _factor(d, -1, 1),
        **_move(d),
    },
    "RandomContrast": lambda d: {"factor": _factor(d, 0, 1), **_range(d)},
    "RandomBrightness": lambda d: {"factor": _factor(d, -1, 1), **_range(d)},
    "RandomCrop": _size,
    "CenterCrop": _size,
    "Resizing": _resizing,
    "Rescaling": lambda d: {"scale": float(d.normal()), "offset": float(d.normal())},
    "Normalization": _normalization,
    "GaussianNoise": lambda d: {"stddev": float(_one(d, [0.0, 1.0, d.random()]))},
    "GaussianDropout": lambda d: {"rate": float(_one(d, [0.0, d.uniform(0, 0.95)]))},
}
_NOISE = ("GaussianNoise", "GaussianDropout")
# Layers without `data_format`, those that take batches alone, and those of floating numbers alone.
_FIXED = ("Rescaling", "Normalization", *_NOISE)
DRAWING = tuple(kind for kind in ARGUMENTS if kind.startswith("Random")) + _NOISE


@dataclass
class Found:
    """What was found of a layer.

    Attributes:
        cases: how many calls were compared.
        apart: the greatest difference of a pixel, relative to the greatest pixel.
        case: of which call.
        other_draws: how often the numbers drawn so far were other ones.
        other_transforms: how often a `LayerTransform` made other images than the layer.
        other_shapes: how often shapes were other ones.
    """

    cases: int = 0
    apart: float = 0.0
    case: Arguments = field(default_factory=dict)
    other_draws: int = 0
    other_transforms: int = 0
    other_shapes: int = 0


def _images(draw: Draw, kind: str, first: bool, number: int) -> np.ndarray:
    """Returns one image or a batch, in Keras's layout; whole numbers in a batch alone."""
    is_batch = kind in _FIXED or draw.random() < 0.7
    height, width, channels = (int(draw.integers(1, most)) for most in (24, 24, 5))
    shape = [channels, height, width] if first else [height, width, channels]
    shape = [int(draw.integers(1, 14)), *shape] if is_batch else shape
    whole = ["uint8", "int32"] if is_batch and kind not in _NOISE else []
    dtype = _one(draw, ["float32", "float32", "float64", *whole])
    values = np.random.default_rng(number).uniform(-20, 275, shape)
    return values.clip(0, 255).astype(dtype) if dtype in whole else values.astype(dtype)


def _in_keras(layer: Any, x: np.ndarray, is_training: bool) -> np.ndarray:
    """Returns Keras's images; of whole numbers, those of a graph, in which they become floating."""
    import keras
    import tensorflow as tf

    options: Arguments = {"training": True} if is_training else {}
    if x.dtype.kind == "f":
        return np.asarray(layer(x, **options))
    entry = keras.Input(x.shape[1:], dtype=str(x.dtype))
    model = keras.Model(entry, layer(entry))
    run = tf.function(lambda images: model(images, **options), autograph=False)
    return np.asarray(run(tf.constant(x)))


def compare(kind: str, seed: int, round_: int, found: Found) -> None:
    """Compares some calls of a layer with drawn arguments."""
    import keras

    draw = np.random.default_rng([list(ARGUMENTS).index(kind), abs(seed), round_])
    given = ARGUMENTS[kind](draw)
    drawing: Arguments = {"seed": seed} if kind in DRAWING else {}
    policy = _one(draw, ["float32", "float32", "float64"])
    first = kind not in _FIXED and draw.random() < 0.3
    options = {"data_format": "channels_first"} if first else {}
    theirs = getattr(keras.layers, kind)(
        **_of_keras(kind, given), **drawing, **options, dtype=policy
    )
    ours, in_front = (getattr(layers, kind)(**_of_torch(kind, given), **drawing) for _ in range(2))
    x = _images(draw, kind, first, round_)
    ours.in_graph = x.dtype.kind != "f"
    for call in range(NUM_CALLS):
        x = np.roll(x, call, axis=0)
        expected = _in_keras(theirs, x, bool(drawing))
        tensor = torch.tensor(x if first else np.moveaxis(x, -1, -3).copy())
        made = ours(tensor := tensor.to(getattr(torch, policy)))
        found.cases += 1
        if drawing:
            found.other_draws += _state(theirs) != _state(ours)
        if kind not in _FIXED:
            transform = LayerTransform(in_front)
            in_front.in_graph = ours.in_graph
            found.other_transforms += not torch.equal(transform(tensor), made)
        pixels = made.numpy() if first else made.movedim(-3, -1).numpy()
        if pixels.shape != expected.shape:
            found.other_shapes += 1
            continue
        greatest = max(np.abs(x).max(), np.abs(expected).max()) or 1.0
        apart = float(np.abs(pixels.astype(float) - expected).max() / greatest)
        if not apart <= found.apart:  # also where it is no number
            found.apart = apart
            found.case = {**given, **drawing, **options, "policy": policy, "shape": x.shape}
            found.case["dtype"] = str(x.dtype)


def _of_keras(kind: str, given: Arguments) -> Arguments:
    return {**given, "axis": None} if kind == "Normalization" else given


def _of_torch(kind: str, given: Arguments) -> Arguments:
    return {**given, "axis": (), "shape": ()} if kind == "Normalization" else given


def _state(layer: Any) -> tuple[int, int]:
    """Returns how a layer of either framework would go on: seed and numbers drawn so far."""
    if isinstance(layer, torch.nn.Module):
        told: Any = layer
        return told.seed % 2**32, getattr(told, "num_draws", None) or getattr(told, "num_calls", 0)
    generator = getattr(layer, "generator", None) or getattr(layer, "seed_generator", None)
    if generator is None:  # a noise of no size
        return layer.seed % 2**32, 0
    seed, number = (int(value) for value in np.asarray(generator.state))
    return seed % 2**32, number


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many of the seeds")
    parser.add_argument("--rounds", type=int, default=12, help="drawn arguments of each seed")
    parser.add_argument("--only", default="", help="part of the name of a layer")
    parser.add_argument("--show", action="store_true", help="the arguments with the difference")
    arguments = parser.parse_args()
    print(f"{'layer':20}{'calls':>7}{'pixels':>10}{'draws':>7}{'shapes':>8}{'transforms':>12}")
    for kind in (name for name in ARGUMENTS if arguments.only in name):
        found = Found()
        for seed in SEEDS[: arguments.seeds]:
            for round_ in range(arguments.rounds):
                compare(kind, seed, round_, found)
        others = f"{found.other_draws:7d}{found.other_shapes:8d}{found.other_transforms:12d}"
        print(f"{kind:20}{found.cases:7d}{found.apart:10.1e}{others}", flush=True)
        if arguments.show and found.case:
            print(f"    {found.case}")


if __name__ == "__main__":
    main()
