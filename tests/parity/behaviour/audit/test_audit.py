"""The audit of honest splits, which have no finding, and of splits with one planted fault each.

Of 640 honest splits of the embedded digits, with 100 to 5,000 training images and the seeds 200 to
299, none had a finding when this was made; here are a few others.
"""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from helpers import make_data
from rows import each_row
from scipy.spatial.distance import cdist

from parity.behaviour.audit import audit as module
from parity.behaviour.audit.audit import audit
from parity.data.dataset import Data
from parity.data.load import load_data


@cache
def digits(train=600, val=300, seed=3):
    return load_data("embedded", train=train, val=val, test=100, seed=seed)


def flat(images):
    return images.reshape(len(images), -1).astype(np.float64)


def with_rows(data, part, rows, images, labels):
    """Replaces some images of a part."""
    x, y = getattr(data, f"x_{part}").copy(), getattr(data, f"y_{part}").copy()
    x[rows], y[rows] = images, labels
    return replace(data, **{f"x_{part}": x, f"y_{part}": y})


def only(data, part, is_kept):
    return replace(
        data,
        **{f"{key}_{part}": getattr(data, f"{key}_{part}")[is_kept] for key in ("x", "y")},
    )


@pytest.mark.parametrize(
    ("train", "val", "seeds"),
    [(100, 100, 2), (500, 200, 1), pytest.param(5000, 1000, 1, marks=pytest.mark.long)],
    ids=str,
)
def test_an_honest_split_has_no_finding(train, val, seeds):
    for seed in range(seeds):
        result = audit(digits(train, val, seed))
        assert (result.findings(), result.severity) == ((), "none")


def copied(data, part, count, labels_are_right=True):
    """The first images of a part are training images from number 100 on."""
    images, labels = data.x_train[100 : 100 + count], data.y_train[100 : 100 + count]
    labels = labels if labels_are_right else (labels + 1) % 10
    return with_rows(data, part, slice(count), images, labels)


def nearly_copied(data):
    noise = np.random.default_rng(0).normal(0, 0.02, (15, 28, 28, 1))
    images = np.clip(0.9 * data.x_train[100:115, :, ::-1] + noise, 0, 1)
    return with_rows(data, "val", slice(15), images, data.y_train[100:115])


def thinned_out(data, part, every):
    """Of the images of the classes from 5 on, one of so many is left."""
    labels = getattr(data, f"y_{part}")
    return only(data, part, (labels < 5) | (np.arange(len(labels)) % every == 0))


def with_pixels(data, change):
    return replace(data, x_val=change(data.x_val))


def blurred(x):
    return (x + np.roll(x, 1, 1) + np.roll(x, 1, 2) + np.roll(x, 2, 1)) / 4


# A fault that is planted in data, and what is found.
FAULTS = {
    "duplicates": (lambda data: copied(data, "val", 15), {"duplicates": "high"}),
    "duplicates in test": (lambda data: copied(data, "test", 15), {"duplicates": "high"}),
    "duplicates within training": (lambda data: copied(data, "train", 50), {"duplicates": "low"}),
    "contradictions": (
        lambda data: copied(data, "train", 10, labels_are_right=False),
        {"duplicates": "low", "contradicting_labels": "high"},
    ),
    "near duplicates": (nearly_copied, {"near_duplicates": "high"}),
    "no class 3 in training": (
        lambda data: only(data, "train", data.y_train != 3),
        {"missing_classes": "high", "split_differs": "medium"},
    ),
    "no class 3 in validation": (
        lambda data: only(data, "val", data.y_val != 3),
        {"missing_classes": "medium", "split_differs": "medium"},
    ),
    "few of some classes in both parts": (
        lambda data: thinned_out(thinned_out(data, "train", 8), "val", 8),
        {"imbalance": "medium"},
    ),
    "few of some classes in validation": (
        lambda data: thinned_out(data, "val", 4),
        {"split_differs": "high"},
    ),
    "classes numbered otherwise": (
        lambda data: replace(data, y_val=(data.y_val + 1) % 10),
        {"split_differs": "high"},
    ),
    "transposed": (
        lambda data: with_pixels(data, lambda x: x.transpose(0, 2, 1, 3)),
        {"split_differs": "high"},
    ),
    "divided twice": (
        lambda data: with_pixels(data, lambda x: x / np.float32(255)),
        {"pixels_differ": "high", "split_differs": "high"},
    ),
    "inverted": (
        lambda data: with_pixels(data, lambda x: 1 - x),
        {"pixels_differ": "high", "split_differs": "high"},
    ),
    "blurred": (lambda data: with_pixels(data, blurred), {"pixels_differ": "medium"}),
}


@pytest.mark.parametrize(("plant", "expected"), FAULTS.values(), ids=FAULTS)
def test_a_planted_fault_is_found_and_nothing_else(plant, expected):
    findings = audit(plant(digits())).findings()
    assert {finding.id: finding.severity for finding in findings} == expected


