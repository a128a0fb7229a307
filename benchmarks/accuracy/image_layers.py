"""How far images are from Keras's: `python benchmarks/accuracy/image_layers.py`.

For each layer of images and each seed: the greatest difference between torch_impl's pixels and
Keras's, relative to the greatest pixel, over fill modes, interpolations, factors, sizes and three
calls, compiled and called as it stands. Then each method of resizing, and
JPEG files of smooth images and of noise, as two decoders read them.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from PIL import Image

from torch_impl import layers
from torch_impl.augment.files import decode
from torch_impl.layers.image.projective import FILL_MODES, INTERPOLATIONS
from torch_impl.layers.image.resample import FILE_METHODS, resize

SEEDS = (0, 1, 2, 3, 5, 7, 11, 42, 123, 1337, 10**6, 2**31 - 1, 2**33 + 1)
SHAPES = ((13, 9, 7, 3), (8, 16, 17, 1), (1, 5, 6, 4))
NUM_CALLS = 3
Case = tuple[tuple[Any, ...], dict[str, Any]]


def _moved(*factors: tuple[Any, ...]) -> list[Case]:
    return [
        (factor, {"fill_mode": mode, "interpolation": how, "fill_value": 0.5})
        for factor in factors
        for mode, how in itertools.product(FILL_MODES, INTERPOLATIONS)
    ]


CASES: dict[str, list[Case]] = {
    "RandomFlip": [((m,), {}) for m in ("horizontal", "vertical", "horizontal_and_vertical")],
    "RandomRotation": _moved((0.5,), ((-0.1, 0.3),)),
    "RandomZoom": _moved((0.5,), ((-0.6, 0.9), 0.3)),
    "RandomTranslation": _moved((0.5, 1.0), ((-0.2, 0.7), (0.1, 0.2))),
    "RandomContrast": [((0.5, (-300, 300)), {}), (((0.3, 0.9), (-50, 50)), {})],
    "RandomBrightness": [((0.5, (-300, 300)), {}), (((-0.3, 0.9), (-50, 50)), {})],
    "RandomCrop": [((4, 5), {}), ((4, 6), {}), ((9, 3), {})],
    "RandomShear": _moved((0.5, 0.3), ((0.2, 0.7), (0.1, 0.2))),
    "RandomInvert": [((1.0, (-300, 300)), {}), (((0.3, 0.9), (-50, 50)), {})],
    "RandomSharpness": [((0.9, (-300, 300)), {}), (((0.3, 0.9), (-50, 50)), {})],
    "Solarization": [((0.2, 0.7, (-300, 300)), {}), ((0.3, (0.2, 0.5), (-50, 50)), {})],
    "RandomGrayscale": [((0.5,), {}), ((0.9,), {})],
    "RandomColorDegeneration": [((0.9, (-300, 300)), {}), (((0.3, 0.9), (-50, 50)), {})],
}
# These take red, green and blue, or grey images.
_IN_COLOR = ("RandomGrayscale", "RandomColorDegeneration")


def differences(kind: str, seed: int) -> Iterator[float]:
    """Yields the greatest difference of each call, relative to the greatest pixel."""
    import keras
    import tensorflow as tf

    for number, (arguments, options) in enumerate(CASES[kind]):
        # Compiling takes a second, so each case is compiled for one of the shapes.
        for place, shape in enumerate(SHAPES):
            if kind in _IN_COLOR:
                shape = (*shape[:3], 3)
            compiled = place == (number + seed) % len(SHAPES)
            theirs = getattr(keras.layers, kind)(*arguments, seed=seed, **options)
            ours = getattr(layers, kind)(*arguments, seed=seed, **options)
            ours.in_graph = compiled
            run = _compiled(theirs) if compiled else theirs
            for call in range(NUM_CALLS):
                x = np.random.default_rng(call).normal(size=shape).astype(np.float32) * 100
                expected = np.asarray(run(tf.constant(x), training=True))
                found = ours(torch.tensor(x).movedim(-1, 1)).movedim(1, -1).numpy()
                yield relative(found, expected)


def _compiled(layer: Any) -> Callable[..., Any]:
    import tensorflow as tf

    def run(x: Any, training: bool) -> Any:
        return layer(x, training=training)

    compiled: Callable[..., Any] = tf.function(run, autograph=False)
    return compiled


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    """Returns the greatest difference, relative to the greatest value."""
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def resized(method: str, antialias: bool, rounds: int) -> float:
    """Returns the greatest difference of resized images, up and down."""
    import tensorflow as tf

    draw = np.random.default_rng(0)
    worst = 0.0
    for _ in range(rounds):
        height, width, *size = (int(n) for n in draw.integers(1, 40, 4))
        x = draw.normal(size=(2, height, width, 3)).astype(np.float32)
        expected = tf.image.resize(x, size, method=method, antialias=antialias).numpy()
        found = resize(torch.tensor(x).movedim(-1, 1), (size[0], size[1]), method, antialias)
        worst = max(worst, relative(found.movedim(1, -1).numpy(), expected))
    return worst


def jpeg(quality: int, rounds: int) -> tuple[int, float]:
    """Returns the greatest and the mean difference of decoded JPEG files, in units of a pixel."""
    import tensorflow as tf

    draw = np.random.default_rng(quality)
    worst, means = 0, []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.jpg"
        for number in range(rounds):
            coarse = draw.integers(0, 256, (6, 8, 3)).astype(np.uint8)
            image = Image.fromarray(coarse).resize((64, 48), Image.Resampling.BICUBIC)
            if number % 2:
                image = Image.fromarray(draw.integers(0, 256, (48, 64, 3)).astype(np.uint8))
            image.save(path, quality=quality)
            expected = tf.image.decode_image(tf.io.read_file(str(path)), channels=3).numpy()
            found = decode(str(path), 3).movedim(0, -1).int().numpy()
            difference = np.abs(found - expected)
            worst = max(worst, int(difference.max()))
            means.append(float(difference.mean()))
    return worst, float(np.mean(means))


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many of the seeds")
    parser.add_argument("--rounds", type=int, default=60, help="images of each method and quality")
    arguments = parser.parse_args()
    seeds = SEEDS[: arguments.seeds]
    print(f"{'seed':12}" + "".join(f"{kind.removeprefix('Random')[:11]:>12}" for kind in CASES))
    for seed in seeds:
        found = [max(differences(kind, seed)) for kind in CASES]
        print(f"{seed:<12}" + "".join(f"{value:12.1e}" for value in found), flush=True)
    print(f"\n{'resizing':20}{'sampled':>11}{'antialias':>11}")
    for method in FILE_METHODS:
        values = [resized(method, antialias, arguments.rounds) for antialias in (False, True)]
        print(f"{method:20}" + "".join(f"{value:11.1e}" for value in values))
    print(f"\n{'JPEG, by quality':20}{'greatest':>11}{'mean':>11}")
    for quality in (100, 95, 85, 75, 50):
        worst, mean = jpeg(quality, arguments.rounds)
        print(f"{quality:<20}{worst:11d}{mean:11.2f}")


if __name__ == "__main__":
    main()
