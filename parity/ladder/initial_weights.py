"""Tests whether both halves draw their initial weights from the same distribution."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from parity.data.draws import CONSTANT, FEW, MAX_ENTRIES, is_constant
from parity.ladder.compare import compare_close
from parity.ladder.items import LOG_P, Item

# --- The distributions of initial weights: Keras's formulas, and how well numbers follow them -----
#
# Keras's initialisers have known distributions: class, shape and settings give the exact bound and
# spread. Numbers of a port are tested against them without the error of a second sample.


# The standard deviation of a standard normal distribution that is cut at -2 and 2.
TRUNCATED = 0.87962566103423978
ROUNDING = 1e-6  # relative: a port may round a bound to float32
_NEAREST = 1e-7  # to a bound: a value rounded to float32 may lie on it

# Class -> (scale, mode, distribution) of VarianceScaling.
SCALING = {
    "GlorotUniform": (1.0, "fan_avg", "uniform"),
    "GlorotNormal": (1.0, "fan_avg", "truncated_normal"),
    "HeUniform": (2.0, "fan_in", "uniform"),
    "HeNormal": (2.0, "fan_in", "truncated_normal"),
    "LecunUniform": (1.0, "fan_in", "uniform"),
    "LecunNormal": (1.0, "fan_in", "truncated_normal"),
}


@dataclass(frozen=True)
class Law:
    """One symmetric distribution.

    Attributes:
        kind: "uniform", "normal", "truncated" (a normal distribution cut at two of its standard
            deviations) or "orthogonal" (an entry of a random orthogonal matrix).
        center: its mean.
        scale: half of its width; the standard deviation, before it is cut; the gain.
        side: longer side of an orthogonal matrix; 0 for the others.
    """

    kind: str
    center: float
    scale: float
    side: int = 0

    @property
    def bound(self) -> float:
        """The greatest distance from the center."""
        widths = {"uniform": 1.0, "truncated": 2.0, "orthogonal": 1.0}
        return self.scale * widths.get(self.kind, math.inf)

    @property
    def deviation(self) -> float:
        """The standard deviation."""
        if self.kind == "orthogonal":
            return self.scale / math.sqrt(self.side)
        return self.scale * {"uniform": 3**-0.5, "truncated": TRUNCATED}.get(self.kind, 1.0)

    def within(self, values: np.ndarray) -> np.ndarray:
        """Returns the probability to be as close to the center as each value, or closer."""
        from scipy import special

        z = np.abs(values - self.center) / self.scale
        if self.kind == "uniform":
            return np.asarray(np.minimum(z, 1.0))
        if self.kind == "orthogonal":  # the coordinate of a random point on a sphere
            return np.asarray(special.betainc(0.5, (self.side - 1) / 2, np.minimum(z * z, 1.0)))
        share = special.erf(z / math.sqrt(2))
        is_cut = self.kind == "truncated"
        return np.asarray(np.minimum(share / special.erf(math.sqrt(2)), 1.0) if is_cut else share)

    def cdf(self, values: np.ndarray) -> np.ndarray:
        """Returns the probability of a value that is at most as large as each value."""
        return np.asarray(0.5 + 0.5 * np.sign(values - self.center) * self.within(values))

    def scaled(self, gain: float) -> Law:
        """Returns the distribution of the values times a gain."""
        return replace(self, center=self.center * gain, scale=self.scale * gain)

    def __str__(self) -> str:
        if self.kind == "orthogonal":
            return f"orthogonal of gain {self.scale:.4g}"
        if self.kind == "uniform":
            low, high = self.center - self.scale, self.center + self.scale
            return f"U(±{high:.4g})" if self.center == 0 else f"U({low:.4g}, {high:.4g})"
        cut = f" cut at ±{self.bound:.4g}" if self.kind == "truncated" else ""
        return f"N({self.center:.4g}, {self.scale:.4g}){cut}"


def fans(shape: Sequence[int], axes: Any = None) -> tuple[float, float]:
    """Returns fan in and fan out of a weight of Keras, by Keras's rule for all kinds of kernels.

    Args:
        shape: of the weight.
        axes: (axes of the inputs, axes of the outputs), if the initialiser names both.
    """
    if axes is not None:
        inputs, outputs = (math.prod(shape[axis] for axis in part) for part in axes)
        return inputs, outputs
    if len(shape) < 2:
        size = shape[0] if shape else 1
        return size, size
    places = math.prod(shape[:-2])
    return shape[-2] * places, shape[-1] * places


def scaling_law(
    scale: float, mode: str, distribution: str, shape: Sequence[int], axes: Any = None
) -> Law | None:
    """Returns the distribution of Keras's VarianceScaling; None for unknown words."""
    fan_in, fan_out = fans(shape, axes)
    fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}.get(mode)
    if fan is None:
        return None
    deviation = math.sqrt(scale / max(1.0, fan))
    if distribution == "uniform":
        return Law("uniform", 0.0, deviation * math.sqrt(3))
    if distribution == "untruncated_normal":
        return Law("normal", 0.0, deviation)
    if distribution in ("truncated_normal", "normal"):
        return Law("truncated", 0.0, deviation / TRUNCATED)
    return None


