"""Divergences of schedules: finds the rule that gives the port's rates for the same metrics."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.data import probe_inputs
from parity.divergences.divergence import NUMBERS, PLACE, Match, Recogniser, among
from parity.divergences.layer_settings import mode_of
from parity.divergences.whole_training import STAIRED, Config, Formula, gives
from parity.ladder.comparers.schedule import KEEPS, STOPS
from parity.ladder.items import Item

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence


# --------------------------------------------------------------------------------------------------
#
# Divergences of schedules: finds the rule that gives the port's rates for the same metrics.


def plateau_rates(values: np.ndarray, first: float, s: Mapping[str, Any]) -> np.ndarray:
    """Returns the rate of each epoch under a rule that reduces it on a plateau.

    Args:
        values: the metric of each epoch.
        first: the initial rate.
        s: factor, patience, min_delta, cooldown, min_lr, mode; "late": one more epoch of patience,
            as torch counts; "relative": the improvement is relative; "zeroed": a cooldown takes one
            more epoch, as in torch.
    """
    sign = -1.0 if s["mode"] == "max" else 1.0
    best, wait, cooling, rate = math.inf, 0, 0, first
    rates = []
    for raw in values:
        rates.append(rate)
        value = sign * float(raw)
        if s["relative"] and math.isfinite(best):
            bound = best - abs(best) * s["min_delta"]
        else:
            bound = best - s["min_delta"]
        improves = value < bound or not math.isfinite(best)
        if s["torch"]:
            wait = 0 if improves else wait + 1
            best = value if improves else best
            if cooling > 0:
                cooling, wait = cooling - 1, 0
            if wait > s["patience"]:
                rate, cooling, wait = max(rate * s["factor"], s["min_lr"]), s["cooldown"], 0
            continue
        if cooling > 0:
            cooling, wait = cooling - 1, 0
        if improves:
            best, wait = value, 0
        elif cooling == 0:
            wait += 1
            if wait >= s["patience"] and rate > s["min_lr"]:
                rate, cooling, wait = max(rate * s["factor"], s["min_lr"]), s["cooldown"], 0
    return np.array(rates)


_OF_THE_RATE = ("LearningRateScheduler", "ReduceLROnPlateau")  # callbacks that set it


def _plateau(evidence: Evidence) -> Mapping[str, Any] | None:
    callbacks = evidence.keras.facts["schedule"]["callbacks"]
    return next((c for c in callbacks if c.get("class") == "ReduceLROnPlateau"), None)


def _settings(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "factor": float(facts.get("factor", 0.1)),
        "patience": int(facts.get("patience", 10)),
        "min_delta": abs(float(facts.get("min_delta", 1e-4))),
        "cooldown": int(facts.get("cooldown", 0)),
        "min_lr": float(facts.get("min_lr", 0.0)),
        "mode": mode_of(facts),
        "monitor": str(facts.get("monitor", "val_loss")),
        "torch": False,
        "relative": False,
    }


def _changes(s: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    yield "G1", {"torch": True}, "torch waits one epoch longer"
    yield "G1", {"patience": s["patience"] - 1}, "one epoch of patience less"
    yield "G1", {"patience": s["patience"] + 1}, "one epoch of patience more"
    yield "G1", {"patience": 10}, "patience 10, torch's default"
    yield "G3", {"relative": True}, "the improvement is relative to the best"
    for value in (0.0, 1e-4, 1e-3):
        yield "G3", {"min_delta": value}, f"min_delta {s['min_delta']:g} in Keras, {value:g} here"
    for value in (0, s["cooldown"] + 1, max(s["cooldown"] - 1, 0)):
        yield "G2", {"cooldown": value}, f"cooldown {s['cooldown']} in Keras, {value} here"
    yield "G6", {"mode": "max" if s["mode"] == "min" else "min"}, "the other mode"
    for name in ("loss", "val_loss", "accuracy", "val_accuracy"):
        if name != s["monitor"]:
            yield "G6", {"monitor": name}, f"{s['monitor']} in Keras, {name} here"
    for value in (0.1, 0.5, 0.2):
        yield "G4", {"factor": value}, f"factor {s['factor']:g} in Keras, {value:g} here"
    for value in (0.0, 1e-5, 1e-6, 1e-4):
        yield "G4", {"min_lr": value}, f"min_lr {s['min_lr']:g} in Keras, {value:g} here"


def _found(evidence: Evidence) -> list[tuple[str, str]]:
    """Returns (ID, text) of the changes of Keras's rule that give the port's rates."""
    facts, key = _plateau(evidence), "schedule/epochs"
    if evidence.level.id != "schedule" or facts is None or key not in evidence.port:
        return []
    ours = evidence.port[key]
    deltas = probe_inputs.watched_deltas(evidence.keras.facts["schedule"]["callbacks"])
    metrics = probe_inputs.metrics(int(evidence.keras.spec["seed"]), deltas)
    if not _gives(evidence.keras[key], metrics, _settings(facts)):
        return []  # another callback acts on the rate, too
    if any(_gives(ours, metrics, rule) for rule in _right_rules(_settings(facts))):
        return []  # the rates are right, for as many epochs as the port makes
    for count, rule in itertools.product((1, 2, 3), _right_rules(_settings(facts))):
        tried = [c for c in _changes(rule) if any(rule[k] != v for k, v in c[1].items())]
        for some in itertools.combinations(tried, count):
            changes = {k: v for _, change, _ in some for k, v in change.items()}
            if len(changes) < count:  # two values for the same setting
                continue
            if _gives(ours, metrics, {**rule, **changes}):
                return [(name, text) for name, _, text in some]
    return []


def _gives(rates: np.ndarray, metrics: Mapping[str, np.ndarray], rule: Mapping[str, Any]) -> bool:
    """Whether a rule gives the rates of the epochs."""
    found = plateau_rates(metrics[rule["monitor"]][: len(rates)], float(rates[0]), rule)
    return found.shape == rates.shape and np.allclose(found, rates, rtol=1e-6, atol=0)


def _right_rules(s: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Returns Keras's rule, and torch's rule with settings for the same epochs."""
    yield dict(s)
    if s["patience"] > 0:
        cooldown = max(s["cooldown"] - 1, 0)
        yield {**s, "torch": True, "patience": s["patience"] - 1, "cooldown": cooldown}


