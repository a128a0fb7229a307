"""Probes expose faults: signed, without a border of zeros, of every size, alike in both halves."""

import numpy as np
from rows import each_row

from parity.data import probe_inputs as probe


def is_signed(array):
    return array.min() < 0 < array.max()


def test_features_are_signed_to_the_border_with_a_level_of_their_own():
    x = probe.features(1, "x", 40, (6, 5, 3))
    assert x.dtype == np.float64
    assert all(map(is_signed, (x[:, 0], x[:, -1], x[:, :, 0], x[:, :, -1])))
    assert np.diff(np.sort(x.mean((0, 1, 2)))).min() > 0.01


@each_row(
    ("name", "is_positive"),
    [
        ("bn.gamma", True),
        ("a.b/gamma", True),
        ("bn.moving_variance", True),
        ("normalization.variance", True),
        ("dense.bias", False),
    ],
)
def test_constant_weights_get_other_values(name, is_positive):
    (found,) = probe.filled(0, {name: np.ones((300,), np.float32)}).values()
    assert (found.dtype, len(np.unique(found))) == (np.float64, 300)
    spans = 0.5 <= found.min() < 0.6 and 1.4 < found.max() <= 1.5
    assert (spans, is_signed(found)) == (is_positive, not is_positive)


def test_gradients_are_of_either_sign_and_of_every_size():
    gradient = probe.gradient(0, 1, "w", (4000,))
    sizes, signs = np.abs(gradient), np.sign(gradient)
    assert 1e-9 <= sizes.min() < 2e-9
    assert 8 < sizes.max() <= 10
    assert set(signs) == {-1, 1}
    assert abs(signs.mean()) < 0.06


def test_metrics_fall_with_ties_plateaus_and_rises():
    found = probe.metrics(2)
    lengths = {name: len(values) for name, values in found.items()}
    names = ("loss", "val_loss", "accuracy", "val_accuracy")
    assert lengths == dict.fromkeys(names, probe.NUM_EPOCHS)
    steps = np.diff(found["loss"])
    assert is_signed(steps)
    assert steps.sum() < 0
    assert (np.diff(found["accuracy"]) == 0).sum() >= 3
    assert ((steps < 0) & (steps > -1e-4)).sum() >= 3  # less than the usual min_delta


def better(values, delta, *, is_relative, is_max):
    """The epochs in which a metric is the best so far, by more than a difference or a share."""
    best, epochs = values[0], []
    for epoch, value in enumerate(values):
        needed = delta * abs(best) if is_relative else delta
        if value > best + needed if is_max else value < best - needed:
            best = value
            epochs.append(epoch)
    return epochs


@each_row("metric", ["loss", "val_loss", "accuracy", "val_accuracy"])
@each_row("deltas", [[0.004], [1e-6], [0.03], [0.2], [1e-3, 0.01], [1e-5, 0.004, 0.05]], ids=str)
def test_a_difference_and_a_share_part_in_the_metrics(metric, deltas):
    values = probe.metrics(3, deltas)[metric]
    for delta in deltas:
        share, difference = (
            better(values, delta, is_relative=is_relative, is_max="accuracy" in metric)
            for is_relative in (True, False)
        )
        # So many epochs that a patience of nine tells them apart; of a loss either rule waits.
        assert _longest_wait(difference, share) >= 9
        assert _longest_wait(share, difference) >= (9 if "loss" in metric else 0)


def _longest_wait(one, other):
    """The most epochs in a row in which the one rule sees nothing better, and the other does."""
    pauses = zip([0, *one], [*one, 10**6], strict=True)
    return max(sum(start < epoch < stop for epoch in other) for start, stop in pauses)


def test_metrics_that_tell_nothing_else_apart_are_as_they_were():
    np.testing.assert_array_equal(probe.metrics(3)["loss"], probe.metrics(3, [])["loss"])
    for count in range(probe.MOST_DELTAS + 1):
        found = probe.metrics(3, [0.01 * (n + 1) for n in range(count)])
        assert {len(values) for values in found.values()} == {probe.NUM_EPOCHS + 28 * count}
        assert all(np.isfinite(values).all() for values in found.values())
    assert max(map(len, found.values())) == probe.MAX_EPOCHS


@each_row(
    ("values", "expected"),
    [
        ([0.004], [0.004]),
        ([-0.004, 0.004], [0.004]),
        ([0.03, 0.001], [0.001, 0.03]),
        ([0, 0.0, 1e-4], []),  # which the metrics tell apart by themselves
        ([True, False], []),
        ([1, 2.5, 10**400, -(10**400)], []),
        ([float("nan"), float("inf"), -float("inf")], []),
        (["0.01", None, [0.01], {"a": 1}], []),
        ([0.5, 0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3]),
    ],
    ids=["one", "sign", "order", "known", "bool", "large", "no_number", "type", "many"],
)
def test_of_hostile_callbacks_only_fractions_are_taken(values, expected):
    callbacks = [{"class": "EarlyStopping", "min_delta": value} for value in values]
    assert probe.watched_deltas(callbacks) == expected
    assert probe.watched_deltas([*callbacks, {}, None, "min_delta", 0.01, [0.01]]) == expected


@each_row("size", [1, 65_536, 65_537, 200_000, 2**20], ids=str)
def test_large_arrays_are_sampled_evenly_and_small_ones_are_whole(size):
    array = np.arange(size)
    found = probe.sampled(array)
    if size <= probe.MAX_ENTRIES:
        assert found is array
        return
    (step,) = set(np.diff(found))
    assert (step % 2, found.size <= probe.MAX_ENTRIES) == (1, True)
    assert found[-1] >= size - step