def law_of(initializer: Mapping[str, Any] | None, shape: Sequence[int]) -> Law | None:
    """Returns the distribution of one of Keras's initialisers.

    Args:
        initializer: its configuration with its "class".
        shape: of the weight, in Keras's layout.

    Returns:
        None for constants, for initialisers of the user, and for unknown settings.
    """
    config = initializer or {}
    name = str(config.get("class", ""))
    both = (config.get("input_axes"), config.get("output_axes"))
    axes = both if None not in both else None
    try:
        if name in SCALING:
            law = scaling_law(*SCALING[name], shape, axes)
        elif name == "VarianceScaling":
            said = (float(config["scale"]), str(config["mode"]), str(config["distribution"]))
            law = scaling_law(*said, shape, axes)
        elif name == "RandomUniform":
            low, high = float(config["minval"]), float(config["maxval"])
            law = Law("uniform", (low + high) / 2, (high - low) / 2)
        elif name in ("RandomNormal", "TruncatedNormal"):
            kind = "normal" if name == "RandomNormal" else "truncated"
            law = Law(kind, float(config["mean"]), float(config["stddev"]))
        elif name == "Orthogonal" and len(shape) > 1:
            rows = math.prod(shape[:-1])
            law = Law("orthogonal", 0.0, float(config["gain"]), max(rows, shape[-1]))
            law = law if law.side > 1 else None  # a single number is its sign
        else:
            return None
    except (LookupError, OverflowError, TypeError, ValueError):
        return None
    return law if law is not None and math.isfinite(law.scale) and law.scale > 0 else None


# --- how well numbers follow ---------------------------------------------------------------------


def p_values(law: Law, values: np.ndarray) -> dict[str, float]:
    """Returns the p value of each test of a distribution: "form", "spread", "extremes".

    All are exact for independent values, whatever their number. The form is tested by Kolmogorov
    and Smirnov. The spread: for u uniform in [0, 1], the sum of -2 log(1 - u) has a chi-squared
    distribution, and most of it comes from values far from the center. The extremes: the largest u
    of n is below t with probability t**n, so a sample that stays far below the bound is unlikely;
    a value beyond the bound is impossible. Entries of an orthogonal matrix are not independent: in
    a rotation of the plane every number stands twice. Only their form is tested, as of half as
    many.
    """
    return {"form": form_p_value(law, values), **quick_p_values(law, values)}


def quick_p_values(law: Law, values: np.ndarray) -> dict[str, float]:
    """Returns the p values of `p_values` but that of the form, which takes most of the time."""
    from scipy import special

    if law.kind == "orthogonal":
        return {}
    n = values.size
    u = law.within(values)
    total = float(-2 * np.log1p(-np.minimum(u, 1 - _NEAREST)).sum())
    sides = special.chdtrc(2 * n, total), special.chdtr(2 * n, total)
    spread = min(1.0, 2 * float(min(sides)))
    largest = float(u.max())
    below = math.exp(n * math.log(largest)) if largest > 0 else 0.0
    if law.bound == math.inf:
        extremes = min(1.0, 2 * min(below, 1 - below))
    else:
        extremes = 0.0 if _is_far(law, values) else below
    return {"spread": spread, "extremes": extremes}


