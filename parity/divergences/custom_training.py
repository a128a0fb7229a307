"""Divergences of steps of the user's code: averages, calls of the networks, clipped gradients."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.data import probe_inputs
from parity.data.probe_inputs import MOVING, short_name
from parity.divergences.divergence import NUMBERS, Match
from parity.ladder.custom_steps import FACT, GRADIENTS, optimizers_of, pairs, weights_text

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence
    from parity.traces.trace import KerasTrace, PortTrace, Trace


# --------------------------------------------------------------------------------------------------
#
# What recognisers of steps of the user's own ask: facts of both halves, and their gradients.


NEAR = 1e-6  # relative: constants that Keras keeps in float32 are so far off


def step_facts(trace: Trace) -> Mapping[str, Any]:
    """Returns what a half tells of its steps; a port that raises in the first one tells nothing."""
    nothing = {"logs": [], "called": [], "masks": [], "num_drawn": 0, "num_dropped": 0}
    found: Mapping[str, Any] = trace.facts.get(FACT) or nothing
    return found


def is_close(theirs: np.ndarray, ours: np.ndarray, most: float = NEAR) -> bool:
    """Whether two arrays of one shape are equal, up to a share of the largest value of Keras's."""
    return bool(np.abs(theirs - ours).max(initial=0) <= most * np.abs(theirs).max(initial=0))


def moved_by_both(evidence: Evidence) -> Iterator[tuple[str, list[str]]]:
    """Yields the optimizers of Keras that the port has, too, with the weights that both move.

    Those of weights that are moved for the first time in a later step are one, "an optimizer".
    """
    found = False
    for theirs, ours in pairs(evidence.keras, evidence.port):
        if theirs is not None and ours is not None:
            found = True
            yield theirs.name, sorted(theirs.weights & ours.weights)
    if not found:
        weights = set(evidence.keras.below("gradient")) & set(evidence.port.below("gradient"))
        if weights:
            yield "the optimizer", sorted(weights)


def gradients(trace: Trace, part: str, weights: list[str]) -> dict[str, np.ndarray]:
    """Returns the gradients of weights by their names, as far as a half has them."""
    return {name: trace[key] for name in weights if (key := f"{part}/{name}") in trace}


