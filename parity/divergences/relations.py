"""How the values of two halves at one place are related, and what formulas are made of."""

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


# --------------------------------------------------------------------------------------------------
#
# Operands: what a formula of a place may be made of, and the functions that are tried on it.
#
# The tensors that Keras has before a place go in: what layers get and give, and sums of two of
# them. Units come out: each tensor by itself, a function of its single values, or an operation
# along some of its axes.


Operand = np.ndarray
Function = Callable[[Operand], Operand]

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

    def value(self, x: Operand) -> Operand:
        """Returns the unit of a tensor, with as many axes."""
        if not self.axes:
            return np.asarray(FUNCTIONS[self.function](x))
        return np.asarray(ALONG[self.function](x, self.axes))


# --- along axes ----------------------------------------------------------------------------------


def _standardised(
    epsilon: float, correction: int = 0
) -> Callable[[Operand, tuple[int, ...]], Operand]:
    def function(x: Operand, axes: tuple[int, ...]) -> Operand:
        rest = x - x.mean(axes, keepdims=True)
        count = math.prod(x.shape[axis] for axis in axes)
        spread = (rest * rest).sum(axes, keepdims=True) / max(count - correction, 1)
        return np.asarray(rest / np.sqrt(spread + epsilon))

    return function


def _softmax(x: Operand, axes: tuple[int, ...]) -> Operand:
    shifted = np.exp(x - x.max(axes, keepdims=True))
    return np.asarray(shifted / shifted.sum(axes, keepdims=True))


def _unit_length(x: Operand, axes: tuple[int, ...]) -> Operand:
    return np.asarray(x / np.sqrt(np.maximum((x * x).sum(axes, keepdims=True), 1e-12)))


