"""Formulas of values between two layers: f(a + b), a + f(b), a * f(b) + c, and the like."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from parity.divergences.arithmetic import ACTIVATIONS
from parity.divergences.divergence import NUMBERS, Match, Recogniser
from parity.divergences.evidence import OF_FLOAT32, is_close
from parity.divergences.relations import (
    ALONG,
    FUNCTIONS,
    MOST_ENTRIES,
    OUTER,
    SCALING,
    Unit,
    tensors_before,
    units_along,
)

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence


# --- Formulas of values between two layers: f(a + b), a + f(b), a * f(b) + c, and the like --------
#
# Operands and values go in. Formulas that give the values come out, the simplest first. Candidates
# are compared at some entries, and what is left at all of them.


Array = np.ndarray
SIGNS: dict[str, Callable[[Array, Array], Array]] = {
    "+": np.add,
    "*": np.multiply,
    "-": np.subtract,
    "/": np.divide,
}
_NUM_SAMPLED = 48  # entries at which all candidates are computed
_FIRST = 4  # of them, at which all pairs are compared
_MOST = 12  # formulas of one kind
_MOST_COMPUTED = 2**25  # entries of all operations along axes together


@dataclass(frozen=True)
class Formula:
    """One formula: outer(first sign second + rest).

    Attributes:
        first: an operand.
        sign: one of SIGNS, or "" if there is no second operand.
        second: an operand, or None.
        rest: a tensor that is added to both, or "".
        outer: a function of all, or "".
    """

    first: Unit
    sign: str = ""
    second: Unit | None = None
    rest: str = ""
    outer: str = ""

    def __str__(self) -> str:
        text = str(self.first)
        if self.second is not None:
            text = f"{text} {self.sign} {self.second}"
        if self.rest:
            text = f"{text} + {self.rest}"
        return f"{self.outer}({text})" if self.outer else text

    @property
    def units(self) -> tuple[Unit, ...]:
        """The operands, and the tensor that is added."""
        rest = (Unit(self.rest),) if self.rest else ()
        return (self.first, *((self.second,) if self.second else ()), *rest)

    def value(self, tensors: Mapping[str, Array]) -> Array:
        """Returns what the formula gives."""
        made = self.first.value(tensors[self.first.tensor])
        if self.second is not None:
            made = SIGNS[self.sign](made, self.second.value(tensors[self.second.tensor]))
        if self.rest:
            made = made + tensors[self.rest]
        return np.asarray(OUTER[self.outer][0](made))


class Search:
    """Finds formulas of several arrays of one shape.

    Args:
        tensors: Keras's by their names, of that shape.
        close: what a formula may miss, relative to the largest value.
    """

    def __init__(self, tensors: Mapping[str, Array], close: float) -> None:
        self._tensors, self._close = tensors, close
        shape = next(iter(tensors.values())).shape if tensors else ()
        size = int(np.prod(shape))
        self._is_open = bool(tensors) and size <= MOST_ENTRIES
        draw = np.random.default_rng(0)
        self._at = draw.permutation(size)[: _NUM_SAMPLED * 4]
        self._plain = [Unit(name) for name in tensors]
        self._single = [Unit(name, f) for name in tensors for f in FUNCTIONS]
        self._along: list[Unit] = []
        budget = _MOST_COMPUTED
        for name in tensors if len(shape) > 1 else ():
            units = list(units_along(name, len(shape)))
            budget -= len(units) * size
            self._along += units if budget > 0 else []
        self._of_single = self._sampled_values(self._single)
        self._of_plain = self._sampled_values(self._plain)
        self._scaling = [unit for unit in self._single if unit.function in SCALING]
        self._of_scaling = self._sampled_values(self._scaling)
        self._of_along = self._sampled_values(self._along)

    def formulas(self, target: Array) -> list[Formula]:
        """Returns the formulas of the simplest kind that gives an array; [] if none does."""
        if not self._is_open or not np.isfinite(target).all() or not target.any():
            return []
        for kind in (self._alone, self._pairs, self._threes):
            with np.errstate(all="ignore"):
                found = list(itertools.islice(kind(target), _MOST))
            if found:
                return found
        return []

    def single(self, target: Array) -> Unit | None:
        """Returns the operand that an array is by itself, or None."""
        if not self._is_open or not np.isfinite(target).all() or not target.any():
            return None
        with np.errstate(all="ignore"):
            return next((formula.first for formula in self._alone(target)), None)

    def _sampled_values(self, units: Sequence[Unit]) -> Array:
        if not self._is_open or not units:
            return np.empty((0, len(self._at)))
        with np.errstate(all="ignore"):
            flat = {name: np.reshape(x, -1)[self._at] for name, x in self._tensors.items()}
            return np.stack(
                [
                    unit.value(self._tensors[unit.tensor]).reshape(-1)[self._at]
                    if unit.axes
                    else unit.value(flat[unit.tensor])
                    for unit in units
                ]
            )

    def _alone(self, target: Array) -> Iterator[Formula]:
        wanted = target.reshape(-1)[self._at]
        scale = float(np.abs(target).max())
        for units, values in ((self._single, self._of_single), (self._along, self._of_along)):
            if not len(values):
                continue
            near = (np.abs(values - wanted) <= self._close * scale).all(1)
            yield from self._right([Formula(units[n]) for n in np.flatnonzero(near)], target)

    def _blocks(self, is_pair: bool) -> Iterator[tuple[list[Unit], Array, list[Unit], Array]]:
        first = (self._single, self._of_single) if is_pair else (self._plain, self._of_plain)
        yield *first, self._single, self._of_single
        yield self._along, self._of_along, self._scaling, self._of_scaling
        yield self._plain, self._of_plain, self._along, self._of_along

    def _pairs(self, target: Array) -> Iterator[Formula]:
        yield from self._combined(target, ("",), SIGNS)

    def _threes(self, target: Array) -> Iterator[Formula]:
        yield from self._combined(target, self._tensors, ("*", "+"))

    def _combined(
        self, target: Array, rests: Collection[str], signs: Collection[str]
    ) -> Iterator[Formula]:
        """Yields outer(first sign second + rest) that gives an array."""
        scale = float(np.abs(target).max())
        inside = list(self._inside(target))
        for units, values, others, more in self._blocks(is_pair="" in rests):
            for sign in signs if len(values) and len(more) else ():
                for outer, wanted, known in inside:
                    near = self._close * max(scale, float(np.abs(wanted[known]).max())) * 10
                    both = SIGNS[sign](values[:, None, known[0]], more[None, :, known[0]])
                    for rest in rests:
                        left = wanted[known]
                        if rest:
                            left = left - np.reshape(self._tensors[rest], -1)[self._at][known]
                        rows, columns = np.nonzero(np.abs(both - left[0]) <= near)
                        made = SIGNS[sign](values[rows][:, known], more[columns][:, known])
                        is_near = (np.abs(made - left) <= near).all(-1)
                        tried = [
                            Formula(units[a], sign, others[b], rest, outer)
                            for a, b in zip(rows[is_near], columns[is_near], strict=True)
                            if sign in "-/" or units is not others or a <= b
                        ]
                        yield from self._right(tried[:_MOST], target)

    def _inside(self, target: Array) -> Iterator[tuple[str, Array, Array]]:
        """Yields (outer function, what is in it at the seen entries, which of them tell it)."""
        wanted = target.reshape(-1)[self._at]
        has_both = bool((target < 0).any())
        for outer, (_, inverse) in OUTER.items():
            made = inverse(wanted)
            is_known = np.isfinite(made)
            if outer.startswith(("leaky", "elu")) and not has_both:
                continue  # the identity
            if has_both if outer == "relu" else not is_known.all():
                continue
            known = np.flatnonzero(is_known & (made != 0))[:_FIRST]
            if len(known) == _FIRST:
                yield outer, made, known

    def _right(self, formulas: Sequence[Formula], target: Array) -> Iterator[Formula]:
        scale = float(np.abs(target).max())
        for formula in formulas:
            made = formula.value(self._tensors)
            if made.shape == target.shape and np.abs(made - target).max() <= self._close * scale:
                yield formula


# --------------------------------------------------------------------------------------------------
#
# Divergences of formulas between layers: what both halves make of the same tensors of Keras.
#
# Where the port's layers get Keras's values, the values at a place in both halves are formulas of
# the same tensors. Both formulas are searched; what differs between them is the cause.


Values = np.ndarray
ORDER, AXES, FORMULA = "A37", "A38", "A39"
FUSED = "fused"  # no difference: a function of the port does what Keras does in two
# Functions that are no activation.
_ARITHMETIC = {
    *("abs", "square", "minus", "exp", "1 - x", "1 + x", "exp of half", "exp of twice", "sqrt"),
    *("half", "twice", "sin", "cos", "log", *ALONG),
}
_CONSTANTS = ("leaky_relu", "normalisation", "hard_sigmoid")


def formula(name: str) -> Recogniser:
    """Returns the recogniser of an entry for formulas between layers."""

    def recognise(evidence: Evidence) -> Match | None:
        found = evidence.once(_found)
        return Match(NUMBERS, found[1]) if found is not None and found[0] == name else None

    return recognise


def _found(evidence: Evidence) -> tuple[str, str] | None:
    """Returns (ID, text) of the difference of two formulas."""
    if (moved := _moved(evidence)) is not None:
        return ORDER, moved
    for theirs, ours in evidence.compared():
        close = max(evidence.close, OF_FLOAT32)
        if theirs.shape != ours.shape or is_close(theirs, ours, close):
            continue
        tensors = tensors_before(evidence, theirs.shape)
        same = [n for n, x in tensors.items() if " + " not in n and evidence.is_close(x, ours)]
        if any(not evidence.is_in_doubt(name) for name in same):
            return None  # another tensor, which has a name of its own
        is_made = evidence.is_own is True and is_close(theirs, evidence.keras_output(), 0.0)
        before = next((n for n, x in tensors.items() if evidence.is_close(x, theirs)), "")
        others = {n: x for n, x in tensors.items() if not before or before not in n.split(" + ")}
        if is_made and _does_more(evidence, theirs, ours, others, close):
            return FUSED, ""
        search = Search(others, close)
        made = search.formulas(ours)
        if made and (true := _with_isolated_outputs(evidence, made[0], others)) is not None:
            if is_close(theirs, true, close):
                return FUSED, ""
            made = search.formulas(true)
        if pairs := list(itertools.product(search.formulas(theirs), made)):
            a, b = min(pairs, key=lambda pair: (distance(*pair), len(str(pair))))
            if (gated := _exchanged_gate(a, b)) is not None:
                return "A22", gated
            return _name(a, b), f"{a} in Keras, {b} in the port"
        if before and (made := Search(tensors, close).formulas(ours)):
            return FORMULA, f"{before} in Keras, {made[0]} in the port"
        return _change(search, others, theirs, ours)
    return None


# --- two formulas --------------------------------------------------------------------------------


def distance(a: Formula, b: Formula) -> int:
    """Returns in how many ways two formulas differ; other tensors count most."""
    return (
        4 * (_tensors(a) != _tensors(b))
        + 2 * (_functions(a) != _functions(b))
        + (_signs(a) != _signs(b))
        + (a.outer != b.outer)
        + (_axes(a) != _axes(b))
        + (a.first != b.first)
        + (a.second != b.second)
    )


def _tensors(a: Formula) -> Counter[str]:
    return Counter(each for unit in a.units for each in unit.tensor.split(" + "))


def _functions(a: Formula) -> Counter[str]:
    names = [a.outer, *(unit.function for unit in a.units)]
    return Counter(name for name in names if name)


def _signs(a: Formula) -> Counter[str]:
    sums = sum(unit.tensor.count(" + ") for unit in a.units) + bool(a.rest)
    return Counter([*([a.sign] if a.sign else []), *["+"] * sums])


def _axes(a: Formula) -> list[tuple[int, ...]]:
    return sorted(unit.axes for unit in a.units if unit.axes)


def _name(a: Formula, b: Formula) -> str:
    """Returns the ID of the difference of two formulas."""
    if _tensors(a) != _tensors(b) or _signs(a) != _signs(b):
        return FORMULA
    if _functions(a) != _functions(b):
        return _of_functions(a, b)
    if _axes(a) != _axes(b):
        is_softmax = any(unit.function == "softmax" for unit in a.units)
        return "A21" if is_softmax else AXES
    return ORDER if a.outer != b.outer or len(a.units) != len(b.units) else "A22"


def _of_functions(a: Formula, b: Formula) -> str:
    theirs, ours = _functions(a) - _functions(b), _functions(b) - _functions(a)
    if len(theirs) == len(ours) == 1:
        one, other = next(iter(theirs)), next(iter(ours))
        same = one.partition(" (")[0]
        if same == other.partition(" (")[0]:
            return "A20" if same == "gelu" else "A13" if same in _CONSTANTS else FORMULA
    return FORMULA if {*theirs, *ours} & _ARITHMETIC else "A16"


def _exchanged_gate(a: Formula, b: Formula) -> str | None:
    """Recognises a * f(b) behind the layer that is f(a) in Keras: value and gate are exchanged."""
    units = {unit.tensor: unit.function for unit in b.units}
    if len(a.units) != 1 or len(units) != 2 or b.sign != "*" or not a.first.function:
        return None
    if units.get(a.first.tensor) != "" or a.first.function not in units.values():
        return None
    return f"the port computes {b}, where Keras takes {a}: value and gate are exchanged"


def is_fused(evidence: Evidence) -> bool:
    """Whether a function of the port only does more than the layer that it is taken for.

    `F.glu` is paired with a sigmoid: it also multiplies, as Keras does behind the sigmoid.
    """
    found = evidence.once(_found)
    return found is not None and found[0] == FUSED


def _does_more(
    evidence: Evidence, theirs: Values, ours: Values, tensors: Mapping[str, Values], close: float
) -> bool:
    """Whether a layer without weights makes Keras's values times, or plus, another tensor."""
    if evidence.node is None or evidence.node["weights"]:
        return False
    return any(
        is_close(made, ours, close) for x in tensors.values() for made in (theirs * x, theirs + x)
    )