def _changed(name: str) -> Recogniser:
    return among(name, lambda evidence: evidence.once(_found))


def _rates(evidence: Evidence) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Returns (steps or epochs, Keras's rates, the port's), if they differ."""
    if evidence.level.id != "schedule":
        return []
    found = []
    for key in ("schedule/steps", "schedule/epochs"):
        if key in evidence.keras and key in evidence.port:
            a, b = evidence.keras[key], evidence.port[key]
            size = min(len(a), len(b))
            if not np.allclose(a[:size], b[:size], rtol=1e-6, atol=0):
                found.append((key.rpartition("/")[2], a[:size], b[:size]))
    return found


def _per_epoch(evidence: Evidence) -> Match | None:
    for unit, theirs, ours in _rates(evidence):
        if unit != "steps" or evidence.port.facts["scheduler_interval"] != "epoch":
            continue
        steps = probe_inputs.SCHEDULE_STEPS
        first = [n for n, step in enumerate(steps) if step < 30]
        # Within an epoch the rate is constant; each epoch makes one step of the schedule.
        if np.ptp(ours[first]) == 0 and np.ptp(theirs[first]) > 0 and np.ptp(ours) > 0:
            return Match(NUMBERS, "the rate is constant in an epoch, and changes between epochs")
    return None


def _constant(evidence: Evidence) -> Match | None:
    for unit, theirs, ours in _rates(evidence):
        if np.ptp(ours) == 0 and np.ptp(theirs) > 0:
            return Match(NUMBERS, f"the port's rate stays at {ours[0]:g} over all {unit}")
    return None


def _late(evidence: Evidence) -> Match | None:
    for unit, theirs, ours in _rates(evidence):
        last = 30 if unit == "steps" else len(theirs)
        a, b = theirs[:last], ours[:last]
        for shift, word in ((1, "late"), (-1, "early")):
            x, y = (a[:-1], b[1:]) if shift > 0 else (a[1:], b[:-1])
            if len(x) > 1 and np.allclose(x, y, rtol=1e-6, atol=0):
                one = unit.removesuffix("s")
                return Match(NUMBERS - 0.02, f"the port's rates come one {one} {word}")
    return None


def _stopping(evidence: Evidence) -> Match | None:
    item = evidence.item
    if evidence.level.id != "schedule" or not item.name.startswith(STOPS):
        return None
    texts = [v if v == "never" else f"at epoch {v}" for v in (item.keras, item.torch)]
    return _rule_match(item, texts)


def _restored(evidence: Evidence) -> Match | None:
    item = evidence.item
    if evidence.level.id != "schedule" or not item.name.startswith(KEEPS):
        return None
    return _rule_match(item, [f"the weights of epoch {v}" for v in (item.keras, item.torch)])


def _rule_match(item: Item, texts: Sequence[str]) -> Match:
    where = item.name.partition("(")[2].rstrip(")")
    text = f"{texts[0]} in Keras, {texts[1]} in the port"
    return Match(NUMBERS, f"of {where}, {text}" if where else text)


def scaled(evidence: Evidence) -> Match | None:
    """Recognises rates that are all one multiple of Keras's."""
    for _, theirs, ours in _rates(evidence):
        if theirs.all() and np.ptp(ratio := ours / theirs) < 1e-6 * abs(ratio[0]):
            return Match(NUMBERS, f"every rate is {ratio[0]:.6g} times Keras's")
    return None


