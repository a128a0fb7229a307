"""Which initialiser numbers look like, and the line of torch that draws as Keras does.

Numbers of a weight go in; "HeUniform with gain √2" comes out. Nothing is named that the numbers
contradict.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from parity.data.weight_names import short_name
from parity.divergences.places import RECURRENT
from parity.ladder.distributions import (
    SCALING,
    Law,
    fans,
    form_p_value,
    law_of,
    quick_p_values,
    scaling_law,
)

FITS = 1e-3  # a right name is refused once in a thousand
_GAINS = {
    "√2": math.sqrt(2),
    "5/3": 5 / 3,
    "√3": math.sqrt(3),
    "2": 2.0,
    "1/√2": math.sqrt(0.5),
    "1/2": 0.5,
    "1/√3": 1 / math.sqrt(3),
    "0.1": 0.1,
}
# Keras's name of a weight -> torch's.
_ATTRIBUTES = {
    **dict.fromkeys(("kernel", "embeddings", "depthwise_kernel", "gamma", "alpha"), "weight"),
    **{"pointwise_kernel": "weight", "bias": "bias", "beta": "bias"},
    **{"moving_mean": "running_mean", "moving_variance": "running_var"},
}
_RECURRENT = {"kernel": "weight_ih_l0", "recurrent_kernel": "weight_hh_l0", "bias": "bias_ih_l0"}


def name_of(values: np.ndarray, shape: Sequence[int], keras: Law | None = None) -> str | None:
    """Returns the initialiser that numbers look like, the usual ones first; None if there is none.

    Args:
        values: all draws of the weight.
        shape: of the weight, in Keras's layout.
        keras: what Keras draws; what differs from it only by a gain is told so.
    """
    tried: list[tuple[str, Law]] = []
    best = (FITS, "")
    for name, law in _usual(shape):
        if any(_is_same(law, other) for _, other in (*tried, *([("", keras)] if keras else []))):
            continue
        tried.append((name, law))
        p = fit(law, values)
        if p > 0.05:
            return name
        best = max(best, (p, name))
    return best[1] or _by_its_form(values, keras)


def fit(law: Law, values: np.ndarray) -> float:
    """Returns the p value of all tests that numbers follow a distribution.

    Below FITS it is a bound from above: the longest test is left out where another one decides.
    """
    flat = values.reshape(-1)
    quick = quick_p_values(law, flat)
    share = 1 + len(quick)
    p = min(quick.values(), default=1.0) * share
    return p if p < FITS else min(p, form_p_value(law, flat) * share)


def gain_of(draws: np.ndarray, shape: Sequence[int]) -> float | None:
    """Returns the gain of matrices whose singular values are all equal; None for others."""
    values = np.linalg.svd(draws.reshape(len(draws), -1, shape[-1]), compute_uv=False)
    gain = float(values.mean())
    return gain if float(np.abs(values - gain).max()) < 1e-4 * gain else None


def torch_default(shape: Sequence[int], name: str = "") -> Iterator[Law]:
    """Yields U(±1 / sqrt(fan_in)), which torch draws if nothing is said."""
    sizes = [shape[-1] / gates for gates in (4, 3, 1)] if "_cell/" in name else _inputs(shape)
    for size in dict.fromkeys(sizes):
        yield Law("uniform", 0.0, max(size, 1) ** -0.5)


def _inputs(shape: Sequence[int]) -> list[float]:
    """Returns what torch counts as fan in: of a kernel, of a depthwise kernel, of a bias."""
    fan_in, fan_out = fans(shape)
    places = math.prod(shape[:-2]) if len(shape) > 2 else 0
    return [size for size in (fan_in, places, fan_out) if size]


def _is_same(a: Law, b: Law) -> bool:
    return a.kind == b.kind and a.center == b.center and math.isclose(a.scale, b.scale)


def _usual(shape: Sequence[int]) -> Iterator[tuple[str, Law]]:
    """Yields the initialisers that people use, by Keras's name if it has one."""
    scaled = [
        (name, law)
        for name, how in SCALING.items()
        if (law := scaling_law(*how, shape)) is not None
    ]
    yield from scaled
    for law in torch_default(shape):
        yield "torch's default U(±1 / sqrt(fan_in))", law
    fan_in, fan_out = fans(shape)
    yield "nn.init.xavier_normal_", Law("normal", 0.0, math.sqrt(2 / (fan_in + fan_out)))
    yield "nn.init.kaiming_normal_", Law("normal", 0.0, math.sqrt(2 / fan_in))
    fan = "(mode='fan_out')"
    yield f"nn.init.kaiming_normal_{fan}", Law("normal", 0.0, math.sqrt(2 / fan_out))
    yield f"nn.init.kaiming_uniform_{fan}", Law("uniform", 0.0, math.sqrt(6 / fan_out))
    yield "a normal one of variance 1 / fan_in", Law("normal", 0.0, math.sqrt(1 / fan_in))
    if len(shape) == 2 and shape[-1] % 4 == 0:  # of the gates of an LSTM
        yield "torch's default U(±1 / sqrt(units))", Law("uniform", 0.0, (shape[-1] / 4) ** -0.5)
    for std in (1.0, 0.02, 0.05, 0.01, 0.1, 0.001):
        yield f"N(0, {std:g})", Law("normal", 0.0, std)
        yield f"TruncatedNormal(stddev={std:g})", Law("truncated", 0.0, std)
    for bound in (0.05, 0.1, 0.01, 0.08, 1.0):
        yield f"RandomUniform(-{bound:g}, {bound:g})", Law("uniform", 0.0, bound)
    yield "U(0, 1)", Law("uniform", 0.5, 0.5)
    for said, gain in _GAINS.items():
        yield from ((f"{name} with gain {said}", law.scaled(gain)) for name, law in scaled)


