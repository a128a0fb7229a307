"""Data sets and planted leakage for `benchmarks/accuracy/audit.py`.

Real: MNIST (embedded, or whole if PARITY_DATA_DIR names it), and scikit-learn's digits and
photographs where it is installed. Made here: textures, scenes of overlapping discs in colour on a
background whose spectrum is that of natural images, smooth fields, patchworks, and, for the test
with kinds of images that no rule was made with, spots of light and landscapes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache

import numpy as np
from scipy import ndimage

from parity.data.dataset import Data
from parity.data.load import load_data

Images = np.ndarray  # float32 (N, H, W, C) in [0, 1]
Transform = Callable[[Images, np.random.Generator], Images]


def split(x: Images, y: np.ndarray, train: int, val: int, seed: int, name: str) -> Data:
    """Draws a random split; the test part is the few images behind it, or repeats validation."""
    order = np.random.default_rng(seed).permutation(len(x))[: train + val]
    parts = order[:train], order[train:]
    x, y = x.astype(np.float32), y.astype(np.int64)
    arrays = [array[rows] for rows in (*parts, parts[1][:1]) for array in (x, y)]
    return Data(*arrays, num_classes=int(y.max()) + 1, source=name)


def mnist(train: int, val: int, seed: int) -> Data:
    """All of MNIST, or its embedded part."""
    source = "mnist" if os.environ.get("PARITY_DATA_DIR") else "embedded"
    return load_data(source, train=train, val=val, test=1, seed=seed)


def sorted_halves(train: int, val: int, seed: int) -> Data:
    """MNIST sorted by label before the split: other classes, and no copy."""
    source = "mnist" if os.environ.get("PARITY_DATA_DIR") else "embedded"
    return load_data(source, train=train, val=val, test=1, seed=seed, split="sorted")


def digits(train: int, val: int, seed: int) -> Data:
    """scikit-learn's 1,797 digits of 8×8 pixels."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return split(found.images[..., None] / 16, found.target, train, val, seed, "digits")


def _spectrum_noise(generator: np.random.Generator, count: int, side: int, power: float) -> Images:
    """Noise with amplitudes ~ 1 / frequency^power, in 0..1."""
    waves = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    waves[0, 0] = np.inf
    noise = np.fft.rfft2(generator.normal(size=(count, side, side))) * waves**-power
    images = np.fft.irfft2(noise, s=(side, side))
    images /= images.std(axis=(1, 2), keepdims=True)
    return np.clip(0.5 + images / 5, 0, 1)


def textures(train: int, val: int, seed: int) -> Data:
    """Grey noise, 28×28, of four classes: smooth along one of four directions."""
    generator = np.random.default_rng(1000 + seed)
    y = generator.integers(0, 4, train + val)
    noise = _spectrum_noise(generator, train + val, 56, 0.5)
    images = np.empty((train + val, 28, 28, 1), np.float32)
    for label in range(4):
        rows = np.flatnonzero(y == label)
        smooth = ndimage.gaussian_filter(noise[rows], (0, 4, 0.8))
        turned = ndimage.rotate(smooth, 45 * label, axes=(1, 2), reshape=False, mode="wrap")
        images[rows, ..., 0] = turned[:, 14:42, 14:42]
    spread = images.std(axis=(1, 2), keepdims=True)
    images = np.clip(0.5 + (images - images.mean(axis=(1, 2), keepdims=True)) / spread / 5, 0, 1)
    return split(images, y, train, val, seed, "textures")


def scenes(train: int, val: int, seed: int) -> Data:
    """Coloured discs that cover each other, 32×32; five classes by the colour of the largest."""
    generator = np.random.default_rng(2000 + seed)
    count = train + val
    y = generator.integers(0, 5, count)
    hues = np.array([[0.9, 0.2, 0.2], [0.2, 0.8, 0.3], [0.2, 0.3, 0.9], [0.9, 0.8, 0.2], [0.7] * 3])
    down, across = np.mgrid[:32, :32]
    images = np.empty((count, 32, 32, 3), np.float32)
    grounds = _spectrum_noise(generator, count, 32, 1.2)
    for number in range(count):
        image = grounds[number][..., None] * generator.uniform(0.3, 1, 3)
        radii = np.append(1.5 / np.sqrt(generator.uniform(0.03, 1, 12)), generator.uniform(7, 11))
        for radius in radii:
            centre = generator.uniform(0, 32, 2) if radius < 7 else generator.uniform(10, 22, 2)
            is_last = radius is radii[-1] or radius == radii[-1]
            colour = hues[y[number]] if is_last else generator.uniform(0, 1, 3)
            colour = np.clip(colour + generator.normal(0, 0.08, 3), 0, 1)
            oval = generator.uniform(0.6, 1.6)
            inside = (down - centre[0]) ** 2 * oval + (across - centre[1]) ** 2 / oval < radius**2
            shade = 1 + 0.3 * generator.normal() * (down - centre[0]) / 32
            image = np.where(inside[..., None], colour * shade[..., None], image)
        images[number] = ndimage.gaussian_filter(image, (0.6, 0.6, 0))
    images = np.clip(images + generator.normal(0, 0.01, images.shape), 0, 1)
    return split(images, y, train, val, seed, "scenes")