def form_p_value(law: Law, values: np.ndarray) -> float:
    """Returns the p value of "form" of `p_values`."""
    from scipy import stats

    n = values.size
    if law.kind == "orthogonal" and _is_far(law, values):
        return 0.0
    # As `scipy.stats.kstest`, of whose time this is a third.
    below = law.cdf(np.sort(values))
    steps = np.arange(n + 1) / n
    farthest = max((steps[1:] - below).max(), (below - steps[:-1]).max())
    return float(stats.kstwo.sf(farthest, max(n // 2, 1) if law.kind == "orthogonal" else n))


def _is_far(law: Law, values: np.ndarray) -> bool:
    return float(np.abs(values - law.center).max()) > law.bound * (1 + ROUNDING)


def two_sample_p_values(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    """Returns the p values of three tests that two samples have one distribution.

    The form is tested by Kolmogorov and Smirnov; the spread by Mann and Whitney, as distances from
    the common median. The extremes: that the k values that are farthest from this median all come
    from one sample has the probability that k draws from the pooled values all hit this sample.
    """
    from scipy import stats

    median = np.median(np.concatenate([a, b]))
    far = np.abs(a - median), np.abs(b - median)
    order = np.argsort(-np.concatenate(far), kind="stable")
    from_a = order < a.size
    first = from_a[0]
    run = int(np.argmin(from_a == first)) if (from_a != first).any() else len(order)
    size = a.size if first else b.size
    hits = [(size - k) / (len(order) - k) for k in range(min(run, size))]
    return {
        "form": float(stats.ks_2samp(a, b).pvalue),
        "spread": float(stats.mannwhitneyu(*far).pvalue),
        "extremes": min(1.0, 2 * math.prod(hits)),
    }


# --- Tests whether both halves draw their initial weights from the same distribution --------------
#
# Certain tests come first: constants of Keras must be equal; a weight that Keras draws orthogonal
# must be orthogonal; a weight that Keras draws within a bound must keep it. Then come statistical
# tests, against Keras's formula where its initialiser is known, and against Keras's own numbers.


# A port that is right fails in one check of a thousand. Every random weight is one test at this
# rate divided by their number, and the tests of a weight share its rate (Bonferroni).
FALSE_ALARMS = 1e-3
# Keras's own numbers contradict a formula only if it is not the one that drew them.
_IMPOSSIBLE = 1e-6
_FLAT = 1e-4  # a smaller spread of singular values is rounding, even in float32
_FLOAT32 = 2.0**-23  # relative: a constant may have been stored in float32


# The condition number of an n x n normal matrix is above t n with a probability of 2 / t (Edelman
# 1988), and Q moves by so many units in the last place: n of a square one, 64 times in 1 of 32.
# Else it lies between the edges of Marchenko and Pastur. Measured: halves differ by at most 3 units
# for kernels of LSTMs of 4 to 128 units, and by 17, 25 and 142 for square ones of 8, 64 and 128.
_OF_SQUARE, _OF_OTHERS = 64.0, 8.0


def drawn_tolerance(
    initializer: Mapping[str, Any] | None, shape: Sequence[int], dtype: str = "float32"
) -> float:
    """Returns by how much two right halves may differ that draw a weight from one seed.

    All but an orthogonal matrix comes of the same few operations, bit for bit. Such a matrix is Q
    of a decomposition, which two libraries round in different orders.

    Args:
        initializer: Keras's configuration with its "class", if there is one.
        shape: of the weight.
        dtype: in which it is drawn.
    """
    if (initializer or {}).get("class") != "Orthogonal" or len(shape) < 2:
        return 0.0
    unit = abs(float((initializer or {}).get("gain", 1.0))) * float(np.finfo(dtype).eps)
    few, many = sorted((math.prod(shape[:-1]), shape[-1]))
    if few == many:
        return _OF_SQUARE * few * unit
    edges = (math.sqrt(many) + math.sqrt(few)) / (math.sqrt(many) - math.sqrt(few))
    return _OF_OTHERS * edges * unit


def p_limit(num_random: int) -> float:
    """Returns the p value below which a weight fails, in a check of so many random weights."""
    return FALSE_ALARMS / max(num_random, 1)


def compare_draws(
    name: str,
    keras: np.ndarray,
    torch: np.ndarray,
    initializer: Mapping[str, Any] | None,
    shape: Sequence[int],
    limit: float,
) -> Item:
    """Checks that constants are equal, bounds are kept and distributions are alike.

    Args:
        name: name of the weight.
        keras: (draws, entries), the weight of the model first; entries may be a part of it.
        torch: (draws, entries); also of another number.
        initializer: Keras's configuration with its "class", if there is one.
        shape: shape of the weight.
        limit: p value below which the weight fails.
    """
    size = math.prod(shape)
    is_cut = torch.ndim == 2 and torch.shape[1] >= min(size, MAX_ENTRIES)
    if keras.size == 0 or torch.size == 0 or not is_cut:
        return compare_close(name, keras, torch, allowed=0.0)
    if is_drawn_constant(keras, initializer, shape):
        return _constant(name, keras[0], torch)
    if not np.isfinite(keras).all() or not np.isfinite(torch).all():
        return _item(name, math.inf, 0.0, "not all values are finite", compared=torch.size)
    if (keras == keras[0]).all() and (same := _constant(name, keras[0], torch)).agrees:
        return same  # numbers that repeat, such as waves, are no sample of a distribution
    allowed = drawn_tolerance(initializer, shape)
    if (same := _same_draw(name, keras[0], torch[0], allowed)).agrees:
        return same  # a seeded port has Keras's own numbers, whatever a test says of them
    keras, torch = _different(keras), _different(torch)
    law = law_of(initializer, shape)
    if law is not None and not follows(law, keras[0]):
        law = None  # the weight was set after the layer was built
        keras = keras[:1]
    if law is not None and law.kind == "orthogonal" and torch.shape[1] == size:
        spread = _unlike(law, torch, shape)
        if spread >= _FLAT:
            note = f"singular values are not all {law.scale:.4g}"
            return _item(name, spread, _FLAT, note, compared=torch.size)
    return _drawn(name, keras.reshape(-1), torch.reshape(-1), law, initializer, limit)


def is_drawn_constant(
    keras: np.ndarray, initializer: Mapping[str, Any] | None, shape: Sequence[int]
) -> bool:
    """Whether Keras draws nothing here, but sets the same numbers in every model."""
    if law_of(initializer, shape) is not None:
        return keras.size >= FEW and is_constant(keras)  # it was set after the layer was built
    if (initializer or {}).get("class") in CONSTANT and (keras == keras[0]).all():
        return True
    return is_constant(keras)


def follows(law: Law, values: np.ndarray) -> bool:
    """Whether numbers of Keras are not impossible under the formula of its initialiser."""
    return min(p_values(law, values).values()) > _IMPOSSIBLE


def _constant(name: str, keras: np.ndarray, torch: np.ndarray) -> Item:
    """Compares numbers that Keras does not draw, up to one rounding to float32."""
    if (keras == keras[0]).all():
        theirs = np.full_like(torch, keras[0])
    else:
        entries = min(keras.size, torch.shape[1])
        torch = torch[:, :entries]
        theirs = np.broadcast_to(keras[:entries], torch.shape)
    allowed = _FLOAT32 * float(np.abs(keras).max())
    return compare_close(name, theirs, torch, allowed=allowed)


def _same_draw(name: str, keras: np.ndarray, torch: np.ndarray, allowed: float) -> Item:
    """Compares what both halves draw from the seed of the check, up to a rounding to float32."""
    entries = min(keras.size, torch.size)
    allowed = max(allowed, _FLOAT32 * float(np.abs(keras).max()))
    drawn = torch[:entries].astype(keras.dtype)
    return compare_close(name, keras[:entries], drawn, allowed=allowed)


def _different(draws: np.ndarray) -> np.ndarray:
    """Returns the draws without repetitions: a fixed seed draws the same numbers each time."""
    if len(np.unique(draws[:, 0])) == len(draws):
        return draws
    _, first = np.unique(draws, axis=0, return_index=True)
    return np.asarray(draws[np.sort(first)])


def _unlike(law: Law, draws: np.ndarray, shape: Sequence[int]) -> float:
    """Returns by how much singular values differ from the gain, relative to it."""
    matrices = draws.reshape(len(draws), -1, shape[-1])
    values = np.linalg.svd(matrices, compute_uv=False)
    return float(np.abs(values / law.scale - 1).max())


def _drawn(
    name: str,
    a: np.ndarray,
    b: np.ndarray,
    law: Law | None,
    initializer: Mapping[str, Any] | None,
    limit: float,
) -> Item:
    """Tests the numbers of the port against the formula of Keras, and against its numbers."""
    found: dict[str, float] = {}
    text = f"standard deviation {a.std():.3g} in Keras, {b.std():.3g} in torch"
    if law is not None:
        said = f"{(initializer or {}).get('class')} is {law}"
        farthest = float(np.abs(b - law.center).max())
        if farthest > law.bound * (1 + ROUNDING):
            beyond = int((np.abs(b - law.center) > law.bound * (1 + ROUNDING)).sum())
            note = f"{beyond} of {b.size} beyond Keras's bound: {said}"
            return _item(name, farthest, law.bound, note, compared=b.size)
        found = p_values(law, b)
        text = f"{said}; standard deviation {law.deviation:.3g} there, {b.std():.3g} in torch"
    elif min(a.size, b.size) < FEW:
        note = "too few numbers to test the distribution"
        return _item(name, 0.0, 1.0, note, compared=b.size)
    if min(a.size, b.size) >= FEW and (law is None or law.kind != "orthogonal"):
        two_sample = two_sample_p_values(a, b)
        found |= {"sample": two_sample["form"]} if law is not None else two_sample
    test, p = min(found.items(), key=lambda pair: pair[1])
    p = min(1.0, p * len(found))
    # As for all items, it fails if worst is above allowed.
    return Item(
        name=name,
        worst=-math.log10(max(p, 1e-300)),
        allowed=-math.log10(limit),
        unit=LOG_P,
        num_compared=b.size,
        keras=float(a.std()),
        torch=float(b.std()),
        note=f"{text}{_WORDS[test] if p < limit else ''}",
    )


_WORDS = {
    "form": "",
    "sample": "",
    "spread": "; the spread differs",
    "extremes": "; its greatest values are too small or too large",
}


def _item(name: str, worst: float, allowed: float, note: str, compared: int = 1) -> Item:
    return Item(name, worst, allowed, "abs", compared, note=note)