def _other(evidence: Evidence) -> Match | None:
    is_of_rule = evidence.level.id == "schedule" and evidence.item.name.startswith(
        "learning_rate ("
    )
    if not _rates(evidence) and not is_of_rule:
        return None
    callbacks = evidence.keras.facts["schedule"]["callbacks"]
    names = [str(each["class"]) for each in callbacks if each.get("class") in _OF_THE_RATE]
    suffix = f"; in Keras by {' and '.join(names)}" if names else ""
    return Match(PLACE, f"different rates{suffix}")


RULES: dict[str, Recogniser] = {
    **{name: _changed(name) for name in ("G1", "G2", "G3", "G4", "G6")},
    "G8": _stopping,
    "G16": _restored,
    "G9": _late,
    "G10": _per_epoch,
    "G12": _constant,
    "G13": _other,
}


# --- Divergences of schedules by step: Keras's formulas with other constants ----------------------


_NUMBERS = (
    *("decay_steps", "decay_rate", "alpha", "power", "end_learning_rate"),
    *("initial_learning_rate", "warmup_steps"),
)
_NOTHING = 1e-12  # of a rate


def _polynomial(step: float, c: Config) -> float:
    share = 1 - min(step, c["decay_steps"]) / c["decay_steps"]
    span = c["initial_learning_rate"] - c["end_learning_rate"]
    return float(span * share ** c["power"] + c["end_learning_rate"])


def _cosine(step: float, c: Config) -> float:
    first, steps = c["initial_learning_rate"], c["decay_steps"]
    warmup, target = c.get("warmup_steps") or 0, c.get("warmup_target")
    if target is not None and step < warmup:
        return float(first + (target - first) * step / warmup)
    top = first if target is None else target
    share = min(step - (warmup if target is not None else 0), steps) / steps
    alpha = c.get("alpha") or 0.0
    return float(top * ((1 - alpha) * 0.5 * (1 + math.cos(math.pi * share)) + alpha))


