"""Measures the audit of data: `python benchmarks/accuracy/audit.py`.

Honest splits must not be accused of leakage. Then a share of validation becomes changed copies of
training images: how many are found? The images are the embedded digits, and made ones: textures,
smooth fields in colour, and landscapes, of which half is nearly empty.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from scipy import ndimage

from parity.behaviour.audit.audit import audit
from parity.data.dataset import Data
from parity.data.load import load_data

CLASSES = 5


def digits(train: int, val: int, seed: int, split: str = "random") -> Data:
    """The embedded part of MNIST."""
    return load_data("embedded", train=train, val=val, test=1, seed=seed, split=split)


def sorted_digits(train: int, val: int, seed: int) -> Data:
    """Digits sorted by label before the split: other classes, and no copy."""
    return digits(train, val, seed, "sorted")


def waves(generator: np.random.Generator, count: int, side: int, power: float) -> np.ndarray:
    """Noise with amplitudes ~ 1 / frequency^power, (N, side, side) in 0..1."""
    length = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    length[0, 0] = np.inf
    noise = np.fft.rfft2(generator.normal(size=(count, side, side))) * length**-power
    images = np.fft.irfft2(noise, s=(side, side))
    return 0.5 + images / images.std(axis=(1, 2), keepdims=True) / 5


def made(images: np.ndarray, labels: np.ndarray, train: int) -> Data:
    """Splits made images; the test part is the first one of validation."""
    x, y = np.clip(images, 0, 1).astype(np.float32), labels.astype(np.int64)
    parts = slice(0, train), slice(train, None), slice(train, train + 1)
    arrays = [array[rows] for rows in parts for array in (x, y)]
    return Data(*arrays, num_classes=CLASSES, source="made")


def textures(train: int, val: int, seed: int) -> Data:
    """Grey noise, smooth along one of five directions."""
    generator = np.random.default_rng(1000 + seed)
    y = generator.integers(0, CLASSES, train + val)
    smooth = ndimage.gaussian_filter(waves(generator, train + val, 56, 0.5), (0, 4, 0.8))
    turned = [
        ndimage.rotate(image, 36 * label, reshape=False, mode="wrap")[14:42, 14:42]
        for image, label in zip(smooth, y, strict=True)
    ]
    images = np.array(turned)
    spread = images.std(axis=(1, 2), keepdims=True)
    images = 0.5 + (images - images.mean(axis=(1, 2), keepdims=True)) / spread / 5
    return made(images[..., None], y, train)


def colours(generator: np.random.Generator, y: np.ndarray) -> np.ndarray:
    """Two colours of each image, (2, N, 1, 1, 3), that are near those of its class."""
    of_class = np.random.default_rng(7).uniform(0.1, 0.9, (2, CLASSES, 1, 1, 3))
    return of_class[:, y] + generator.normal(0, 0.1, (2, len(y), 1, 1, 3))


def fields(train: int, val: int, seed: int) -> Data:
    """Smooth random fields in colour, such as clouds: nearly all is in a few waves."""
    generator = np.random.default_rng(3000 + seed)
    y = generator.integers(0, CLASSES, train + val)
    grey = waves(generator, train + val, 64, 2.5)[:, 16:48, 16:48, None]
    first, second = colours(generator, y)
    return made(grey * first + (1 - grey) * second, y, train)


def landscapes(train: int, val: int, seed: int) -> Data:
    """A bright sky with a gradient above rough ground, in colour: half is nearly empty."""
    generator = np.random.default_rng(6000 + seed)
    count = train + val
    y = generator.integers(0, CLASSES, count)
    ground = waves(generator, count, 40, 1.0)[..., None]
    ridge = ndimage.gaussian_filter1d(generator.normal(0, 1, (count, 40)), 5, axis=1) * 10
    ridge += generator.uniform(10, 30, (count, 1))
    down = np.arange(40)[:, None]
    light = 1 - down / 40 * generator.uniform(0, 0.5, (count, 1, 1))
    first, second = colours(generator, y)
    sky = light[..., None] * (first / 4 + 0.7)
    images = np.where((down < ridge[:, None])[..., None], sky, ground * second)
    return made(images + generator.normal(0, 0.004, images.shape), y, train)


def brightened(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Multiplies with 0.7 to 1.2 and adds up to 0.1."""
    factor, more = generator.uniform([[0.7], [0]], [[1.2], [0.1]], (2, len(images)))
    return images * factor[:, None, None, None] + more[:, None, None, None]


CHANGES = {
    "noise 0.02": lambda x, generator: x + generator.normal(0, 0.02, x.shape),
    "brightness": brightened,
    "16 levels": lambda x, _: np.round(x * 15) / 15,
    "mirrored": lambda x, _: x[:, :, ::-1],
}
SETS = {
    "digits": (digits, ((100, 100), (500, 300), (2000, 400))),
    "digits, sorted": (sorted_digits, ((500, 300), (2000, 400))),
    "textures": (textures, ((500, 300),)),
    "fields": (fields, ((400, 200),)),
    "landscapes": (landscapes, ((400, 200),)),
}


def main() -> None:
    """Prints the findings of honest splits, and the share of planted copies that is found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(parser.parse_args().seeds)
    runs = accused = 0
    for name, (make, sizes) in SETS.items():
        for train, val in sizes:
            findings: Counter[str] = Counter()
            shares = dict.fromkeys(CHANGES, 1.0)
            for seed in seeds:
                data = make(train, val, seed)
                ids = {finding.id for finding in audit(data).findings()}
                findings.update(ids)
                runs, accused = runs + 1, accused + bool(ids & {"duplicates", "near_duplicates"})
                for change in CHANGES:
                    generator = np.random.default_rng(seed)
                    rows = generator.permutation(train)[: val // 2]
                    x = data.x_val.copy()
                    x[: len(rows)] = np.clip(CHANGES[change](data.x_train[rows], generator), 0, 1)
                    result = audit(replace(data, x_val=x))
                    count = result.near_copies.count + result.val_copies.count
                    shares[change] = min(shares[change], count / len(rows))
            found = ", ".join(f"{change} {share:.0%}" for change, share in shares.items())
            print(f"{name:<15}{train:>5}{val:>5}  honest: {dict(findings)}; least found: {found}")
    print(f"{accused} of {runs} honest splits are accused of leakage")


if __name__ == "__main__":
    main()
