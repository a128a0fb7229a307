"""The probe inputs of a pair of models, drawn in NumPy, the same for both halves."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from parity.errors import InputError

# --- The names of Keras's weights: a layer, and the variable in it or in a layer within -----------


MOVING = ("moving_mean", "moving_variance")  # moved by a pass in train mode, not drawn, not trained


def short_name(weight: str) -> str:
    """Returns the name of a variable alone: "kernel" of "lstm.lstm_cell/kernel"."""
    return weight.replace("/", ".").rpartition(".")[2]


def constraint_of(config: Mapping[str, Any], weight: str) -> Mapping[str, Any] | None:
    """Returns Keras's configuration of the constraint of a weight, or None.

    Args:
        config: of its layer.
        weight: "lstm.lstm_cell/recurrent_kernel".
    """
    variable = short_name(weight)
    for name in (variable, variable.removesuffix("_kernel")):
        given = config.get(f"{name}_constraint")
        if isinstance(given, Mapping) and "class_name" in given:
            return given
    return None


# --------------------------------------------------------------------------------------------------
#
# The probe inputs of a pair of models, drawn in NumPy, so that both halves get the same numbers.
#
# They are chosen to expose faults: signed values, borders that are not zero, sides of different
# lengths where the model allows it, one even and one odd, a last batch of one sample, gradients
# from 1e-9 to 10, weights that are not constant. Inputs and weights are values that float32 holds
# exactly, so that a model that casts its input to float32 still computes with the same numbers.


# Sides of an input that the model leaves open: all different, none a power of two. One stays even
# when it is halved four times: for an odd side, same padding at stride 2 is symmetric, and would
# hide a port that always pads symmetrically.
OPEN_SIDES = (48, 37, 23)
# Largest number of entries of an array that are compared, evenly spread.
MAX_ENTRIES = 16_384
# The same for what a step of training leaves. Dozens of such arrays belong to each weight, and what
# an optimizer does to an entry depends on this entry: some hundred see every size of gradient.
MAX_STEP_ENTRIES = 1_024
# Steps of the optimizer probe; the learning rate is reduced before the second number.
NUM_OPTIMIZER_STEPS, CUT_BEFORE, CUT_FACTOR = 12, 8, 0.25
OPTIMIZER_STEPS = (1, 2, 7, 8, 12)  # weights are compared after these steps
SLOT_STEPS = (1, 12)  # slots are compared after these steps
AVERAGE = "average"  # slot of `use_ema`, compared whenever weights are: it ends up in their place
TRAJECTORY_CUT_BEFORE = 3
NUM_EPOCHS = 90  # length of the sequence of metrics that schedules receive
MOST_DELTAS = 3  # values of min_delta that it can distinguish, each with 28 more epochs
# Weights of which a root is taken: that of a negative number is NaN.
_POSITIVE = ("gamma", "moving_variance", "variance")
# Parts of the names of metrics of which less is better.
_FALLING = (
    "loss",
    "error",
    "mae",
    "mse",
    "mape",
    "msle",
    "entropy",
    "hinge",
    "divergence",
    "poisson",
)
MAX_EPOCHS = NUM_EPOCHS + 28 * MOST_DELTAS
# Steps at which a learning rate schedule is compared.
SMALLEST_RATE = float(np.finfo(np.float32).tiny)  # smaller ones have fewer digits in float32
SCHEDULE_STEPS = (*range(128), 200, 499, 500, 501, 999, 1000, 1001)


def generator(seed: int, *names: Any) -> np.random.Generator:
    """Returns a separate generator for each purpose."""
    return np.random.default_rng([seed, *(zlib.crc32(str(name).encode()) for name in names)])


def redrawn(seed: int, number: int) -> int:
    """Returns the seed of a probe that is drawn again; number 0 is the seed itself."""
    return int(generator(seed, "redrawn", number).integers(2**32)) if number else seed


def single(array: np.ndarray) -> np.ndarray:
    """Returns the nearest values that float32 holds exactly, as float64; integers as they are."""
    if array.dtype.kind != "f":
        return array
    with np.errstate(over="ignore"):
        rounded = array.astype(np.float32).astype(np.float64)
    return np.where(np.isfinite(rounded), rounded, array)  # what float32 cannot hold stays


def input_shape(shape: Sequence[int | None]) -> tuple[int, ...]:
    """Returns the shape of a sample with its open sides filled in."""
    if list(shape).count(None) > len(OPEN_SIDES):
        raise InputError(
            f"an input of shape {tuple(shape)} has too many open sides; give samples (--data)"
        )
    sides = iter(OPEN_SIDES)
    return tuple(next(sides) if side is None else side for side in shape)


def features(seed: int, name: str, num: int, shape: Sequence[int]) -> np.ndarray:
    """Returns (num, *shape) float64: signed noise with a different level for each channel.

    Its values are exact in float32.
    """
    draw = generator(seed, "input", name)
    noise = draw.normal(size=(num, *shape))
    return single(noise + draw.normal(size=shape[-1:]) * 0.5)


def filled(seed: int, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Replaces constant weights by random ones, so that a swap or an omission shows.

    Most biases, scales and moving statistics start as zeros or ones. Weights whose name ends in
    "gamma" or "variance" become U(0.5, 1.5), all others N(0, 0.1). All are rounded to values of
    float32.
    """
    result = {}
    for name, weight in weights.items():
        draw = generator(seed, "weight", name)
        if weight.size and (weight == weight.reshape(-1)[0]).all():
            if short_name(name) in _POSITIVE:
                weight = draw.uniform(0.5, 1.5, size=weight.shape)
            else:
                weight = draw.normal(scale=0.1, size=weight.shape)
        result[name] = single(np.asarray(weight, dtype=np.float64))
    return result


