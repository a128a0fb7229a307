"""Outputs of a model for its metrics, drawn in NumPy, with targets and weights of the samples.

They are chosen so that two definitions of a metric say different numbers: right and wrong answers,
right ones that come second or third, a share that a threshold of 0.3 or 0.7 counts otherwise, ties,
and a last batch that is smaller.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from parity.data import probe_inputs

SIZES = (32, 32, 9)
MAX_ENTRIES = 400_000  # of all outputs together
_LEAST = (2, 2, 1)
NUM_TIES = 4  # samples, at most, of which two outputs are equal


def rows(sizes: Sequence[int]) -> list[slice]:
    """Returns the rows of each batch."""
    ends = np.cumsum(sizes).tolist()
    return [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]


def sizes_of(shapes: Sequence[tuple[int, ...]]) -> list[int]:
    """Returns the sizes of the batches; outputs of large shapes have fewer samples."""
    is_small = sum(SIZES) * sum(map(math.prod, shapes)) <= MAX_ENTRIES
    return list(SIZES if is_small else _LEAST)


def outputs_for(
    seed: int, kind: str, y: np.ndarray, shape: tuple[int, ...], name: str = ""
) -> np.ndarray:
    """Returns outputs before the activation (N, *shape), float64, for given targets.

    Outputs are within 8 of 0, so that no metric clips a probability.

    Args:
        seed: of the probe.
        kind: of the targets; see `Samples.drawn_targets`.
        y: targets of N samples.
        shape: of one output.
        name: of one of several outputs; "": there is one.
    """
    num = len(y)
    draw = probe_inputs.generator(seed, "metrics", *([name] if name else []))
    linear = np.clip(draw.normal(size=(num, *shape)) * 1.5, -8, 8)
    if kind in ("classes", "one_hot"):
        labels = y.argmax(-1) if kind == "one_hot" else y.reshape(num, *shape[:-1])
        _rank(linear, labels, draw)
    elif kind == "binary" and y.size == linear.size:
        is_one = y.reshape(linear.shape) > 0.5
        is_right = draw.random(size=linear.shape) < 0.7
        linear = np.where(is_one == is_right, np.abs(linear), -np.abs(linear))
        linear[1::7] = 0.0  # a probability of 0.5, which is no more than the threshold
    elif y.shape == linear.shape:
        linear = y * 0.75 + linear * 0.5
    return probe_inputs.single(linear)


def _rank(linear: np.ndarray, labels: np.ndarray, draw: np.random.Generator) -> None:
    """Exchanges outputs so that the right class comes first, second, ...; some are equal."""
    count = linear.shape[-1]
    flat, label = linear.reshape(-1, count), labels.reshape(-1)
    ranks = np.minimum(np.resize([0, 0, 1, 0, 2, 3, 0, 4, 5], len(flat)), count - 1)
    for row, (right, rank) in enumerate(zip(label.tolist(), ranks.tolist(), strict=True)):
        order = np.argsort(-flat[row], kind="stable")
        at = order[rank]
        flat[row, [at, right]] = flat[row, [right, at]]
    for row in range(1, len(flat), 9)[:NUM_TIES]:
        first, second = np.sort(np.argsort(-flat[row], kind="stable")[:2])
        flat[row, [first, second]] = flat[row].max()


def tied(linear: np.ndarray, output: np.ndarray) -> np.ndarray:
    """Returns activated outputs, equal where they were equal before.

    A vectorised exponential may round two equal numbers in two ways.
    """
    count = linear.shape[-1]
    before, after = linear.reshape(-1, count), output.reshape(-1, count).copy()
    if count > 1 and before.shape == after.shape:
        greatest = before.argmax(-1)[:, None]
        own = np.take_along_axis(after, greatest, -1)
        is_tied = before == np.take_along_axis(before, greatest, -1)
        after = np.where(is_tied, own, after)
    return after.reshape(output.shape)
