"""Divergences of initial weights and of gradients."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from parity.data.draws import is_constant
from parity.data.probe_inputs import MOVING, short_name
from parity.divergences import optimizers
from parity.divergences.divergence import NUMBERS, PLACE, SETTINGS, Match, Recogniser
from parity.divergences.evidence import Evidence
from parity.divergences.places import FORCED, REACHES, RECURRENT
from parity.ladder.initial_weights import (
    SCALING,
    Law,
    fans,
    form_p_value,
    is_drawn_constant,
    law_of,
    quick_p_values,
    scaling_law,
)

# --- Which initialiser numbers look like, and the line of torch that draws as Keras does ----------
#
# Numbers of a weight go in; "HeUniform with gain √2" comes out. Nothing is named that the numbers
# contradict.


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


# --- Divergences of initial weights ---------------------------------------------------------------


class _Drawn:
    """The draws of a weight in both halves."""

    def __init__(self, evidence: Evidence, key: str) -> None:
        self.name: str = evidence.item.name
        self.keras, self.port = evidence.keras[key], evidence.port[key]
        facts = evidence.keras.facts
        self.initializer: Mapping[str, Any] = facts["initializers"].get(self.name, {})
        weight = facts["weights"].get(self.name)
        self.shape: Sequence[int] = weight["shape"] if weight else []
        self.is_constant = is_drawn_constant(self.keras, self.initializer, self.shape)
        self.law: Law | None = law_of(self.initializer, self.shape)
        self._kind = evidence.kind

    @property
    def fix(self) -> str:
        """The line of torch that does what Keras does."""
        return fix_of(self.name, self.initializer, self.shape, self.keras[0], self._kind)

    @property
    def said(self) -> str:
        """Keras's initialiser, in words."""
        return f"{self.initializer.get('class', 'another initialiser')} in Keras"


def _draws(evidence: Evidence) -> _Drawn | None:
    key = f"init/{evidence.item.name}"
    if evidence.level.id != "init" or key not in evidence.keras or key not in evidence.port:
        return None
    return _Drawn(evidence, key)


def _bias_init(evidence: Evidence) -> Match | None:
    """Recognises a weight that is constant in Keras and drawn in the port."""
    found = evidence.once(_draws)
    if found is None or not found.is_constant or is_constant(found.port):
        return None
    if found.name.endswith(MOVING):
        return None
    if len(found.port) > 1 and (found.port == found.port[0]).all():
        return None  # many numbers, but not drawn
    values = np.unique(found.keras)
    theirs = f"{values[0]:g}" if len(values) == 1 else _listed(found.keras)
    return Match(NUMBERS, f"{theirs} in Keras, drawn in the port", fix=found.fix)


def _kaiming(evidence: Evidence) -> Match | None:
    """U(-1/sqrt(fan_in), 1/sqrt(fan_in)), torch's default."""
    found = evidence.once(_draws)
    if found is None or found.is_constant or len(found.shape) < 2 or "_cell/" in found.name:
        return None
    for law in torch_default(found.shape, found.name):
        if fit(law, found.port) > FITS:
            text = f"{found.said}; the port draws from {law}"
            return Match(NUMBERS, text, fix=found.fix)
    return None


def _untruncated(evidence: Evidence) -> Match | None:
    found = evidence.once(_draws)
    if found is None or found.law is None or found.law.kind != "truncated":
        return None
    theirs, ours = found.keras.std(), found.port.std()
    if 0.8 < ours / theirs < 1.25 and np.abs(found.port).max() > np.abs(found.keras).max():
        text = f"as wide as Keras's {found.initializer['class']}, but with values beyond its bound"
        return Match(NUMBERS, text, fix=found.fix)
    return None


def _distribution(evidence: Evidence) -> Match | None:
    """Names the initialiser that the port looks like."""
    found = evidence.once(_draws)
    if found is None:
        return None
    is_named = found.is_constant or evidence.once(_kaiming) or evidence.once(_untruncated)
    name = None if is_named else _likeness(found)
    if name is None:
        return Match(PLACE, evidence.item.note, fix=found.fix)
    return Match(SETTINGS, f"{found.said}; the port looks like {name}", fix=found.fix)


def _likeness(found: _Drawn) -> str | None:
    """Returns what the port's draws look like."""
    if found.law is not None and found.law.kind == "orthogonal":
        whole = found.port.shape[1] == math.prod(found.shape)
        gain = gain_of(found.port, found.shape) if whole else None
        if gain is not None:
            return f"Orthogonal with gain {gain:.4g}"
    return name_of(found.port, found.shape, found.law)


def _constant(evidence: Evidence) -> Match | None:
    found = evidence.once(_draws)
    if found is not None and found.name.endswith(MOVING) and not is_constant(found.port):
        moved = "moved in the port before training, as a pass in train mode does"
        return Match(
            NUMBERS, f"{_listed(found.keras)} in Keras, {moved}", fix="module.eval() before it"
        )
    if found is None or not found.is_constant or not (found.port == found.port[0]).all():
        return None
    if len(found.port) == 1 and len(np.unique(found.port)) > 2:
        return None  # drawn once: constants cannot be distinguished from random values
    text = f"{_listed(found.keras)} in Keras, {_listed(found.port)} in the port"
    return Match(NUMBERS, text, fix=found.fix)


