"""Gradients that a step of the user's own clips, in one half only, or in another way.

What an optimizer gets is all that is known, and it tells how it was clipped: norms, or values, that
are all the same number. What one half has gives what the other has, if it is clipped so.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from parity.divergences.divergence import NUMBERS, Match
from parity.divergences.own_evidence import flat, gradients, is_close, moved_by_both
from parity.divergences.rules import clipped
from parity.ladder.own_steps import GRADIENTS

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence

_SAME = 1e-9  # relative: two norms that were scaled to the same limit are so near
_ROUND = 1e-7  # relative: a limit may be kept in float32. One of 100,000 norms is so near by chance
_WORDS = {
    "norm": "each gradient has a norm of at most {:g}",
    "global": "all gradients together have a norm of at most {:g}",
    "value": "no gradient has a value above {:g}",
}

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class _Clip:
    """How the gradients of an optimizer were clipped: "norm", "global" or "value", and at what."""

    how: str
    limit: float

    @property
    def text(self) -> str:
        return _WORDS[self.how].format(self.limit)


def clipped_together(evidence: Evidence) -> Match | None:
    """Recognises gradients that Keras clips one by one, and the port together."""
    found = evidence.once(_found)
    return found[1] if found is not None and found[0] == "E1" else None


def clipped_otherwise(evidence: Evidence) -> Match | None:
    """Recognises other gradients that are clipped in one half only, or differently."""
    found = evidence.once(_found)
    return found[1] if found is not None and found[0] == "E8" else None


def _found(evidence: Evidence) -> tuple[str, Match] | None:
    if evidence.level.id != "gradient":
        return None
    for name, weights in moved_by_both(evidence):
        both = evidence.keras, evidence.port
        halves = [_known(gradients(trace, GRADIENTS[0], weights)) for trace in both]
        later = [gradients(trace, GRADIENTS[1], weights) for trace in both]
        sizes = [np.prod(evidence.keras.facts["weights"][each]["shape"]) for each in halves[0]]
        if halves[0].keys() != halves[1].keys() or sizes != [a.size for a in halves[0].values()]:
            continue  # of large gradients, a part is known, and not their norm
        if is_close(flat(halves[0]), flat(halves[1])):
            continue
        clips = [list(_clips(*both)) for both in zip(halves, later, strict=True)]
        for number, half in enumerate(("Keras", "the port")):
            others = [*(each for each in clips[1 - number] if each.how != "norm"), None]
            for clip, other in itertools.product(clips[number], others):
                if not _explains(clip, halves[number], halves[1 - number], other):
                    continue
                if other is None:
                    beside = "and not " + ("in the port" if number == 0 else "in Keras")
                else:
                    beside = f"{'in the port' if number == 0 else 'in Keras'} {other.text}"
                pair = clip.how, other and other.how
                is_e1 = number == 0 and pair == ("norm", "global")
                told = f"of {name}, {clip.text} in {half}, {beside}"
                return "E1" if is_e1 else "E8", Match(NUMBERS, told)
    return None


def _known(arrays: Arrays) -> Arrays:
    """Returns the gradients that are more than rounding, such as that of a bias before a norm."""
    norms = {name: float(np.linalg.norm(each)) for name, each in arrays.items()}
    most = max(norms.values(), default=0.0)
    return {name: each for name, each in arrays.items() if norms[name] > _SAME * most}


def _clips(first: Arrays, second: Arrays) -> Iterator[_Clip]:
    """Yields how gradients look as if they were clipped, which are then never larger."""
    if not flat(first).any():
        return
    for how in ("norm", "value", "global"):
        sizes, later = _sizes(first, how), _sizes(second, how).max(initial=0.0)
        most = float(sizes.max())
        num_equal = int((sizes >= most * (1 - _SAME)).sum())
        is_same = how == "global" and abs(most - later) <= _SAME * most
        if (_is_round(most) or num_equal > 1 or is_same) and later <= most * (1 + _ROUND):
            yield _Clip(how, most)


def _sizes(arrays: Arrays, how: str) -> np.ndarray:
    """Returns the sizes that a way of clipping limits."""
    if how == "value":
        found: np.ndarray = np.abs(flat(arrays))
    elif how == "norm":
        found = np.array([np.linalg.norm(each) for each in arrays.values()])
    else:
        found = np.array([np.linalg.norm(flat(arrays))])
    return found


def _is_round(number: float) -> bool:
    return bool(abs(float(f"{number:.1e}") - number) <= _ROUND * number)


def _explains(clip: _Clip, theirs: Arrays, others: Arrays, other: _Clip | None) -> bool:
    """Whether gradients are others, clipped.

    Args:
        clip: how.
        theirs: the gradients.
        others: as the other half has them.
        other: how that half clips; None: not at all.
    """
    if other is None:
        raw: Arrays = others
    elif other.how == "value":
        raw = _scaled_up(clip, theirs, others, other.limit)
    else:
        factor = _factor(clip, theirs, others)
        if not 0 < factor <= 1 + _SAME:
            return False
        raw = {name: each / factor for name, each in others.items()}
    if is_close(flat(theirs), flat(raw)):
        return False  # it clips nothing here
    again = others if other is None else clipped(raw, other.how, other.limit)
    return is_close(flat(theirs), flat(clipped(raw, clip.how, clip.limit))) and is_close(
        flat(others), flat(again)
    )


def _factor(clip: _Clip, theirs: Arrays, others: Arrays) -> float:
    """Returns by what others were scaled together, as what is not clipped here shows."""
    limit = clip.limit * (1 - _SAME)
    if clip.how == "global":
        return 1.0
    norms = {name: float(np.linalg.norm(each)) for name, each in others.items()}
    free = {
        name: np.linalg.norm(each) < limit if clip.how == "norm" else np.abs(each) < limit
        for name, each in theirs.items()
    }
    kept = {name: np.broadcast_to(each, theirs[name].shape) for name, each in free.items()}
    a, b = (flat({name: half[name][kept[name]] for name in half}) for half in (theirs, others))
    if a.any():
        return float((a * b).sum() / (a * a).sum())
    return min(norms.values()) / clip.limit


def _scaled_up(clip: _Clip, theirs: Arrays, others: Arrays, limit: float) -> Arrays:
    """Returns gradients before they were scaled, by what others have below a limit of values."""

    def factor(names: list[str]) -> float:
        a, b = (flat({name: half[name] for name in names}) for half in (theirs, others))
        free = np.abs(b) < limit * (1 - _SAME)
        length = float((a[free] ** 2).sum())
        return float((a[free] * b[free]).sum()) / length if length else 1.0

    if clip.how != "norm":
        found = factor(list(theirs))
        return {name: found * each for name, each in theirs.items()}
    return {name: factor([name]) * each for name, each in theirs.items()}