def test_near_copies_of_another_label_come_first():
    data = nearly_copied(digits())
    labels = data.y_val.copy()
    labels[12] = (labels[12] + 1) % 10
    near = audit(replace(data, y_val=labels)).near_copies
    assert (near.num_other_label, near.pairs[0]) == (1, (12, 112))


def test_so_many_pairs_have_the_p_value_of_the_rule_of_succession():
    """None of 99 honest images has it: the next one has it with the probability 1 / 101."""
    assert module._more_often(np.array([True]), np.zeros(99, bool)) == pytest.approx(1 / 101)


def test_the_baseline_is_the_nearest_training_image():
    data = digits(400, 150)
    distances = cdist(flat(data.x_val), flat(data.x_train))
    is_right = data.y_train[distances.argmin(axis=1)] == data.y_val
    result = audit(data).baseline
    assert (result.accuracy, result.new_and_within.first) == (is_right.mean(), is_right.mean())
    within = cdist(flat(data.x_train), flat(data.x_train))
    np.fill_diagonal(within, np.inf)
    is_right = data.y_train[within.argmin(axis=1)] == data.y_train
    # Training images that are judged have validation's mix of classes.
    drawn = np.random.default_rng(0).permutation(400)
    rows = drawn[module._like(data.y_val, data.y_train[drawn])]
    share = np.bincount(data.y_val) / 150
    by_class = np.array([is_right[rows[data.y_train[rows] == label]].mean() for label in range(10)])
    assert result.new_and_within.second == pytest.approx(share @ by_class)


def test_copies_raise_the_baseline_but_not_that_of_new_images():
    data = digits(400, 150)
    copied = with_rows(data, "val", slice(100), data.x_train[:100], data.y_train[:100])
    expected = audit(only(data, "val", np.arange(150) >= 100)).baseline.accuracy
    result = audit(copied).baseline
    assert result.new_and_within.first == expected
    assert result.accuracy == pytest.approx((100 + 50 * expected) / 150)


def test_where_there_are_many_images_some_are_drawn_by_the_seed(monkeypatch):
    monkeypatch.setattr(module, "MAX_TRAIN", 200)
    monkeypatch.setattr(module, "MAX_VAL", 60)
    data = nearly_copied(copied(digits(), "val", 15))
    data = with_rows(data, "val", slice(200, 220), data.x_train[300:320], data.y_train[300:320])
    first, again, other = (audit(data, seed=seed) for seed in (1, 1, 2))
    assert (first.num_train, first.num_val, first.to_json()) == (200, 60, again.to_json())
    assert first.baseline != other.baseline
    # Copies bit for bit are looked for in all images.
    assert (first.val_copies, first.val_copies.count) == (other.val_copies, 20)


def test_classes_that_only_brightness_tells_are_an_honest_split():
    """Images of one colour have no structure to compare: there the pixels themselves tell."""
    generator = np.random.default_rng(0)

    def part(count):
        y = generator.permutation(np.arange(count) % 4)
        grey = (0.2 * y + generator.uniform(0, 0.15, count)).astype(np.float32)
        return np.broadcast_to(grey[:, None, None, None], (count, 6, 6, 1)), y

    parts = [array for count in (600, 200, 10) for array in part(count)]
    result = audit(Data(*parts, num_classes=4, source="made in memory"))
    assert result.findings() == ()
    assert result.near_copies is None


@each_row(
    ("shape", "num_train", "num_val", "num_classes"),
    [
        ((1, 1, 1), 1, 1, 2),
        ((1, 1, 3), 2, 1, 2),
        ((2, 9, 1), 1, 30, 10),
        ((8, 8, 3), 12, 12, 100),
        ((70, 33, 1), 60, 1, 2),
        ((1, 1, 1), 60, 40, 3),
    ],
)
def test_random_images_of_any_shape_and_number_are_audited(shape, num_train, num_val, num_classes):
    data = make_data(
        shape, num_classes=num_classes, num_train=num_train, num_val=num_val, num_test=1
    )
    result = audit(data)
    json.dumps(result.to_json(), allow_nan=False)
    assert {finding.id for finding in result.findings()} <= {"missing_classes"}
    assert (result.num_train, result.num_val) == (num_train, num_val)


@each_row("value", [0.0, 0.3, 1.0])
def test_blank_images_of_one_class_are_audited(value):
    x = np.full((20, 9, 9, 3), value, np.float32)
    y = np.ones(20, np.int64)
    result = audit(Data(x, y, x[:5], y[:5], x[:1], y[:1], num_classes=2, source="made in memory"))
    assert {finding.id: finding.severity for finding in result.findings()} == {
        "missing_classes": "low"  # class 0 is in no part
    }
    assert (result.baseline.accuracy, result.num_train) == (1, 1)
