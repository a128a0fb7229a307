"""Operands: what a formula of a place may be made of, and the functions that are tried on it.

The tensors that Keras has before a place go in: what layers get and give, and sums of two of them.
Units come out: each tensor by itself, a function of its single values, or an operation along some
of its axes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from parity.divergences.arithmetic import ACTIVATIONS

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence

Array = np.ndarray
Function = Callable[[Array], Array]

_MOST_TENSORS = 12  # the nearest before a place
_MOST_SUMMED = 4
MOST_ENTRIES = 2**17  # of a tensor; the probes of a check have 1e5
_EPSILONS = (1e-3, 1e-5, 1e-6, 0.0)
_DIRECT = (
    *("abs", "square", "minus", "exp", "1 - x", "relu", "leaky_relu", "leaky_relu (0.01)"),
    *("leaky_relu (0.3)", "elu", "selu", "sigmoid", "tanh", "softplus", "silu", "gelu (exact)"),
    *("gelu (tanh)", "relu6", "hard_sigmoid", "softsign"),
)
FUNCTIONS: dict[str, Function] = {
    "": lambda x: x,
    **{name: ACTIVATIONS[name] for name in _DIRECT},
    "1 + x": lambda x: 1 + x,
    "exp of half": lambda x: np.exp(x / 2),
    "exp of twice": lambda x: np.exp(2 * x),
    "sqrt": lambda x: np.sqrt(np.where(x < 0, np.nan, x)),
    "half": lambda x: x / 2,
    "twice": lambda x: 2 * x,
    "sin": np.sin,
    "cos": np.cos,
    "log": lambda x: np.log(np.where(x > 0, x, np.nan)),
}
# Of what an operation along axes is scaled by.
SCALING = ("", "1 + x", "exp", "sigmoid", "tanh", "softplus")
# Of a whole formula: (the function, its inverse where it has one; NaN elsewhere).
OUTER: dict[str, tuple[Function, Function]] = {
    "": (lambda x: x, lambda t: t),
    "relu": (ACTIVATIONS["relu"], lambda t: np.where(t > 0, t, np.nan)),
    "leaky_relu": (ACTIVATIONS["leaky_relu"], lambda t: np.where(t > 0, t, t / 0.2)),
    "leaky_relu (0.01)": (ACTIVATIONS["leaky_relu (0.01)"], lambda t: np.where(t > 0, t, t / 0.01)),
    "leaky_relu (0.3)": (ACTIVATIONS["leaky_relu (0.3)"], lambda t: np.where(t > 0, t, t / 0.3)),
    "elu": (ACTIVATIONS["elu"], lambda t: np.where(t > 0, t, np.log1p(t))),
    "sigmoid": (ACTIVATIONS["sigmoid"], lambda t: np.log(t) - np.log1p(-t)),
    "tanh": (np.tanh, np.arctanh),
    "half": (FUNCTIONS["half"], FUNCTIONS["twice"]),
}


@dataclass(frozen=True)
class Unit:
    """One operand of a formula.

    Attributes:
        tensor: name of a tensor of Keras.
        function: of its values, or along axes; "" for the tensor itself.
        axes: over which the function goes; empty for one of single values.
    """

    tensor: str
    function: str = ""
    axes: tuple[int, ...] = ()

    def __str__(self) -> str:
        inside = f"({self.tensor})" if " " in self.tensor else self.tensor
        if not self.function:
            return inside
        if self.axes:
            over = ", ".join(map(str, self.axes))
            word = "axes" if len(self.axes) > 1 else "axis"
            return f"{self.function} of {inside} over {word} {over}"
        if "x" in self.function.split():
            return f"({self.function.replace('x', inside)})"
        return f"{self.function}({self.tensor})"

    def value(self, x: Array) -> Array:
        """Returns the unit of a tensor, with as many axes."""
        if not self.axes:
            return np.asarray(FUNCTIONS[self.function](x))
        return np.asarray(ALONG[self.function](x, self.axes))


# --- along axes ----------------------------------------------------------------------------------


def _standardised(epsilon: float, correction: int = 0) -> Callable[[Array, tuple[int, ...]], Array]:
    def function(x: Array, axes: tuple[int, ...]) -> Array:
        rest = x - x.mean(axes, keepdims=True)
        count = math.prod(x.shape[axis] for axis in axes)
        spread = (rest * rest).sum(axes, keepdims=True) / max(count - correction, 1)
        return np.asarray(rest / np.sqrt(spread + epsilon))

    return function


def _softmax(x: Array, axes: tuple[int, ...]) -> Array:
    shifted = np.exp(x - x.max(axes, keepdims=True))
    return np.asarray(shifted / shifted.sum(axes, keepdims=True))


def _unit_length(x: Array, axes: tuple[int, ...]) -> Array:
    return np.asarray(x / np.sqrt(np.maximum((x * x).sum(axes, keepdims=True), 1e-12)))


ALONG: dict[str, Callable[[Array, tuple[int, ...]], Array]] = {
    "mean": lambda x, axes: x.mean(axes, keepdims=True) + np.zeros_like(x),
    "sum": lambda x, axes: x.sum(axes, keepdims=True) + np.zeros_like(x),
    "maximum": lambda x, axes: x.max(axes, keepdims=True) + np.zeros_like(x),
    "minimum": lambda x, axes: x.min(axes, keepdims=True) + np.zeros_like(x),
    "deviation": lambda x, axes: x.std(axes, keepdims=True) + np.zeros_like(x),
    "softmax": _softmax,
    "unit length": _unit_length,
    **{f"normalisation (epsilon {e:g})": _standardised(e) for e in _EPSILONS},
    "normalisation (unbiased)": _standardised(1e-5, 1),
    "real part of the Fourier transform": lambda x, axes: np.fft.fftn(x, axes=axes).real,
    "imaginary part of the Fourier transform": lambda x, axes: np.fft.fftn(x, axes=axes).imag,
    "size of the Fourier transform": lambda x, axes: np.abs(np.fft.fftn(x, axes=axes)),
    "reverse": lambda x, axes: np.flip(x, axes),
}
_ALONG_ONE: dict[str, Callable[[Array, tuple[int, ...]], Array]] = {
    "running sum": lambda x, axes: np.cumsum(x, axes[0]),
    "one step later": lambda x, axes: np.roll(x, 1, axes[0]),
    "one step earlier": lambda x, axes: np.roll(x, -1, axes[0]),
}
ALONG |= _ALONG_ONE


def units_along(tensor: str, rank: int) -> Iterator[Unit]:
    """Yields the units of a tensor along each set of its axes."""
    for number in range(1, rank + 1):
        for axes in itertools.combinations(range(rank), number):
            for name in ALONG:
                if number == 1 or name not in _ALONG_ONE:
                    yield Unit(tensor, name, axes)


# --- the tensors before a place ------------------------------------------------------------------


def tensors_before(evidence: Evidence, shape: tuple[int, ...]) -> dict[str, Array]:
    """Returns Keras's tensors before a place, as a place of this shape sees them, nearest first.

    A tensor without the first axes, such as a table of positions, is the same for all of them.
    What two names share is named once.
    """
    found: dict[str, Array] = {}
    nodes = evidence.keras.facts["nodes"]
    own = next((n for n, node in enumerate(nodes) if node is evidence.node), len(nodes))
    if evidence.node is not None and not evidence.is_input:
        for name, array in _given(evidence, evidence.node):
            _add(found, name, array, shape)
    for node in reversed(nodes[:own]):
        if len(found) >= _MOST_TENSORS:
            break
        key = f"forward/{evidence.mode}/{node['name']}/output"
        if key in evidence.keras:
            _add(found, str(node["name"]), evidence.keras[key], shape)
            for name, part in _parts(str(node["name"]), evidence.keras[key], shape):
                _add(found, name, part, shape)
        for name, array in _given(evidence, node):
            _add(found, name, array, shape)
    for (a, one), (b, other) in itertools.combinations(list(found.items())[:_MOST_SUMMED], 2):
        _add(found, f"{a} + {b}", one + other, shape)
    return found


def _given(evidence: Evidence, node: Mapping[str, object]) -> Iterator[tuple[str, Array]]:
    sources = node["sources"] if isinstance(node["sources"], list) else []
    for number, source in enumerate(sources):
        key = f"forward/{evidence.mode}/{node['name']}/input/{number}"
        if key in evidence.keras and (source is None or source < 0):
            yield f"what {node['name']} gets", evidence.keras[key]
        elif key in evidence.keras:
            yield str(evidence.keras.facts["nodes"][source]["name"]), evidence.keras[key]


def _parts(name: str, array: Array, shape: tuple[int, ...]) -> Iterator[tuple[str, Array]]:
    """Yields the parts of a tensor that is split along its last axis, or the tensor turned."""
    if array.ndim == 3 and array.shape != shape and np.swapaxes(array, 1, 2).shape == shape:
        yield f"{name} turned", np.swapaxes(array, 1, 2)
    number, rest = (
        divmod(array.shape[-1], max(shape[-1], 1)) if array.ndim == len(shape) else (0, 0)
    )
    if not rest and 1 < number <= _MOST_SUMMED and array.shape[:-1] == shape[:-1]:
        for place, part in enumerate(np.split(array, number, axis=-1)):
            yield f"part {place} of {name}", part


def _add(found: dict[str, Array], name: str, array: Array, shape: tuple[int, ...]) -> None:
    if array.dtype.kind not in "fiu" or name in found or not array.size:
        return
    if array.ndim > len(shape) or array.ndim < min(len(shape), 2):
        return
    try:
        seen = np.broadcast_to(np.asarray(array, np.float64), shape)
    except ValueError:
        return
    if np.isfinite(seen).all() and not any(np.array_equal(seen, other) for other in found.values()):
        found[name] = seen