def gradient(seed: int, step: int, name: str, shape: Sequence[int]) -> np.ndarray:
    """Returns the gradients of an optimizer step: of both signs, with absolute values 1e-9 to 10.

    A large gradient repeats itself, since drawing millions of numbers takes longer than the step.
    """
    return np.resize(_gradients(seed, step, name, math.prod(shape)), tuple(shape))


def gradient_of_step(seed: int, step: int, name: str, shape: Sequence[int]) -> np.ndarray:
    """Returns `of_step(gradient(...))` without the entries between."""
    length = math.prod(shape)
    drawn = _gradients(seed, step, name, length)
    if length <= MAX_STEP_ENTRIES:
        return drawn.reshape(tuple(shape))
    return np.take(drawn, places_of_step(length), mode="wrap")


def _gradients(seed: int, step: int, name: str, length: int) -> np.ndarray:
    draw = generator(seed, "gradient", step, name)
    count = min(length, MAX_ENTRIES)
    size = 10.0 ** draw.uniform(-9, 1, size=count)
    return np.where(draw.random(size=count) < 0.5, -size, size)


def metrics(seed: int, min_deltas: Sequence[float] = ()) -> dict[str, np.ndarray]:
    """Returns a sequence of metrics, one value per epoch, in which any two rules differ.

    The monitored values first fall, with ties. Then they fall so slowly that each epoch is better
    by more than 1e-4 of the value, but a dozen epochs together by less than 1e-4. They rise for a
    dozen epochs. Then the training loss falls steeply while the validation loss still rises. At
    the end only every third or fourth epoch is better.

    Every other `min_delta` adds epochs that show whether it is absolute or relative: at first a
    loss so large that it improves by more than the absolute value and less than the relative one,
    and an accuracy so small that the reverse holds; after the slow fall a second one for this
    `min_delta`.

    Args:
        seed: seed of the noise.
        min_deltas: values of the callbacks that receive the sequence, from `watched_deltas`.
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
    for delta in min_deltas:  # falls by 26 deltas in 14 epochs, never by such a fraction
        high.append((high[-1][-1] if high else 100.0) - 2 * delta * few)
    weak = [0.02 * (1 + min(1.3 * delta, 1.0)) ** few for delta in min_deltas]
    return Metrics(
        loss=np.concatenate([*high, loss]),
        val_loss=np.concatenate([*high, val_loss]),
        accuracy=np.concatenate([*weak, np.round(1 - loss / 2, 4)]),
        val_accuracy=np.concatenate([*weak, np.round(0.97 - val_loss / 2, 4)]),
    )


class Metrics(dict[str, np.ndarray]):
    """Sequences by name. Another metric than these has that of a loss or of an accuracy."""

    def __missing__(self, name: str) -> np.ndarray:
        falls = any(word in name for word in _FALLING)
        return self[("val_" if name.startswith("val_") else "") + ("loss" if falls else "accuracy")]


def watched_deltas(callbacks: Sequence[Any]) -> list[float]:
    """Returns each `min_delta` of callbacks that `metrics` has to know.

    Args:
        callbacks: facts of a bundle, which may contain anything.
    """
    found = {
        abs(float(value))
        for callback in callbacks
        if isinstance(callback, Mapping)
        and isinstance(value := callback.get("min_delta"), int | float)
        and abs(value) < 1
    }
    return sorted(found - {0.0, 1e-4})[:MOST_DELTAS]


def sampled(array: np.ndarray, most: int = MAX_ENTRIES) -> np.ndarray:
    """Returns the array, or at most `most` evenly spread entries of a large one."""
    if array.size <= most:
        return array
    return array.reshape(-1)[:: _stride(array.size, most)]


def _stride(length: int, most: int) -> int:
    """Returns an odd stride, so that it is no divisor of an axis of even length."""
    return -(-length // most) | 1


def of_step(array: np.ndarray) -> np.ndarray:
    """Returns what is compared of a weight or a slot after a step: at most MAX_STEP_ENTRIES."""
    return sampled(array, MAX_STEP_ENTRIES)


def places_of_step(length: int) -> np.ndarray:
    """Returns the places (int64) of the entries that `of_step` takes of so many."""
    return np.arange(
        0, length, 1 if length <= MAX_STEP_ENTRIES else _stride(length, MAX_STEP_ENTRIES)
    )


def batches(steps: int, batch_size: int) -> list[int]:
    """Returns the batch sizes of a trajectory: full batches, then a smaller one, then 1."""
    tail = [batch_size - 1, 1][: max(0, steps - 1)]
    return [batch_size] * (steps - len(tail)) + tail


# --------------------------------------------------------------------------------------------------
#
# Outputs of a model for its metrics, drawn in NumPy, with targets and weights of the samples.
#
# They are chosen so that two definitions of a metric say different numbers: right and wrong
# answers, right ones that come second or third, a share that a threshold of 0.3 or 0.7 counts
# otherwise, ties, and a last batch that is smaller.


SIZES = (32, 32, 9)
MAX_METRIC_ENTRIES = 400_000  # of all outputs together
_LEAST = (2, 2, 1)
NUM_TIES = 4  # samples, at most, of which two outputs are equal


def rows(sizes: Sequence[int]) -> list[slice]:
    """Returns the rows of each batch."""
    ends = np.cumsum(sizes).tolist()
    return [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]


def sizes_of(shapes: Sequence[tuple[int, ...]]) -> list[int]:
    """Returns the sizes of the batches; outputs of large shapes have fewer samples."""
    is_small = sum(SIZES) * sum(map(math.prod, shapes)) <= MAX_METRIC_ENTRIES
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
    draw = generator(seed, "metrics", *([name] if name else []))
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
    return single(linear)


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
        of_greatest = np.take_along_axis(after, greatest, -1)
        is_tied = before == np.take_along_axis(before, greatest, -1)
        after = np.where(is_tied, of_greatest, after)
    return after.reshape(output.shape)


# --------------------------------------------------------------------------------------------------
#
# Sequences of a metric in which any two rules that stop a training, or cut its rate, differ.
#
# The settings of Keras's rules go in. Sequences come out that show each of them: a loss that rises,
# one that stays, one that is best before it is watched, and so on. One sequence alone shows little:
# a rule that begins to watch too early stops at the same epoch if the loss falls at first.


_LEAST_CHANGE = 1e-4  # a min_delta that a port may have where Keras has none
MAX_SEQUENCES = 24
FEW = 3  # the first ones, in which a loss seldom is better than before: copies of weights take time


def rule_sequences(seed: int, rules: Sequence[Any]) -> dict[str, Metrics]:
    """Returns sequences of metrics, one value per epoch, by what they show.

    Args:
        seed: of the noise.
        rules: facts of Keras's callbacks that watch a metric, which may contain anything.

    Returns:
        Sequences by a text that says what the validation loss does; an accuracy does the reverse.
        Those of the training do what the next text says. Empty without rules.
    """
    settings = [dict(rule) for rule in rules if isinstance(rule, Mapping)]
    if not settings:
        return {}
    found: dict[str, tuple[np.ndarray, float]] = {}
    for number, rule in enumerate(settings):
        kind = f", for {str(rule.get('class'))[:40]} {number + 1}" if number else ""
        for name, values, middle in _of_rule(seed, rule):
            found[f"{name}{kind}"] = values, middle
    names = list(found)[:MAX_SEQUENCES]
    size = min(MAX_EPOCHS, max(len(found[name][0]) for name in names))
    rows = [(np.resize(found[name][0], size), found[name][1]) for name in names]
    return {
        name: Metrics(
            val_loss=rows[n][0],
            loss=rows[(n + 1) % len(rows)][0],
            val_accuracy=2 * rows[n][1] - rows[n][0],
            accuracy=2 * rows[(n + 1) % len(rows)][1] - rows[(n + 1) % len(rows)][0],
        )
        for n, name in enumerate(names)
    }


def _of_rule(seed: int, rule: Mapping[str, Any]) -> Iterator[tuple[str, np.ndarray, float]]:
    """Yields (what it shows, losses, the middle between these and the accuracies of the same)."""
    patience, start = _whole(rule, "patience"), _whole(rule, "start_from_epoch")
    delta = abs(_number(rule, "min_delta", 0.0))
    wait = patience + _whole(rule, "cooldown")
    # A rule that cuts the rate does so a dozen times, which shows the least rate.
    size = min(MAX_EPOCHS, start + (12 if "factor" in rule else 4) * max(wait, 1) + 12)
    epochs = np.arange(size, dtype=np.float64)
    watched = np.maximum(epochs - start, 0)
    step = max(2 * delta, 0.01)
    yield "a loss that rises", step * epochs, 0.5  # from below any baseline
    yield "a loss that stays", np.ones(size), 10.0
    # Falls until it is watched, and rises then.
    early = np.where(epochs < max(start, 2), -step * epochs, step * (size + watched))
    yield "a loss that is best at first", 1 + early, 100.0
    # Falls behind that, and never is as low: a rule that remembers the first epochs sees no gain.
    lower = np.where(epochs < max(start, 2), 0.0, step * (size + 2 - watched))
    yield "a loss that falls from a new height", 1 + lower, 100.0
    # Two such steps are more than min_delta, one is less; and of the loss itself all are little.
    small, high = 0.6 * (delta or _LEAST_CHANGE), 2.0 * (patience + 4)
    yield "a loss that falls by less than min_delta", high - small * epochs, 2 * high
    yield "a loss that falls by little, near 0", 0.25 * high - small * epochs, 2 * high
    if (baseline := _number(rule, "baseline", None)) is not None:
        bumps = np.where(epochs % (patience + 2) == patience + 1, 2 * step, 0.0)
        falls = step * (patience + 3.5 - watched)
        yield "a loss that falls below the baseline", baseline + falls + bumps, baseline
        below = np.where(watched < 1, -step, step * (1 + watched))
        yield "a loss that begins below the baseline", baseline + below, baseline
    noise = np.round(generator(seed, "rules").uniform(0.5, 1.5, size), 2)
    with_none = noise.copy()
    # Not the first: Keras's best is then NaN for good, torch's infinity; no training comes back.
    with_none[start + 2 : start + 3] = np.nan
    yield "a loss that is noise, once NaN", with_none, 10.0
    # Better as often as the rule needs it, a few times, and never again.
    gap = max(patience, 1)
    gains = np.cumsum((watched % gap == 0) & (watched <= 3 * gap))
    yield "a loss that falls now and then", 1 + step * (size - gains) + 0.01 * step * epochs, 100.0
    # Better by min_delta one epoch too late.
    slow = (delta or _LEAST_CHANGE) / (patience + 1.5)
    yield "a loss that falls slowly", 1 - slow * epochs, 10.0


def _whole(rule: Mapping[str, Any], name: str) -> int:
    return int(min(max(_number(rule, name, 0.0) or 0.0, 0.0), 40.0))


def _number(rule: Mapping[str, Any], name: str, default: Any) -> Any:
    value = rule.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value):
        return float(value)
    return default
