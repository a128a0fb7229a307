"""Formulas of values between two layers: f(a + b), a + f(b), a * f(b) + c, and the like.

Operands and values go in. Formulas that give the values come out, the simplest first. Candidates
are compared at some entries, and what is left at all of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from parity.divergences.operands import (
    FUNCTIONS,
    MOST_ENTRIES,
    OUTER,
    SCALING,
    Unit,
    units_along,
)

Array = np.ndarray
SIGNS: dict[str, Callable[[Array, Array], Array]] = {
    "+": np.add,
    "*": np.multiply,
    "-": np.subtract,
    "/": np.divide,
}
_SEEN = 48  # entries at which all candidates are computed
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
        self._at = draw.permutation(size)[: _SEEN * 4]
        self._plain = [Unit(name) for name in tensors]
        self._single = [Unit(name, f) for name in tensors for f in FUNCTIONS]
        self._along: list[Unit] = []
        budget = _MOST_COMPUTED
        for name in tensors if len(shape) > 1 else ():
            own = list(units_along(name, len(shape)))
            budget -= len(own) * size
            self._along += own if budget > 0 else []
        self._of_single = self._seen_of(self._single)
        self._of_plain = self._seen_of(self._plain)
        self._scaling = [unit for unit in self._single if unit.function in SCALING]
        self._of_scaling = self._seen_of(self._scaling)
        self._of_along = self._seen_of(self._along)

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

    def _seen_of(self, units: Sequence[Unit]) -> Array:
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
        for units, seen in ((self._single, self._of_single), (self._along, self._of_along)):
            if not len(seen):
                continue
            near = (np.abs(seen - wanted) <= self._close * scale).all(1)
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
        for units, seen, others, more in self._blocks(is_pair="" in rests):
            for sign in signs if len(seen) and len(more) else ():
                for outer, wanted, known in inside:
                    near = self._close * max(scale, float(np.abs(wanted[known]).max())) * 10
                    both = SIGNS[sign](seen[:, None, known[0]], more[None, :, known[0]])
                    for rest in rests:
                        left = wanted[known]
                        if rest:
                            left = left - np.reshape(self._tensors[rest], -1)[self._at][known]
                        rows, columns = np.nonzero(np.abs(both - left[0]) <= near)
                        made = SIGNS[sign](seen[rows][:, known], more[columns][:, known])
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
