"""The numbers that a pair of models is probed with, in NumPy, so that both halves get the same.

They are chosen to expose faults: signed, with borders that are not zero, no side as long as another
where the model leaves that open, one even and one odd, a last batch of one sample, gradients from
1e-9 to 10, weights that are not constant.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from parity.errors import InputError

# Sides of an input that the model leaves open: no two the same, none a power of two. One stays even
# when it is halved four times: of an odd side, same padding at stride 2 is symmetric, and a port
# that pads so is not told from a right one.
OPEN_SIDES = (48, 37, 23)
# Entries of an array that are compared; of a larger one so many, evenly spread.
MAX_ENTRIES = 16_384
# Steps of the optimizer probe; the learning rate is cut before the one named second.
NUM_OPTIMIZER_STEPS, CUT_BEFORE, CUT_FACTOR = 12, 8, 0.25
OPTIMIZER_STEPS = (1, 2, 7, 8, 12)  # after which weights are compared
SLOT_STEPS = (1, 12)  # after which slots are
TRAJECTORY_CUT_BEFORE = 3
NUM_EPOCHS = 90  # of the sequence of metrics that schedules are shown
MOST_DELTAS = 3  # that are told apart in it, each in 28 epochs more
MAX_EPOCHS = NUM_EPOCHS + 28 * MOST_DELTAS
# Steps at which a schedule of the learning rate is compared.
SCHEDULE_STEPS = (*range(30), 50, 99, 100, 101, 200, 499, 500, 501, 999, 1000, 1001)


def generator(seed: int, *names: Any) -> np.random.Generator:
    """Returns a generator of its own for each purpose."""
    return np.random.default_rng([seed, *(zlib.crc32(str(name).encode()) for name in names)])


def input_shape(shape: Sequence[int | None]) -> tuple[int, ...]:
    """Returns the shape of a sample, its open sides filled in."""
    if list(shape).count(None) > len(OPEN_SIDES):
        raise InputError(
            f"an input of shape {tuple(shape)} has more open sides than are known; give samples "
            "(--data)"
        )
    sides = iter(OPEN_SIDES)
    return tuple(next(sides) if side is None else side for side in shape)


def features(seed: int, name: str, num: int, shape: Sequence[int]) -> np.ndarray:
    """Returns (num, *shape) float64: signed noise, a level of its own for each channel."""
    draw = generator(seed, "input", name)
    noise = draw.normal(size=(num, *shape))
    return noise + draw.normal(size=shape[-1:]) * 0.5


def tokens(seed: int, name: str, num: int, shape: Sequence[int], count: int) -> np.ndarray:
    """Returns (num, *shape) int64 in [0, count)."""
    return generator(seed, "input", name).integers(0, count, size=(num, *shape))


def filled(seed: int, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Gives weights that are constant other values, which a swap or an omission would change.

    Zeros and ones are what most biases, scales and moving statistics start with. Those of a weight
    whose last part is "gamma" or "moving_variance" become U(0.5, 1.5), all others N(0, 0.1).
    """
    result = {}
    for name, weight in weights.items():
        draw = generator(seed, "weight", name)
        if weight.size and (weight == weight.reshape(-1)[0]).all():
            if name.rsplit(".", 1)[-1].rsplit("/", 1)[-1] in ("gamma", "moving_variance"):
                weight = draw.uniform(0.5, 1.5, size=weight.shape)
            else:
                weight = draw.normal(scale=0.1, size=weight.shape)
        result[name] = np.asarray(weight, dtype=np.float64)
    return result


def gradient(seed: int, step: int, name: str, shape: Sequence[int]) -> np.ndarray:
    """Returns what an optimizer is fed in a step: of either sign, from 1e-9 to 10 in size.

    A large gradient repeats itself: drawing millions of numbers takes longer than the step.
    """
    draw = generator(seed, "gradient", step, name)
    count = min(math.prod(shape), MAX_ENTRIES)
    size = 10.0 ** draw.uniform(-9, 1, size=count)
    return np.resize(np.where(draw.random(size=count) < 0.5, -size, size), tuple(shape))