ALONG: dict[str, Callable[[Operand, tuple[int, ...]], Operand]] = {
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
_ALONG_ONE: dict[str, Callable[[Operand, tuple[int, ...]], Operand]] = {
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


def tensors_before(evidence: Evidence, shape: tuple[int, ...]) -> dict[str, Operand]:
    """Returns Keras's tensors before a place, as a place of this shape sees them, nearest first.

    A tensor without the first axes, such as a table of positions, is the same for all of them.
    What two names share is named once.
    """
    found: dict[str, Operand] = {}
    nodes = evidence.keras.facts["nodes"]
    index = next((n for n, node in enumerate(nodes) if node is evidence.node), len(nodes))
    if evidence.node is not None and not evidence.is_input:
        for name, array in _given(evidence, evidence.node):
            _add(found, name, array, shape)
    for node in reversed(nodes[:index]):
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


def _given(evidence: Evidence, node: Mapping[str, object]) -> Iterator[tuple[str, Operand]]:
    sources = node["sources"] if isinstance(node["sources"], list) else []
    for number, source in enumerate(sources):
        key = f"forward/{evidence.mode}/{node['name']}/input/{number}"
        if key in evidence.keras and (source is None or source < 0):
            yield f"what {node['name']} gets", evidence.keras[key]
        elif key in evidence.keras:
            yield str(evidence.keras.facts["nodes"][source]["name"]), evidence.keras[key]


def _parts(name: str, array: Operand, shape: tuple[int, ...]) -> Iterator[tuple[str, Operand]]:
    """Yields the parts of a tensor that is split along its last axis, or the tensor turned."""
    if array.ndim == 3 and array.shape != shape and np.swapaxes(array, 1, 2).shape == shape:
        yield f"{name} turned", np.swapaxes(array, 1, 2)
    number, rest = (
        divmod(array.shape[-1], max(shape[-1], 1)) if array.ndim == len(shape) else (0, 0)
    )
    if not rest and 1 < number <= _MOST_SUMMED and array.shape[:-1] == shape[:-1]:
        for place, part in enumerate(np.split(array, number, axis=-1)):
            yield f"part {place} of {name}", part


def _add(found: dict[str, Operand], name: str, array: Operand, shape: tuple[int, ...]) -> None:
    if array.dtype.kind not in "fiu" or name in found or not array.size:
        return
    if array.ndim > len(shape) or array.ndim < min(len(shape), 2):
        return
    try:
        full = np.broadcast_to(np.asarray(array, np.float64), shape)
    except ValueError:
        return
    if np.isfinite(full).all() and not any(np.array_equal(full, other) for other in found.values()):
        found[name] = full


# --- How the values of two halves at one place are related: what is known of their difference -----
#
# Two arrays go in. Out come words, such as "times a factor for each sample, of 2 to 3", for an
# order of entries, a shift, factors, offsets, and the places that differ. Nothing is said that does
# not hold for all entries.


Array = np.ndarray
PERMUTED, SHIFTED, COUNTED, AFFINE, FACT = "permuted", "shifted", "counted", "affine", "fact"
FUNCTION, CUT = "function", "cut"
_FEWEST = 6  # values of which two functions are told
_WHOLE = 1e-6  # a count is a whole number up to this
_MOST_SHOWN = 6
_MOST_PLACES = 2**12  # at which a part is looked for


@dataclass(frozen=True)
class Relation:
    """One relation of two arrays.

    Attributes:
        kind: PERMUTED, SHIFTED, COUNTED, AFFINE or FUNCTION, which give all values of one from
            the other; CUT, if one is a part of the other; or FACT, which says less.
        text: "channels are in reverse order".
    """

    kind: str
    text: str


def relations(theirs: Array, ours: Array, close: float) -> Iterator[Relation]:
    """Yields how an array of the port comes from Keras's, what says most first.

    Args:
        theirs: Keras's, with the samples first.
        ours: the port's; of another shape if one may be a part of the other.
        close: what counts as equal, relative to the largest value.
    """
    if theirs.ndim != ours.ndim or not theirs.size or not ours.size or not theirs.ndim:
        return
    if not (np.isfinite(theirs).all() and np.isfinite(ours).all()):
        return
    limit = close * max(float(np.abs(theirs).max()), float(np.abs(ours).max()))
    if theirs.shape != ours.shape:
        if (cut := _part(theirs, ours, limit)) is not None:
            yield cut
        return
    if np.abs(theirs - ours).max() <= limit:
        return
    yield from _orders(theirs, ours, limit)
    yield from _shifts(theirs, ours, limit)
    where, part, port_part = _differing(theirs, ours, limit)
    prefix = f"{where}: " if where else ""
    for found in (
        _counts(part, port_part, limit),
        _affine(part, port_part, limit),
        _power(part, port_part, close),
    ):
        if found is not None:
            yield Relation(found.kind, prefix + found.text)
    if (text := _functions(theirs, ours, close)) is not None:
        yield Relation(FUNCTION, text)
    yield from _facts(theirs, ours, limit, where)


def _axis_name(axis: int, rank: int) -> str:
    if axis == 0:
        return "samples"
    return "channels" if axis == rank - 1 else "steps" if rank == 3 else f"entries of axis {axis}"


# --- order ---------------------------------------------------------------------------------------


def _orders(theirs: Array, ours: Array, limit: float) -> Iterator[Relation]:
    rank = theirs.ndim
    for axis in range(rank - 1, -1, -1):
        order = _order(theirs, ours, axis, limit)
        if order is not None:
            text = _said_order(order)
            yield Relation(PERMUTED, f"the port has the {_axis_name(axis, rank)} {text}")
            return
    for a in range(rank):
        for b in range(a + 1, rank):
            turned = np.swapaxes(theirs, a, b)
            if turned.shape == ours.shape and np.abs(turned - ours).max() <= limit:
                yield Relation(PERMUTED, f"axes {a} and {b} are exchanged")
                return


def _order(theirs: Array, ours: Array, axis: int, limit: float) -> Array | None:
    """Returns which entry of Keras each entry of the port is, along one axis."""
    x, y = (np.moveaxis(v, axis, 0).reshape(v.shape[axis], -1) for v in (theirs, ours))
    if len(x) < 2 or len(x) ** 2 * x.shape[1] > 2**24:
        return None
    gaps = np.abs(y[:, None] - x[None]).max(-1)
    order = gaps.argmin(1)
    if (gaps.min(1) > limit).any() or len(set(order)) < len(order):
        return None
    return order if (order != np.arange(len(order))).any() else None


def _said_order(order: Array) -> str:
    size = len(order)
    places = np.arange(size)
    if (order == places[::-1]).all():
        return "in reverse order"
    for parts in range(2, size + 1):
        if size % parts:
            continue
        step = size // parts
        if (order == places.reshape(parts, step)[::-1].reshape(-1)).all():
            return "with their halves exchanged" if parts == 2 else f"with {parts} parts reversed"
        if (order == places.reshape(parts, step).T.reshape(-1)).all():
            return f"as ({parts}, {step}) where Keras has them as ({step}, {parts})"
    for by in range(1, size):
        if (order == np.roll(places, by)).all():
            return f"rolled by {by if by <= size // 2 else by - size}"
    shown = ", ".join(map(str, order[:_MOST_SHOWN])) + (", ..." if size > _MOST_SHOWN else "")
    return f"in the order {shown}"


def _shifts(theirs: Array, ours: Array, limit: float) -> Iterator[Relation]:
    """Yields a shift along an axis between samples and channels, with anything new at the end."""
    for axis in range(1, theirs.ndim - (theirs.ndim > 2)):
        size = theirs.shape[axis]
        x, y = np.moveaxis(theirs, axis, 0), np.moveaxis(ours, axis, 0)
        if size < 3 or np.ptp(x, axis=0).max() <= limit:
            continue
        for by in range(1, min(size - 1, 4)):
            for direction, same in (
                ("later", np.abs(y[by:] - x[:-by]).max() <= limit),
                ("earlier", np.abs(y[:-by] - x[by:]).max() <= limit),
            ):
                if same:
                    word = "step" if by == 1 else "steps"
                    place = "" if theirs.ndim == 3 else f" along axis {axis}"
                    text = f"the port has Keras's values {by} {word} {direction}{place}"
                    yield Relation(SHIFTED, text)
                    return


# --- parts ---------------------------------------------------------------------------------------


def _part(theirs: Array, ours: Array, limit: float) -> Relation | None:
    """Recognises an array that is a part of the other one, of the same samples."""
    for whole, part, text in (
        (theirs, ours, "the port has a part of Keras's values"),
        (ours, theirs, "Keras has a part of the port's values"),
    ):
        gaps = [a - b for a, b in zip(whole.shape, part.shape, strict=True)]
        num_places = math.prod(gap + 1 for gap in gaps)
        if gaps[0] or min(gaps) < 0 or num_places > _MOST_PLACES or np.ptp(part) <= limit:
            continue
        windows = np.lib.stride_tricks.sliding_window_view(whole, part.shape)
        for place in itertools.product(*(range(gap + 1) for gap in gaps)):
            if np.abs(windows[place] - part).max() <= limit:
                sides = [
                    f"{start} to {start + size - 1} of {of} {_axis_name(axis, part.ndim)}"
                    for axis, (start, size, of) in enumerate(
                        zip(place, part.shape, whole.shape, strict=True)
                    )
                    if size < of
                ]
                return Relation(CUT, f"{text}: {', '.join(sides)}")
    return None


# --- factors -------------------------------------------------------------------------------------


def _differing(theirs: Array, ours: Array, limit: float) -> tuple[str, Array, Array]:
    """Returns (words, Keras's, the port's) of the entries of one axis that differ; "" if all do."""
    for axis in range(theirs.ndim - 1, 0, -1):
        rest = tuple(n for n in range(theirs.ndim) if n != axis)
        wrong = np.abs(theirs - ours).max(rest) > limit
        if wrong.any() and not wrong.all():
            name = _axis_name(axis, theirs.ndim)
            text = f"{name} {_range(np.flatnonzero(wrong))} of {len(wrong)} differ"
            at = np.flatnonzero(wrong)
            return text, np.take(theirs, at, axis), np.take(ours, at, axis)
    return "", theirs, ours


def _range(numbers: Array) -> str:
    first, last = int(numbers[0]), int(numbers[-1])
    if last - first + 1 == len(numbers):
        return str(first) if first == last else f"{first} to {last}"
    shown = ", ".join(map(str, numbers[:_MOST_SHOWN]))
    return shown + (", ..." if len(numbers) > _MOST_SHOWN else "")


def _counts(theirs: Array, ours: Array, limit: float) -> Relation | None:
    """Recognises factors that are whole numbers, or one over them, and differ along an axis."""
    for axis in range(theirs.ndim):
        rest = tuple(n for n in range(theirs.ndim) if n != axis)
        factors = _slopes(theirs, ours, rest)
        if theirs.shape[axis] < 2 or np.abs(factors * theirs - ours).max() > limit:
            continue
        flat = factors.reshape(-1)
        for kind, numbers in (("a sum", flat), ("a mean", 1 / np.where(flat == 0, np.nan, flat))):
            whole = np.round(numbers)
            is_count = (np.abs(numbers - whole) <= _WHOLE * np.abs(whole)).all()
            if is_count and whole.min() >= 1 and whole.max() > whole.min():
                other = "a mean" if kind == "a sum" else "a sum"
                name = _axis_name(axis, theirs.ndim)
                text = f"the port has {kind} of {whole.min():g} to {whole.max():g} values for each"
                return Relation(COUNTED, f"{text} of the {name}, Keras {other}")
    return None


def _slopes(theirs: Array, ours: Array, axes: tuple[int, ...]) -> Array:
    length = (theirs * theirs).sum(axes, keepdims=True)
    product = (theirs * ours).sum(axes, keepdims=True)
    return np.asarray(product / np.where(length == 0, 1, length))


def _affine(theirs: Array, ours: Array, limit: float) -> Relation | None:
    """Recognises a factor and an offset, of all values or along one axis."""
    rank = theirs.ndim
    everything = tuple(range(rank))
    for axes, each in (
        (everything, ""),
        *((everything[:n] + everything[n + 1 :], _axis_name(n, rank)) for n in everything[::-1]),
    ):
        count = math.prod(theirs.shape[axis] for axis in axes)
        if count < 3:
            continue
        slope = _slopes(theirs, ours, axes)
        offset = (ours - theirs).mean(axes, keepdims=True)
        center = theirs.mean(axes, keepdims=True)
        other = ours.mean(axes, keepdims=True)
        both = _slopes(theirs - center, ours - other, axes)
        suffix = f" for each of the {each}" if each else ""
        if np.abs(slope * theirs - ours).max() <= limit:
            return Relation(AFFINE, f"the port has Keras's values times {_few(slope)}{suffix}")
        if np.abs(theirs + offset - ours).max() <= limit:
            return Relation(AFFINE, f"the port has Keras's values plus {_few(offset)}{suffix}")
        if np.abs(both * (theirs - center) + other - ours).max() <= limit:
            shift = other - both * center
            text = f"the port has Keras's values times {_few(both)} plus {_few(shift)}{suffix}"
            return Relation(AFFINE, text)
    return None


def _few(values: Array) -> str:
    flat = values.reshape(-1)
    low, high = f"{flat.min():.5g}", f"{flat.max():.5g}"
    return low if low == high else f"{low} to {high}"


def _power(theirs: Array, ours: Array, close: float) -> Relation | None:
    """Recognises a power of Keras's values, up to a factor."""
    if (theirs <= 0).any() or (ours <= 0).any() or np.ptp(theirs) == 0 or theirs.size < 4:
        return None
    x, y = np.log(theirs), np.log(ours)
    power = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
    factor = math.exp(float(y.mean() - power * x.mean()))
    if np.abs(factor * theirs**power / ours - 1).max() > max(close, 1e-9) * 10:
        return None
    times = "" if abs(factor - 1) < 1e-6 else f"{factor:.5g} times "
    return Relation(AFFINE, f"the port has {times}Keras's values to the power {power:.5g}")


def _functions(theirs: Array, ours: Array, close: float) -> str | None:
    """Recognises two functions of the same unknown values, by the inverse of Keras's."""
    for name, (_, inverse) in OUTER.items() if theirs.size >= _FEWEST else ():
        with np.errstate(all="ignore"):
            x = inverse(theirs)
        if name in ("", "half", "relu") or not np.isfinite(x).all():
            continue
        if name.startswith(("leaky", "elu")) and not (theirs < 0).any():
            continue
        for other, function in ACTIVATIONS.items():
            if other.partition(" (")[0] == name.partition(" (")[0]:  # with another constant
                continue
            with np.errstate(all="ignore"):
                made = function(x)
            scale = float(np.abs(ours).max())
            # An inverse is steep at its ends, and makes more of what rounding is.
            if other != "linear" and np.abs(made - ours).max() <= 10 * close * scale:
                return f"{name} in Keras, {other} in the port, of the same values"
    squares = theirs**2 + ours**2
    if theirs.size >= _FEWEST and np.ptp(squares) <= 10 * close * float(squares.max()):
        return "cosine in one half, sine in the other, of the same values"
    return None


# --- facts ---------------------------------------------------------------------------------------


def _facts(theirs: Array, ours: Array, limit: float, where: str) -> Iterator[Relation]:
    if where:
        yield Relation(FACT, where)
    gap = np.abs(theirs - ours) > limit
    port_zero, zero = np.abs(ours) <= limit, np.abs(theirs) <= limit
    if gap.any() and not gap.all():
        if port_zero[gap].all():
            yield Relation(FACT, "the port has zeros where the two differ, Keras has not")
        elif zero[gap].all():
            yield Relation(FACT, "Keras has zeros where the two differ, the port has not")
    if theirs.ndim > 2:
        inner = (slice(None), *[slice(1, -1)] * (theirs.ndim - 2), slice(None))
        if gap[inner].size and not gap[inner].any():
            yield Relation(FACT, "only the border differs, as with another padding")
    samples = gap.reshape(len(gap), -1).any(1)
    if samples.any() and not samples.all():
        yield Relation(FACT, f"{int(samples.sum())} of {len(samples)} samples differ")
    if theirs.ndim > 1 and theirs.shape[-1] > 1 and (theirs >= 0).all():
        is_sum = [bool(np.abs(v.sum(-1) - 1).max() <= 1e-6) for v in (theirs, ours)]
        if is_sum == [True, False]:
            yield Relation(FACT, "Keras's values sum to 1 over the channels, the port's do not")
        elif is_sum == [False, True]:
            yield Relation(FACT, "the port's values sum to 1 over the channels, Keras's do not")
    if np.abs(ours + theirs).max() > limit and np.abs(np.abs(ours) - np.abs(theirs)).max() <= limit:
        yield Relation(FACT, "the two differ in signs alone")