def _listed(draws: np.ndarray) -> str:
    """Returns the values of a weight, if there are few."""
    values = sorted({f"{value:g}" for value in draws[0]})
    return " and ".join(values) if len(values) < 4 else f"{len(values)} values"


RULES: dict[str, Recogniser] = {
    "B2": _bias_init,
    "B1": _kaiming,
    "B3": _untruncated,
    "B9": _constant,
    "B8": _distribution,
}


# --- Divergences of gradients ---------------------------------------------------------------------


def _not_frozen(evidence: Evidence) -> Match | None:
    """The port trains what Keras does not."""
    weight = evidence.keras.facts["weights"].get(evidence.item.name)
    if evidence.level.id not in ("optimizer", "trajectory") or weight is None:
        return None
    return (
        None
        if weight["trainable"]
        else Match(NUMBERS, f"{evidence.item.name} is not trained in Keras")
    )


def _cut(evidence: Evidence) -> Match | None:
    if evidence.level.id != "gradient":
        return None
    failed = evidence.failed
    if any(item.torch == "no gradient" for item in failed):
        names = [i.name.removeprefix(REACHES) for i in failed if i.torch == "no gradient"]
        return Match(NUMBERS, f"no gradient reaches {', '.join(names[:3])}")
    weights = dict.fromkeys(item.name.removesuffix(FORCED) for item in failed)
    zero = [
        name
        for name in weights
        if f"gradient/{name}" in evidence.port and not evidence.port[f"gradient/{name}"].any()
    ]
    return Match(NUMBERS, f"the gradient of {', '.join(zero[:3])} is zero") if zero else None


def _branch_cut(evidence: Evidence) -> Match | None:
    """Recognises one of several layers behind an output through which no gradient passes."""
    name = evidence.item.name.removeprefix(REACHES)
    ours, theirs = f"forced/arrived/{name}", f"output_gradient/{name}"
    nodes = evidence.keras.facts["nodes"]
    if evidence.level.id != "gradient" or ours not in evidence.port or theirs not in evidence.keras:
        return None
    number = next(n for n, node in enumerate(nodes) if node["name"] == name)
    for node in nodes:
        key, kernels = f"output_gradient/{node['name']}", _kernels(node)
        if number not in node["sources"] or key not in evidence.keras or not kernels:
            continue
        part = evidence.keras[key] @ evidence.keras[f"weights/{kernels[0]}"].T
        if evidence.is_close(evidence.keras[theirs] - part, evidence.port[ours]):
            return Match(NUMBERS, f"no gradient passes from {node['name']} back to {name}")
    return None


def _kernels(node: Mapping[str, Any]) -> list[str]:
    """Returns the names of the kernel of a dense layer; none for other layers."""
    is_dense = node["kind"] == "dense"
    return [name for name in node["weights"] if is_dense and name.endswith(".kernel")]


def _gradient_cut(evidence: Evidence) -> Match | None:
    """Recognises the layer whose output no gradient reaches any more."""
    names = [
        item.name.removeprefix(REACHES)
        for item in evidence.failed
        if item.torch == "no gradient" and item.name.startswith(REACHES)
    ]
    if evidence.level.id != "gradient" or not names:
        return None
    return Match(NUMBERS, f"no gradient reaches the output of {names[0]}")


def _other_gradient(evidence: Evidence) -> Match | None:
    return Match(PLACE, "outputs and loss agree") if evidence.level.id == "gradient" else None


def _scaled_gradient(evidence: Evidence) -> Match | None:
    """All gradients are one multiple of Keras's."""
    if evidence.level.id != "gradient":
        return None
    factors = []
    for item in evidence.failed:
        key = f"gradient/{item.name.removesuffix(FORCED)}"
        if key not in evidence.keras or key not in evidence.port:
            return None
        a, b = evidence.keras[key].reshape(-1), evidence.port[key].reshape(-1)
        largest = int(np.argmax(np.abs(a)))
        if not a[largest]:
            return None
        factor = float(b[largest] / a[largest])
        if not evidence.is_close(a * factor, b):
            return None
        factors.append(factor)
    if factors and evidence.is_close(factors, np.ones(len(factors)), 1e-6):
        return None
    if factors and max(factors) - min(factors) < 1e-9 * abs(factors[0]):
        return Match(SETTINGS, f"every gradient is {factors[0]:.6g} times Keras's")
    return None


RULES_OF_GRADIENTS: dict[str, Recogniser] = {
    "E9": lambda evidence: _gradient_cut(evidence) or _branch_cut(evidence),
    "E6": lambda evidence: _cut(evidence) or _not_frozen(evidence),
    "E3": lambda evidence: _scaled_gradient(evidence) or optimizers.changed("E3")(evidence),
    "E7": _other_gradient,
}