def flat(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Returns the values of several arrays in a row."""
    return np.concatenate([each.reshape(-1) for each in arrays.values()] or [np.zeros(0)])


# --- Moving averages of weights, and of the variance of a batch, in steps of the user's own -------


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
    text = f"Keras keeps {1 - shares[0]:.4g} of {weights_text(names)} and adds {shares[0]:.4g}"
    text += " of the weights of which they are averages"
    others = [each.other for each in known if each.other is not None]
    is_left = len(others) == len(known) and all(abs(other) <= _NEAR for other in others)
    if all(each.is_before for each in known) and not is_left:
        return Match(NUMBERS, f"{text}; the port adds these as they are before the step")
    if len(others) < len(known) or not np.allclose(others, others[0], rtol=_NEAR, atol=_NEAR):
        return None
    if is_left:
        return Match(NUMBERS, f"{text}; the port leaves them as they are")
    return Match(NUMBERS, f"{text}; the port keeps {1 - others[0]:.4g} and adds {others[0]:.4g}")


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
    start, after = _weight_at_start(evidence, name), f"trajectory/1/{name}"
    for other in keras.facts["weights"]:
        key = f"trajectory/1/{other}"
        if other == name or short_name(other) != short_name(name) or key not in port:
            continue
        if keras[key].shape != start.shape:
            continue
        share = _share(keras[after] - start, keras[key] - start)
        if share is None or not 0 < share < 1:
            continue
        moved = port[after] - start
        way = _weight_at_start(evidence, other) - start
        before = share if not way.any() and not moved.any() else _share(moved, way)
        is_before = before is not None and abs(before - share) <= _NEAR * share
        return _Average(share, _share(moved, port[key] - start), is_before)
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


def _weight_at_start(evidence: Evidence, name: str) -> np.ndarray:
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
    texts = []
    for name in names:
        node = nodes.get(name)
        if node is None:
            return None
        momentum = float(node["config"]["momentum"])
        start = _weight_at_start(evidence, name)
        made = [t[f"trajectory/1/{name}"] for t in (evidence.keras, evidence.port)]
        number = next(
            (
                n
                for calls in range(1, _MOST_CALLS + 1)
                if (n := _number(*(each - momentum**calls * start for each in made)))
            ),
            None,
        )
        if number is None:
            return None
        texts.append(f"{name}: {number} / {number - 1} times the variance of the batch")
    return Match(NUMBERS, weights_text(texts))


def _number(theirs: np.ndarray, ours: np.ndarray) -> int | None:
    """Returns n if the second is n / (n - 1) times the first."""
    if theirs.size < 2 or not theirs.all():
        return None
    factor = float((theirs * ours).sum() / (theirs * theirs).sum())
    if factor <= 1 or not is_close(ours, factor * theirs, _NEAR * (factor - 1)):
        return None
    number = factor / (factor - 1)
    return round(number) if abs(number - round(number)) <= _WHOLE * number else None


# --------------------------------------------------------------------------------------------------
#
# The calls of the networks in steps of the user's own: where they differ from Keras's first.
#
# Both halves may call their networks in another order. A call of Keras belongs to that of the port
# which gets the same numbers.


INPUT, OUTPUT = "input", "output"


@dataclass(frozen=True)
class Difference:
    """The first call that differs.

    Attributes:
        name: of the network.
        number: of the call among those of the network, from 1; 0 if there is one.
        what: INPUT or OUTPUT.
        is_first: whether Keras calls the network for the first time.
        dropped: how many dropouts drop something in this call, in Keras and in the port.
    """

    name: str
    number: int
    what: str
    is_first: bool
    dropped: tuple[int, int]

    @property
    def is_dropped_in_one(self) -> bool:
        """Whether dropouts are active in one half only."""
        return bool(self.dropped[0]) != bool(self.dropped[1])

    @property
    def place(self) -> str:
        """The call in words."""
        name = self.name or "the network"
        return f"{name} in its call number {self.number}" if self.number else name


@dataclass(frozen=True)
class Calls:
    """The calls of both halves, side by side.

    Attributes:
        first: the first that differs; None: each call of Keras has its like.
        again: networks that the port calls once more, with what they got before, and that return
            something else then.
        is_more: whether the port calls networks with other numbers as well.
    """

    first: Difference | None
    again: tuple[str, ...]
    is_more: bool


def compared_calls(evidence: Evidence) -> Calls | None:
    """Returns where the calls differ; None if they cannot be told from one another."""
    return evidence.once(_compared)


def _compared(evidence: Evidence) -> Calls | None:
    keras, port = evidence.keras, evidence.port
    theirs, ours = step_facts(keras)["called"], step_facts(port)["called"]
    parts = set(step_facts(port).get("parts", ours))
    numbers = [n for n, name in enumerate(theirs) if name in parts]
    if not numbers or not set(ours) >= {theirs[n] for n in numbers}:
        return None
    left, first = list(range(len(ours))), None
    for number in numbers:
        candidates = [
            n
            for n in left
            if ours[n] == theirs[number] and _shapes(keras, number) == _shapes(port, n)
        ]
        if not candidates:
            return None
        whats = [_what(keras, number, port, n) for n in candidates]
        best = next((whats.index(what) for what in ("", OUTPUT) if what in whats), 0)
        left.remove(candidates[best])
        if whats[best] and first is None:
            first = _difference(evidence, number, candidates[best], whats[best])
    again, is_more = list[str](), False
    for n in left:
        whats = [_what(keras, k, port, n) for k in numbers if theirs[k] == ours[n]]
        if "" in whats:
            continue
        if OUTPUT in whats:
            again.append(ours[n])
        is_more = is_more or OUTPUT not in whats
    return Calls(first, tuple(dict.fromkeys(again)), is_more)


def _difference(evidence: Evidence, number: int, port_call: int, what: str) -> Difference:
    keras, port = step_facts(evidence.keras), step_facts(evidence.port)
    called = keras["called"]
    name = called[number]
    counts = (keras.get("dropped"), number), (port.get("dropped"), port_call)
    return Difference(
        name,
        called[: number + 1].count(name) if called.count(name) > 1 else 0,
        what,
        name not in called[:number],
        (_count(*counts[0]), _count(*counts[1])),
    )


def _count(dropped: list[int] | None, number: int) -> int:
    return dropped[number] if dropped and number < len(dropped) else 0


def _shapes(trace: Trace, number: int) -> list[tuple[str, tuple[int, ...]]]:
    return [(place, array.shape) for place, array in sorted(_arrays(trace, number, INPUT).items())]


def _what(keras: KerasTrace, number: int, port: PortTrace, port_call: int) -> str:
    """Returns at what two calls of one network differ first; "" if they do not."""
    for what in (INPUT, OUTPUT):
        theirs, ours = _arrays(keras, number, what), _arrays(port, port_call, what)
        for place in theirs.keys() & ours.keys():
            is_same = theirs[place].shape == ours[place].shape
            if not is_same or not is_close(theirs[place], ours[place]):
                return what
    return ""


def _arrays(trace: Trace, number: int, what: str) -> dict[str, np.ndarray]:
    prefix = f"part/{number}/{what}"
    return {place: trace[f"{prefix}/{place}"] for place in trace.below(prefix)}


# --- Gradients that a step of the user's own clips, in one half only, or in another way -----------
#
# What an optimizer gets is all that is known, and it tells how it was clipped: norms, or values,
# that are all the same number. What one half has gives what the other has, if it is clipped so.


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
    found = evidence.once(_clipping_difference)
    return found[1] if found is not None and found[0] == "E1" else None


def clipped_otherwise(evidence: Evidence) -> Match | None:
    """Recognises other gradients that are clipped in one half only, or differently."""
    found = evidence.once(_clipping_difference)
    return found[1] if found is not None and found[0] == "E8" else None


def _clipping_difference(evidence: Evidence) -> tuple[str, Match] | None:
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
                text = f"of {name}, {clip.text} in {half}, {beside}"
                return "E1" if is_e1 else "E8", Match(NUMBERS, text)
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
    again = others if other is None else _clipped(raw, other)
    return is_close(flat(theirs), flat(_clipped(raw, clip))) and is_close(flat(others), flat(again))


def _clipped(raw: Arrays, clip: _Clip) -> Arrays:
    """Returns gradients as Keras clips them."""
    if clip.how == "value":
        return {name: np.clip(each, -clip.limit, clip.limit) for name, each in raw.items()}
    sizes = dict(zip(raw, np.resize(_sizes(raw, clip.how), len(raw)), strict=True))
    return {name: each * min(1.0, clip.limit / (sizes[name] or 1.0)) for name, each in raw.items()}


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