def _with_isolated_outputs(
    evidence: Evidence, formula: Formula, tensors: Mapping[str, Values]
) -> Values | None:
    """Returns what a formula gives with what the port's layers make of Keras's input.

    Behind a layer that is wrong by itself, the port got Keras's values in the place of its own.
    None if no layer of the formula is wrong.
    """
    changed = dict(tensors)
    for item in evidence.level.items:
        name = item.name.removesuffix(f", with Keras's input ({evidence.mode})")
        key = f"forward/{evidence.mode}/{name}/own"
        if name == item.name or item.agrees or key not in evidence.port:
            continue
        if name in tensors and evidence.port[key].shape == tensors[name].shape:
            changed[name] = evidence.port[key]
    wrong = {name for name in changed if changed[name] is not tensors[name]}
    if not wrong & set(_tensors(formula)):
        return None
    return formula.value(changed)


# --- one known change ----------------------------------------------------------------------------


def _change(
    search: Search, tensors: Mapping[str, Values], theirs: Values, ours: Values
) -> tuple[str, str] | None:
    """Recognises what the port adds or multiplies, if Keras's formula has something unknown."""
    changes = (("adds", search.single(ours - theirs)), ("lacks", search.single(theirs - ours)))
    if found := [(how, unit) for how, unit in changes if unit is not None]:
        how, unit = min(found, key=lambda pair: len(pair[1].function))
        return FORMULA, f"the port {how} {unit}"
    for name, base in (("", np.zeros(())), *tensors.items()):
        added, other = theirs - base, ours - base
        if not added.all() or not other.all():
            continue
        rest = f"what Keras adds to {name}" if name else "Keras's values"
        for how, ratio in (("times", other / added), ("in the divisor of", added / other)):
            if np.ptp(ratio) > 1e-6 * np.abs(ratio).max() and (by := search.single(ratio)):
                return FORMULA, f"the port has {by} {how} {rest}"
    return None


