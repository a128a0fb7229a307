"""In the sequences, any two rules decide otherwise that do so in any sequence at all."""

import itertools
import math
import operator

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
    for epoch in range(s["start_from_epoch"], len(values)):
        value, wait = values[epoch] + s["min_delta"], wait + 1
        if best is None or value < best:
            best, kept = values[epoch], epoch
            if s["baseline"] is None or value < s["baseline"]:
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


def test_any_two_rules_are_told_apart_also_those_of_torch():
    rules, stoppers = settings(PLATEAUS), settings(STOPPERS)
    torchs = [{**rule, "torch": True, "relative": way} for rule in rules for way in (False, True)]
    assert list(watched_deltas(cuts, rules[::3], [*rules, *torchs[::5]])) == []
    assert list(watched_deltas(stopped, stoppers, stoppers)) == []


def stopped_by_hand(values, s, *, first=math.inf, better=operator.lt, keeps_last=False, anew=True):
    """When a rule by hand stops.

    Args:
        values: the metric.
        s: settings; until the start it waits with stopping, and counts from the first epoch.
        first: what it compares the first value with.
        better: how it compares.
        keeps_last: whether it compares with the epoch before, and not with the best one.
        anew: whether its count of bad epochs begins anew.
    """
    best, wait = first, 0
    for epoch, value in enumerate(values):
        improves = better(value + s["min_delta"], best)
        best = value if improves or keeps_last else best
        wait = wait + 1 if not improves else 0 if anew else wait
        if epoch >= s["start_from_epoch"] and wait >= s["patience"]:
            return epoch
    return -1


@each_row(
    ("changed", "idea"),
    [
        ({"start_from_epoch": 4}, {}),
        ({"baseline": 0.8}, {"first": 0.8}),
        *(({"patience": patience}, {"keeps_last": True}) for patience in (3, 5)),
        ({}, {"better": operator.le}),
        *(({"patience": patience}, {"anew": False}) for patience in (3, 5)),
    ],
)
def test_a_rule_by_hand_with_another_idea_is_told_apart(changed, idea):
    rule = {**{name: values[0] for name, values in STOPPERS.items()}, "patience": 3, **changed}
    assert any(stopped(v, rule)[0] != stopped_by_hand(v, rule, **idea) for v in val_losses(rule))


def test_accuracies_do_the_reverse_and_nothing_is_longer_than_a_bundle_takes():
    rule = {"patience": 3, "min_delta": 0.05, "baseline": 0.8, "start_from_epoch": 2}
    for each in rule_sequences(0, [rule]).values():
        sums = each["val_loss"] + each["val_accuracy"]
        assert np.nanmax(sums) == pytest.approx(np.nanmin(sums))
    large = {"patience": 500, "start_from_epoch": 10**9, "cooldown": "x", "min_delta": math.nan}
    found = rule_sequences(0, [rule, large, "hostile", None])
    assert len(found) <= MAX_SEQUENCES
    assert {len(values) for each in found.values() for values in each.values()} == {MAX_EPOCHS}
