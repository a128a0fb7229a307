"""The distributions of initial weights: Keras's formulas, and how well numbers follow them.

Keras's initialisers have known distributions: class, shape and settings give the exact bound and
spread. Numbers of a port are tested against them without the error of a second sample.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

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
