"""Moving averages of weights, and of the variance of a batch, in steps of the user's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from parity.data import probe_inputs
from parity.data.weight_names import MOVING, short_name
from parity.divergences.divergence import NUMBERS, Match
from parity.divergences.own_evidence import is_close
from parity.ladder.own_steps import optimizers_of, told_weights

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence

# Relative to how far an average moves: Keras may keep its share of a weight in float32.
_NEAR = 1e-5
_MOST_CALLS = 6  # of one normalisation in one step
_WHOLE = 1e-4  # relative: so far a number of values may be from a whole one


def other_average(evidence: Evidence) -> Match | None:
    """Recognises an average of weights that the port moves otherwise, or not at all."""
    return evidence.once(_average)


def _average(evidence: Evidence) -> Match | None:
    found = {name: _found(evidence, name) for name in _wrong_weights(evidence)}
    names = [name for name, each in found.items() if each is None or not each.is_followed]
    # The statistics of a network that is called in train mode are moved by its batches as well.
    names = [n for n in names if found[n] is not None or not n.endswith(MOVING)] or names
    known = [each for name in names if (each := found[name]) is not None]
    if not names or len(known) < len(names):
        return None
    shares = [each.share for each in known]
    if not np.allclose(shares, shares[0], rtol=_NEAR):
        return None
    told = f"Keras keeps {1 - shares[0]:.4g} of {told_weights(names)} and adds {shares[0]:.4g}"
    told += " of the weights of which they are averages"
    others = [each.other for each in known if each.other is not None]
    is_left = len(others) == len(known) and all(abs(other) <= _NEAR for other in others)
    if all(each.is_before for each in known) and not is_left:
        return Match(NUMBERS, f"{told}; the port adds these as they are before the step")
    if len(others) < len(known) or not np.allclose(others, others[0], rtol=_NEAR, atol=_NEAR):
        return None
    if is_left:
        return Match(NUMBERS, f"{told}; the port leaves them as they are")
    return Match(NUMBERS, f"{told}; the port keeps {1 - others[0]:.4g} and adds {others[0]:.4g}")


@dataclass(frozen=True)
class _Average:
    """An average of a weight in Keras.

    Attributes:
        share: of the weight behind the step, by which Keras moves it.
        other: by which the port moves it; None: it goes another way.
        is_before: whether the port moves it by Keras's share of the weight before the step.
    """

    share: float
    other: float | None
    is_before: bool

    @property
    def is_followed(self) -> bool:
        """Whether the port moves it as Keras does, though the weight may be another one."""
        return self.other is not None and abs(self.other - self.share) <= _NEAR * self.share


def _found(evidence: Evidence, name: str) -> _Average | None:
    """Returns of what a weight is an average in Keras; None if it is none."""
    keras, port = evidence.keras, evidence.port
    begins, after = _begins(evidence, name), f"trajectory/1/{name}"
    for other in keras.facts["weights"]:
        key = f"trajectory/1/{other}"
        if other == name or short_name(other) != short_name(name) or key not in port:
            continue
        if keras[key].shape != begins.shape:
            continue
        share = _share(keras[after] - begins, keras[key] - begins)
        if share is None or not 0 < share < 1:
            continue
        moved = port[after] - begins
        way = _begins(evidence, other) - begins
        before = share if not way.any() and not moved.any() else _share(moved, way)
        is_before = before is not None and abs(before - share) <= _NEAR * share
        return _Average(share, _share(moved, port[key] - begins), is_before)
    return None


def _share(moved: np.ndarray, way: np.ndarray) -> float | None:
    """Returns the share of a way by which something moved; None if it went another way."""
    length = float((way * way).sum())
    if way.size < 2 or not length:
        return None
    share = float((moved * way).sum()) / length
    rest = np.abs(moved - share * way).max()
    return share if rest <= _NEAR * max(np.abs(moved).max(), 1e-3 * np.abs(way).max()) else None


def _wrong_weights(evidence: Evidence) -> list[str]:
    """Returns the weights that differ behind the first step, if no optimizer moves any of them."""
    if evidence.level.id != "trajectory":
        return []
    known = evidence.keras.facts["weights"]
    names = [i.name for i in evidence.failed if i.step == 1 and i.name in known]
    trained = {name for each in optimizers_of(evidence.keras) for name in each.weights}
    return [] if trained.intersection(names) else names


def _begins(evidence: Evidence, name: str) -> np.ndarray:
    return probe_inputs.of_step(evidence.keras[f"weights/{name}"])


def unbiased_variance(evidence: Evidence) -> Match | None:
    """Recognises moving variances that are moved by n / (n - 1) times the variance of the batch."""
    names = [
        name
        for name in _wrong_weights(evidence)
        if (found := _found(evidence, name)) is None or not found.is_followed
    ]
    if not names or any(short_name(name) != "moving_variance" for name in names):
        return None
    nodes = {weight: node for node in evidence.keras.facts["nodes"] for weight in node["weights"]}
    told = []
    for name in names:
        node = nodes.get(name)
        if node is None:
            return None
        momentum = float(node["config"]["momentum"])
        begins = _begins(evidence, name)
        made = [t[f"trajectory/1/{name}"] for t in (evidence.keras, evidence.port)]
        number = next(
            (
                n
                for calls in range(1, _MOST_CALLS + 1)
                if (n := _number(*(each - momentum**calls * begins for each in made)))
            ),
            None,
        )
        if number is None:
            return None
        told.append(f"{name}: {number} / {number - 1} times the variance of the batch")
    return Match(NUMBERS, told_weights(told))


def _number(theirs: np.ndarray, ours: np.ndarray) -> int | None:
    """Returns n if the second is n / (n - 1) times the first."""
    if theirs.size < 2 or not theirs.all():
        return None
    factor = float((theirs * ours).sum() / (theirs * theirs).sum())
    if factor <= 1 or not is_close(ours, factor * theirs, _NEAR * (factor - 1)):
        return None
    number = factor / (factor - 1)
    return round(number) if abs(number - round(number)) <= _WHOLE * number else None