def _by_its_form(values: np.ndarray, keras: Law | None) -> str | None:
    """Describes numbers of no usual initialiser: form and size."""
    flat = values.reshape(-1)
    spread, center = float(flat.std()), float(flat.mean())
    if keras is not None and keras.kind != "orthogonal" and keras.center == 0:
        gain = spread / keras.deviation
        if keras.kind == "uniform":
            gain = float(np.abs(flat).max()) * (1 + 1 / flat.size) / keras.scale
        if fit(keras.scaled(gain), flat) > FITS:
            return f"Keras's with gain {gain:.3g}"
    half = float(np.ptp(flat)) / 2 * (1 + 2 / flat.size)
    middle = float(flat.max() + flat.min()) / 2
    if fit(Law("uniform", middle, half), flat) > FITS:
        return str(Law("uniform", 0.0 if abs(middle) < 0.02 * half else middle, half))
    if fit(Law("normal", center, spread), flat) > FITS:
        return str(Law("normal", 0.0 if abs(center) < 0.1 * spread else center, spread))
    return None


# --- the line of torch ---------------------------------------------------------------------------


def fix_of(
    name: str, initializer: Mapping[str, Any], shape: Sequence[int], values: np.ndarray, kind: str
) -> str:
    """Returns the line that gives a torch module Keras's initial values; "" without a formula.

    Args:
        name: Keras's of the weight.
        initializer: its configuration, with its "class".
        shape: of the weight.
        values: one draw of Keras.
        kind: of the layer: a torch.nn.LSTM has other names of its weights.
    """
    short = short_name(name)
    back = "_reverse" if "backward" in name else ""
    is_cell = kind in RECURRENT
    attribute = _RECURRENT.get(short, short) + back if is_cell else _ATTRIBUTES.get(short, "weight")
    target = f"layer.{attribute}"
    if (values == values.flat[0]).all() and values.size:
        value = float(values.flat[0])
        rest = f"; nn.init.zeros_(layer.bias_hh_l0{back})" if is_cell and short == "bias" else ""
        words = {0.0: "zeros_({})", 1.0: "ones_({})"}.get(value, "constant_({}, " + f"{value:g})")
        return f"nn.init.{words.format(target)}{rest}"
    if is_cell and short == "bias" and set(np.unique(values)) == {0.0, 1.0}:
        units = values.size // 4
        return (
            f"nn.init.zeros_({target}); nn.init.zeros_(layer.bias_hh_l0{back}); "
            f"{target}.data[{units}:{2 * units}] = 1  # the gate that forgets"
        )
    law = law_of(initializer, shape)
    if law is None:
        return ""
    has_torchs_fans = short in ("kernel", "pointwise_kernel") and len(shape) > 1
    usual = {
        "GlorotUniform": f"nn.init.xavier_uniform_({target})",
        "HeUniform": f"nn.init.kaiming_uniform_({target}, nonlinearity='relu')",
        "LecunUniform": f"nn.init.kaiming_uniform_({target}, nonlinearity='linear')",
    }
    kind_of_law = str(initializer.get("class"))
    if has_torchs_fans and kind_of_law in usual and law == law_of({"class": kind_of_law}, shape):
        return usual[kind_of_law]
    if law.kind == "orthogonal":
        gain = "" if law.scale == 1 else f", gain={law.scale:g}"
        return f"nn.init.orthogonal_({target}{gain})"
    scale, center = f"{law.scale:.8g}", f"{law.center:.8g}"
    if law.kind == "uniform":
        low, high = law.center - law.scale, law.center + law.scale
        return f"nn.init.uniform_({target}, {low:.8g}, {high:.8g})"
    if law.kind == "normal":
        return f"nn.init.normal_({target}, {center}, {scale})"
    low, high = law.center - law.bound, law.center + law.bound
    return f"nn.init.trunc_normal_({target}, {center}, {scale}, a={low:.8g}, b={high:.8g})"