def _moved(evidence: Evidence) -> str | None:
    """Recognises a function that stands before a layer in the port, and behind it in Keras.

    Both places tell it: what the layer gets, and what another layer gets of it.
    """
    failing, node = evidence.failing_input(), evidence.node
    if not evidence.is_forward() or failing is None or node is None:
        return None
    _, theirs, ours = failing
    start, text = f"forward/{evidence.mode}", "{} stands before {} in the port, behind it in Keras"
    names = list(_made_by(evidence, theirs, ours))
    made = evidence.keras_output()
    for name in names if made is not None else ():
        for other in evidence.keras.facts["nodes"]:
            for place in range(len(other["input_shapes"])):
                key = f"{start}/{other['name']}/input/{place}"
                both = key in evidence.keras and key in evidence.port
                if not both or not evidence.is_close(made, evidence.port[key]):
                    continue
                if name in _made_by(evidence, made, evidence.keras[key]):
                    return text.format(name, node["name"])
    functions = list(_made_by(evidence, ours, theirs))
    for other in evidence.keras.facts["nodes"] if functions else ():
        if not evidence.is_recorded(f"{other['name']}/output", ours):
            continue
        for place in range(len(other["input_shapes"])):
            key = f"{start}/{other['name']}/input/{place}"
            both = key in evidence.keras and key in evidence.port
            for name in _made_by(evidence, evidence.keras[key], evidence.port[key]) if both else ():
                if name in functions:
                    return text.format(name, other["name"])
    return None


def _made_by(evidence: Evidence, x: Values | None, made: Values) -> Iterator[str]:
    """Yields the functions, and not the identity, that make some values of others."""
    if x is None or x.shape != made.shape or evidence.is_close(x, made):
        return
    for name, function in ACTIVATIONS.items():
        if name == "softmax":
            for axis in range(1, x.ndim):
                if evidence.is_close(ALONG[name](x, (axis,)), made):
                    yield name
                    break
        elif name != "linear" and is_close(function(x), made, max(evidence.close, OF_FLOAT32)):
            yield name


RULES: dict[str, Recogniser] = {name: formula(name) for name in (ORDER, AXES, FORMULA)}