def metrics(seed: int, min_deltas: Sequence[float] = ()) -> dict[str, np.ndarray]:
    """Returns a sequence of metrics, one value an epoch, in which any two rules part.

    What is watched falls with ties; then so slowly that each epoch is better by more than 1e-4 of
    itself, but a dozen of them by less than 1e-4; rises for a dozen; falls steeply in the training,
    while the validation goes on to rise; and is better in every third or fourth epoch only.

    Every other `min_delta` adds what tells whether it is a difference or a share: at first a loss
    so large that it gets better by more than the one and less than the other, and an accuracy so
    small that the reverse holds; after the slow fall another one, made for it.

    Args:
        seed: of the noise.
        min_deltas: of the callbacks that are shown the sequence, as `told_apart` returns them.
    """
    draw = generator(seed, "metrics")
    noise = draw.normal(scale=0.05, size=(4, NUM_EPOCHS))
    few = np.arange(14)
    falling = np.round(0.03 + np.exp(-np.arange(20) / 4), 3)  # rounded: ties
    slow = [falling[-1] * 0.9 * (1 - 1.3e-4 * few)]
    for delta in min_deltas:
        slow.append(slow[-1][-1] * (1 - min(1.3 * delta, 0.5)) ** (few + 1))
    low = slow[-1][-1]
    rising = low * (1.02 + np.abs(noise[0, :14]))
    steep = low * 0.8 ** np.arange(1, 11)
    tail = np.arange(NUM_EPOCHS - 58)
    rare = (tail % 7 == 0) | (tail % 7 == 3)
    late = np.where(rare, 0.97 ** (tail + 1), 1.1 + np.abs(noise[1, : len(tail)]))
    loss = np.concatenate([falling, *slow, rising, steep, steep[-1] * late])
    overfitted = rising.max() * (1 + 0.03 * np.arange(10))
    val_loss = np.concatenate([falling, *slow, rising, overfitted, low * late]) * 1.2
    high: list[np.ndarray] = []
    for delta in min_deltas:  # in fourteen epochs by 26 deltas, and by no share of that size
        high.append((high[-1][-1] if high else 100.0) - 2 * delta * few)
    weak = [0.02 * (1 + min(1.3 * delta, 1.0)) ** few for delta in min_deltas]
    return {
        "loss": np.concatenate([*high, loss]),
        "val_loss": np.concatenate([*high, val_loss]),
        "accuracy": np.concatenate([*weak, np.round(1 - loss / 2, 4)]),
        "val_accuracy": np.concatenate([*weak, np.round(0.97 - val_loss / 2, 4)]),
    }


def told_apart(callbacks: Sequence[Any]) -> list[float]:
    """Returns each `min_delta` of callbacks for which `metrics` has to be told of it.

    Args:
        callbacks: facts of a bundle, so that nothing in them is sure.
    """
    found = {
        abs(float(value))
        for callback in callbacks
        if isinstance(callback, Mapping)
        and isinstance(value := callback.get("min_delta"), int | float)
        and abs(value) < 1
    }
    return sorted(found - {0.0, 1e-4})[:MOST_DELTAS]


def sampled(array: np.ndarray) -> np.ndarray:
    """Returns an array whole, or of a large one at most MAX_ENTRIES entries, evenly spread."""
    if array.size <= MAX_ENTRIES:
        return array
    # An odd stride, so that it does not keep step with an axis of even length.
    stride = -(-array.size // MAX_ENTRIES) | 1
    return array.reshape(-1)[::stride]


def batches(steps: int, batch_size: int) -> list[int]:
    """Returns the sizes of the batches of a trajectory: whole ones, then a smaller one, then 1."""
    tail = [batch_size - 1, 1][: max(0, steps - 1)]
    return [batch_size] * (steps - len(tail)) + tail