def _coloured(grey: Images, colours: np.ndarray) -> Images:
    """Images that run from one colour to another as a grey one does from 0 to 1."""
    return (
        grey[..., None] * colours[:, None, None, 0]
        + (1 - grey[..., None]) * colours[:, None, None, 1]
    )


def _five_classes(generator: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns labels, and two colours of each image that are near those of its class."""
    y = generator.integers(0, 5, count)
    of_class = np.random.default_rng(7).uniform(0.1, 0.9, (5, 2, 3))
    return y, of_class[y] + generator.normal(0, 0.1, (count, 2, 3))


def fields(train: int, val: int, seed: int) -> Data:
    """Smooth random fields in colour, 32×32, such as clouds: nearly all is in a few waves."""
    generator = np.random.default_rng(3000 + seed)
    y, colours = _five_classes(generator, train + val)
    grey = _spectrum_noise(generator, train + val, 64, 2.5)[:, 16:48, 16:48]
    images = np.clip(_coloured(grey, colours), 0, 1)
    return split(images, y, train, val, seed, "fields")


def patchwork(train: int, val: int, seed: int) -> Data:
    """Pieces with edges between them, each with waves or grain of its own, 32×32 in colour."""
    generator = np.random.default_rng(4000 + seed)
    count = train + val
    y, colours = _five_classes(generator, count)
    down, across = np.mgrid[:32, :32]
    grey = np.empty((count, 32, 32))
    for number in range(count):
        corners = generator.uniform(0, 32, (6, 2))
        distance = [(down - a) ** 2 + (across - b) ** 2 for a, b in corners]
        piece = np.argmin(distance, axis=0)
        for of in range(6):
            angle, phase = generator.uniform(0, 2 * np.pi, 2)
            way = np.cos(angle) * down + np.sin(angle) * across
            waves = np.sin(2 * np.pi * way / generator.uniform(4, 12) + phase)
            grain = generator.normal(0, 0.5, (32, 32))
            texture = 0.5 + generator.uniform(-0.3, 0.3) + 0.2 * (waves if of % 2 else grain)
            grey[number][piece == of] = texture[piece == of]
    grey = ndimage.gaussian_filter(grey, (0, 0.5, 0.5))
    return split(np.clip(_coloured(grey, colours), 0, 1), y, train, val, seed, "patchwork")


def blobs(train: int, val: int, seed: int) -> Data:
    """Two to five soft spots of light on black, 28×28 grey; the label is their number."""
    generator = np.random.default_rng(5000 + seed)
    count = train + val
    y = generator.integers(0, 4, count)
    down, across = np.mgrid[:28, :28]
    images = np.zeros((count, 28, 28, 1))
    for number in range(count):
        for _ in range(y[number] + 2):
            a, b = generator.uniform(3, 25, 2)
            square = (down - a) ** 2 + (across - b) ** 2
            size = generator.uniform(1.5, 4)
            images[number, ..., 0] += generator.uniform(0.3, 1) * np.exp(-square / 2 / size**2)
    return split(np.clip(images, 0, 1), y, train, val, seed, "blobs")


def landscapes(train: int, val: int, seed: int) -> Data:
    """A bright sky with a gradient above rough ground, 40×40 in colour: half is nearly empty."""
    generator = np.random.default_rng(6000 + seed)
    count = train + val
    y, colours = _five_classes(generator, count)
    ground = _spectrum_noise(generator, count, 40, 1.0)
    ridge = generator.normal(0, 1, (count, 40))
    ridge = ndimage.gaussian_filter1d(ridge, 5, axis=1) * 10 + generator.uniform(10, 30, (count, 1))
    down = np.arange(40)[:, None]
    is_sky = down < ridge[:, None]
    light = 1 - down / 40 * generator.uniform(0, 0.5, (count, 1, 1))
    sky = light[..., None] * (colours[:, None, None, 0] / 4 + 0.7)
    images = np.where(is_sky[..., None], sky, ground[..., None] * colours[:, None, None, 1])
    images += generator.normal(0, 0.004, images.shape)
    return split(np.clip(images, 0, 1), y, train, val, seed, "landscapes")


@cache
def _patches() -> tuple[Images, np.ndarray]:
    from sklearn.datasets import load_sample_images

    found, labels = [], []
    for label, image in enumerate(load_sample_images().images):
        rows, columns = image.shape[0] // 20, image.shape[1] // 20
        for row in range(rows):
            for column in range(columns):
                found.append(image[20 * row : 20 * row + 20, 20 * column : 20 * column + 20])
                labels.append(label)
    return np.array(found, np.float32) / 255, np.array(labels)


def photographs(train: int, val: int, seed: int) -> Data:
    """Pieces of 20×20 pixels of scikit-learn's two photographs, which do not overlap."""
    return split(*_patches(), train, val, seed, "photographs")


def warped(
    images: Images,
    *,
    degrees: np.ndarray | float = 0.0,
    shift: np.ndarray | float = 0.0,
    zoom: np.ndarray | float = 1.0,
    mode: str = "constant",
) -> Images:
    """Rotates, zooms and shifts each image with splines of order one.

    Args:
        images: (N, H, W, C).
        degrees: (N,) or one.
        shift: (N, 2) or one, in pixels.
        zoom: (N,) or one.
        mode: of scipy.ndimage; "constant" is black.
    """
    count = len(images)
    angles = np.deg2rad(np.broadcast_to(degrees, count))
    zooms = np.broadcast_to(zoom, count)
    shifts = np.broadcast_to(shift, (count, 2))
    centre = (np.array(images.shape[1:3]) - 1) / 2
    moved = np.empty_like(images)
    for n, image in enumerate(images):
        cos, sin = np.cos(angles[n]) / zooms[n], np.sin(angles[n]) / zooms[n]
        matrix = np.array([[cos, -sin], [sin, cos]])
        offset = centre - matrix @ (centre + shifts[n])
        for channel in range(images.shape[3]):
            moved[n, ..., channel] = ndimage.affine_transform(
                image[..., channel], matrix, offset, order=1, mode=mode
            )
    return np.clip(moved, 0, 1)


def _signs(generator: np.random.Generator, count: int) -> np.ndarray:
    return generator.choice([-1.0, 1.0], count)


def shifted_by(pixels: float) -> Transform:
    """Moves each image by this many pixels, in one of eight directions."""

    def moved(images: Images, generator: np.random.Generator) -> Images:
        ways = np.array([(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if a or b])
        shift = pixels * ways[generator.integers(0, 8, len(images))]
        return warped(images, shift=shift, mode=_mode(images))

    return moved


def rotated_by(degrees: float) -> Transform:
    """Rotates each image by this angle, to one side or the other."""

    def turned(images: Images, generator: np.random.Generator) -> Images:
        angles = degrees * _signs(generator, len(images))
        return warped(images, degrees=angles, mode=_mode(images))

    return turned


def zoomed_by(factor: float) -> Transform:
    """Enlarges or shrinks each image by this factor."""

    def scaled(images: Images, generator: np.random.Generator) -> Images:
        zoom = factor ** _signs(generator, len(images))
        return warped(images, zoom=zoom, mode=_mode(images))

    return scaled


def augmented(degrees: float, pixels: float) -> Transform:
    """Draws the angle and both shifts uniformly up to these sizes."""

    def drawn(images: Images, generator: np.random.Generator) -> Images:
        angles = generator.uniform(-degrees, degrees, len(images))
        shift = generator.uniform(-pixels, pixels, (len(images), 2))
        return warped(images, degrees=angles, shift=shift, mode=_mode(images))

    return drawn


def _mode(images: Images) -> str:
    """Black enters at the edges of digits; other images are continued."""
    edges = np.concatenate([images[:, 0].ravel(), images[:, -1].ravel()])
    return "constant" if np.median(edges) == 0 else "nearest"


def unchanged(images: Images, generator: np.random.Generator) -> Images:
    """Leaves images as they are."""
    return images


def turned_within(degrees: float) -> Transform:
    """Rotates each image by an angle that is drawn uniformly up to this one."""
    return augmented(degrees, 0.0)


def mirrored(images: Images, generator: np.random.Generator) -> Images:
    """Exchanges left and right."""
    return np.ascontiguousarray(images[:, :, ::-1])


def brightened(images: Images, generator: np.random.Generator) -> Images:
    """Multiplies with 0.7 to 1.2 and adds up to 0.1."""
    factor = generator.uniform(0.7, 1.2, (len(images), 1, 1, 1))
    more = generator.uniform(0, 0.1, (len(images), 1, 1, 1))
    return np.clip(images * factor + more, 0, 1).astype(np.float32)


def noisy(sigma: float) -> Transform:
    """Adds normal noise of this standard deviation."""

    def added(images: Images, generator: np.random.Generator) -> Images:
        return np.clip(images + generator.normal(0, sigma, images.shape), 0, 1).astype(np.float32)

    return added


def with_leak(
    data: Data, transform: Transform, share: float, seed: int
) -> tuple[Data, np.ndarray, np.ndarray]:
    """Replaces a share of validation by changed copies of training images, each of another one.

    Returns:
        The data, which validation images are copies, and of which training images.
    """
    generator = np.random.default_rng(seed)
    count = min(round(share * len(data.x_val)), len(data.x_train))
    rows = generator.permutation(len(data.x_val))[:count]
    source = generator.permutation(len(data.x_train))[:count]
    x, y = data.x_val.copy(), data.y_val.copy()
    x[rows], y[rows] = transform(data.x_train[source], generator), data.y_train[source]
    arrays = (data.x_train, data.y_train, x, y, data.x_test, data.y_test)
    return Data(*arrays, num_classes=data.num_classes, source=data.source), rows, source