def _piecewise(step: float, c: Config) -> float:
    place = sum(step > boundary for boundary in c["boundaries"])
    return float(c["values"][place])


_FORMULAS: dict[str, Formula] = {
    **STAIRED,
    "PolynomialDecay": _polynomial,
    "CosineDecay": _cosine,
    "PiecewiseConstantDecay": _piecewise,
}


def _changes_of_step_schedules(
    name: str, c: Config, formula: Formula, steps: Sequence[int], ours: np.ndarray
) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yields (ID, other constants, text) to try: a number is found where the rates differ most."""
    if "staircase" in c:
        how = "smoothly" if c["staircase"] else "in steps"
        yield "G14", {"staircase": not c["staircase"]}, f"the port's rate falls {how}"
    theirs = np.array([formula(step, c) for step in steps])
    order = np.argsort(-np.abs(theirs - ours))[:3]
    for key in _NUMBERS:
        said = c.get(key)
        if isinstance(said, bool) or not isinstance(said, int | float):
            continue
        values = {0.0, 1.0}
        for place in order:
            values |= set(_solved(formula, c, key, steps[place], float(ours[place])))
        for value in sorted(values - {said}):
            yield "G15", {key: value}, f"{key} {said:g} in Keras, {value:.6g} in the port"
    if c.get("warmup_target") is not None:
        yield "G15", {"warmup_target": None}, "the port does not warm up"
    if name == "PiecewiseConstantDecay":
        for shift in (-1, 1):
            moved = [boundary + shift for boundary in c["boundaries"]]
            yield "G15", {"boundaries": moved}, f"boundaries {c['boundaries']} in Keras, {moved}"


def _solved(formula: Formula, c: Config, key: str, step: int, rate: float) -> Iterator[float]:
    """Yields the values of a constant, from a tenth to ten times Keras's, that give a rate."""
    from scipy import optimize  # as long to import as all else of this package

    grid = float(c[key] or 1.0) * np.geomspace(0.1, 10, 101)

    def error(value: float) -> float:
        return formula(step, {**c, key: value}) - rate

    errors = [error(float(value)) for value in grid]
    for n in range(len(grid) - 1):
        if errors[n] * errors[n + 1] < 0:
            found = float(optimize.brentq(error, grid[n], grid[n + 1], xtol=1e-15, rtol=1e-14))
            yield float(f"{found:.4g}")  # a number that a person writes
            yield found


def _found_of_step_schedules(evidence: Evidence) -> tuple[str, str] | None:
    facts, key = evidence.keras.facts["schedule"], "schedule/steps"
    if evidence.level.id != "schedule" or key not in evidence.port or key not in evidence.keras:
        return None
    name, config = str(facts.get("kind")), facts.get("config") or {}
    ours, formula = evidence.port[key], _FORMULAS.get(name)
    steps = probe_inputs.SCHEDULE_STEPS[: len(ours)]
    if formula is None or not gives(formula, config, steps, evidence.keras[key], _NOTHING):
        return None
    found = [
        (identity, text)
        for identity, change, text in _changes_of_step_schedules(name, config, formula, steps, ours)
        if gives(formula, {**config, **change}, steps, ours, _NOTHING)
    ]
    # Another rate of decay can be written as other steps: the number that a person writes is short.
    return min(found, key=lambda pair: len(pair[1].partition(", ")[2]), default=None)


def _is(name: str) -> Recogniser:
    def recognise(evidence: Evidence) -> Match | None:
        found = evidence.once(_found_of_step_schedules)
        return Match(NUMBERS, found[1]) if found is not None and found[0] == name else None

    return recognise


RULES_OF_STEP_SCHEDULES: dict[str, Recogniser] = {
    "G14": _is("G14"),
    "G15": lambda evidence: _is("G15")(evidence) or scaled(evidence),
}
