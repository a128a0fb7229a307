"""In the sequences, any two rules decide otherwise that do so in any sequence at all."""

import itertools
import math

import numpy as np
import pytest
from rows import each_row

from parity.data.probe_inputs import MAX_EPOCHS, MAX_SEQUENCES, rule_sequences
from parity.divergences.schedules import plateau_rates

STOPPERS = {
    "min_delta": (0.0, 0.05),
    "patience": (1, 2, 5),
    "baseline": (None, 0.8),
    "restore_best_weights": (False, True),
    "start_from_epoch": (0, 1, 4),
}
PLATEAUS = {
    "factor": (0.1, 0.5),
    "patience": (1, 2, 5),
    "min_delta": (0.0, 1e-4, 0.05),
    "cooldown": (0, 2),
    "min_lr": (0.0, 1e-4),
}


def settings(choices):
    return [dict(zip(choices, each, strict=True)) for each in itertools.product(*choices.values())]


def stopped(values, s):
    """(epoch at which Keras's EarlyStopping stops, epoch of the weights that are kept).

    Source: keras 3.15 `callbacks/early_stopping.py`.
    """
    best, kept, wait = None, None, 0
    for epoch, value in enumerate(values):
        if epoch < s["start_from_epoch"]:
            continue
        wait += 1
        if best is None or value + s["min_delta"] < best:
            best, kept = value, epoch
            if s["baseline"] is None or value + s["min_delta"] < s["baseline"]:
                wait = 0
        elif wait >= s["patience"] and epoch > 0:
            return epoch, kept if s["restore_best_weights"] else epoch
    return -1, kept if s["restore_best_weights"] else len(values) - 1


def cuts(values, s):
    rule = {"mode": "min", "torch": False, "relative": False, **s}
    return tuple(plateau_rates(values, 0.1, rule).tolist())


def val_losses(rule, monitor="val_loss"):
    return [each[monitor] for each in rule_sequences(0, [{"monitor": monitor, **rule}]).values()]


# Any sequences: whether two rules differ in effect at all is asked of these.
_DRAW = np.random.default_rng(1)
MANY = [np.round(np.cumsum(_DRAW.normal(-0.01, 0.1, 40)) + 1, 2) for _ in range(60)]


def watched_deltas(decide, rules, others):
    """Pairs (Keras's rule, the port's) that differ somewhere and not in the sequences."""
    of_many = {id(rule): [decide(v, rule) for v in MANY] for rule in (*rules, *others)}
    for rule in rules:
        sequences = val_losses(rule)
        theirs = [decide(values, rule) for values in sequences]
        for other in others:
            if of_many[id(rule)] == of_many[id(other)]:
                continue
            if all(decide(v, other) == one for v, one in zip(sequences, theirs, strict=True)):
                yield rule, other


def test_any_two_rules_that_stop_are_told_apart():
    rules = settings(STOPPERS)
    assert list(watched_deltas(stopped, rules, rules)) == []


def test_any_two_rules_that_cut_the_rate_are_told_apart_also_those_of_torch():
    rules = settings(PLATEAUS)
    torchs = [{**rule, "torch": True, "relative": way} for rule in rules for way in (False, True)]
    assert list(watched_deltas(cuts, rules[::3], [*rules, *torchs[::5]])) == []


def without_start(values, s):
    """A rule by hand that waits with stopping until the start, and counts from the first epoch."""
    best, wait = math.inf, 0
    for epoch, value in enumerate(values):
        improves = value + s["min_delta"] < best
        best, wait = (value, 0) if improves else (best, wait + 1)
        if epoch >= s["start_from_epoch"] and wait >= s["patience"]:
            return epoch
    return -1


def first_best_is_baseline(values, s):
    best, wait = s["baseline"], 0
    for epoch, value in enumerate(values):
        improves = value + s["min_delta"] < best
        best, wait = (value, 0) if improves else (best, wait + 1)
        if wait >= s["patience"]:
            return epoch
    return -1


def last_is_best(values, s):
    """A rule that compares with the epoch before, and not with the best one."""
    before, wait = math.inf, 0
    for epoch, value in enumerate(values):
        wait = 0 if value + s["min_delta"] < before else wait + 1
        before = value
        if wait >= s["patience"]:
            return epoch
    return -1


def equal_is_better(values, s):
    best, wait = math.inf, 0
    for epoch, value in enumerate(values):
        improves = value + s["min_delta"] <= best
        best, wait = (value, 0) if improves else (best, wait + 1)
        if wait >= s["patience"]:
            return epoch
    return -1


def never_anew(values, s):
    """A rule whose count of bad epochs does not begin anew."""
    best, wait = math.inf, 0
    for epoch, value in enumerate(values):
        improves = value + s["min_delta"] < best
        best, wait = (value, wait) if improves else (best, wait + 1)
        if wait >= s["patience"]:
            return epoch
    return -1


BY_HAND = [
    (without_start, {"start_from_epoch": 4}),
    (first_best_is_baseline, {"baseline": 0.8}),
    (last_is_best, {}),
    (last_is_best, {"patience": 5}),
    (equal_is_better, {}),
    (never_anew, {}),
    (never_anew, {"patience": 5}),
]


@each_row(("wrong", "changed"), BY_HAND)
def test_a_rule_by_hand_with_another_idea_is_told_apart(wrong, changed):
    plain = {name: values[0] for name, values in STOPPERS.items()}
    rule = {**plain, "patience": 3, **changed}
    assert any(stopped(v, rule)[0] != wrong(v, rule) for v in val_losses(rule))


def test_accuracies_do_the_reverse_and_nothing_is_longer_than_a_bundle_takes():
    rule = {"patience": 3, "min_delta": 0.05, "baseline": 0.8, "start_from_epoch": 2}
    for each in rule_sequences(0, [rule]).values():
        sums = each["val_loss"] + each["val_accuracy"]
        assert np.nanmax(sums) == pytest.approx(np.nanmin(sums))
    large = {"patience": 500, "start_from_epoch": 10**9, "cooldown": "x", "min_delta": math.nan}
    found = rule_sequences(0, [rule, large, "hostile", None])
    assert len(found) <= MAX_SEQUENCES
    assert {len(values) for each in found.values() for values in each.values()} == {MAX_EPOCHS}
