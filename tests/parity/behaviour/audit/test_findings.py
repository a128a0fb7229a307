"""What of an audit is told: limits from both sides, severities, sentences."""

from dataclasses import replace
from functools import cache

import pytest
from rows import each_row

from parity.behaviour.audit.audit import NearCopies, audit
from parity.behaviour.audit.copies import Copies
from parity.behaviour.audit.findings import findings_of
from parity.behaviour.audit.split_tests import AccuracyTest, PixelTest
from parity.data.load import load_data


@cache
def honest():
    return audit(load_data("embedded", train=100, val=100, seed=1))


def found(**changes):
    return findings_of(replace(honest(), **changes))


def only(**changes):
    (finding,) = found(**changes)
    return finding


@pytest.mark.parametrize(
    ("count", "fraction", "severity"),
    [(100, 0.01, "high"), (10, 0.001, "medium"), (2, 0.0009, "low"), (1, 0.01, "low")],
)
def test_copies_are_as_grave_as_there_are_many(count, fraction, severity):
    copies = Copies(count, fraction, 0, ((7, 3),))
    assert only(val_copies=copies).severity == severity
    assert only(test_copies=copies).severity == severity
    near = NearCopies(count, fraction, 0, ((7, 3),), 0.2, 10.0, 0.0, 0.0)
    assert only(near_copies=near).severity == severity
    contradicting = replace(copies, num_other_label=count)
    assert {finding.severity for finding in found(val_copies=contradicting)} == {severity}


def test_a_sentence_has_the_numbers():
    copies = Copies(1234, 0.25, 0, ((7, 3), (8, 4)))
    assert only(val_copies=copies, test_copies=replace(copies, count=9)).text == (
        "images that are the same bit for bit: 1,234 of validation (25.0%) occur in training; "
        "9 of test (25.0%) occur in training, such as image 7, which is training image 3"
    )
    assert only(near_copies=NearCopies(20, 0.2, 3, ((7, 3),), 0.2, 10.0, 0.125, 0.0)).text == (
        "20 of 100 validation images (20.0%) are training images that were mirrored, made brighter "
        "or noisier by a little, or saved again, 3 of them under another label, such as image 7, "
        "which is training image 3; 12.5% of training images are such copies of others"
    )


def test_single_pairs_that_training_has_as_often_are_not_told_but_copies_everywhere_are():
    near = NearCopies(1, 0.01, 0, ((7, 3),), 0.2, 10.0, 0.0, 0.02)
    assert found(near_copies=near) == ()
    assert only(near_copies=replace(near, p_sure=0.009)).severity == "low"
    assert only(near_copies=replace(near, within_training=0.05)).severity == "low"


def test_a_few_copies_within_training_are_not_told():
    assert found(train_copies=Copies(9, 0.009, 0, ((7, 3),))) == ()
    assert only(train_copies=Copies(10, 0.01, 0, ((7, 3),))).id == "duplicates"
    # Unless their labels contradict each other.
    assert only(train_copies=Copies(9, 0.009, 2, ((7, 3),))).id == "contradicting_labels"


def classes(**changes):
    return replace(honest().classes, **changes)


@pytest.mark.parametrize(
    ("train", "val", "test", "severity", "text"),
    [
        ((50, 50, 0), (10, 9, 1), (1, 1, 1), "high", "training lacks class 2, with 5.0%"),
        ((50, 50, 0), (10, 10, 0), (1, 1, 1), "high", "training lacks class 2, with 0.0%"),
        ((50, 50, 0), (10, 10, 0), (1, 1, 0), "low", "no part has class 2"),
        ((45, 46, 9), (50, 50, 0), (1, 1, 1), "medium", "validation lacks class 2"),
        ((46, 46, 8), (50, 50, 0), (1, 1, 1), "low", "validation lacks class 2"),
        ((0, 9, 0), (3, 0, 2), (1, 1, 1), "high", "training lacks 2 classes (0, 2), with 100.0%"),
    ],
)
def test_missing_classes_are_graded_by_what_they_spoil(train, val, test, severity, text):
    finding = only(classes=classes(train=train, val=val, test=test))
    assert (finding.id, finding.severity) == ("missing_classes", severity)
    assert text in finding.text


def test_of_many_missing_classes_five_are_named():
    finding = only(classes=classes(train=(9,) + 12 * (0,), val=(9,) + 12 * (0,), test=13 * (0,)))
    assert finding.text == "no part has 12 classes (1, 2, 3, 4, 5, ...)"


def graded(make, rows):
    """Rows of a table: what is found, as `make` has it, and its severity."""
    return [(make(*values), severity) for *values, severity in rows]


GRADED = [
    *graded(
        lambda ratio, p: {"classes": classes(ratio=ratio, p_uneven=p)},
        [(50.0, 0, "high"), (10.0, 0, "medium"), (3.0, 0, "low"), (2.9, 0, None)],
    ),
    *graded(
        lambda variation, p: {"classes": classes(total_variation=variation, p_differs=p)},
        [(0.2, 0, "high"), (0.1, 0, "medium"), (0.05, 0, "low"), (0.04, 0, None)],
    ),
    *graded(
        lambda effect, p: {"pixels": (PixelTest("mean", 0.1, 0.2, effect, p),)},
        [(-1.0, 0, "high"), (0.5, 0, "medium"), (0.3, 0, "low"), (0.29, 0, None)],
    ),
    ({"classes": classes(ratio=90.0, p_uneven=2e-4)}, None),
    ({"classes": classes(total_variation=0.9, p_differs=2e-4)}, None),
    ({"pixels": (PixelTest("mean", 0.1, 0.2, 9.0, 2e-4),)}, None),
]


@each_row(("changes", "severity"), GRADED)
def test_what_is_great_and_sure_is_told(changes, severity):
    assert [each.severity for each in found(**changes)] == ([severity] if severity else [])


def test_the_sentence_on_imbalance_says_what_a_constant_guess_reaches():
    changes = {"train": (5, 80, 10), "val": (1, 1, 2), "test": (1, 1, 1), "p_uneven": 1e-9}
    assert only(classes=classes(**changes, ratio=16.0, constant_accuracy=0.25)).text == (
        "training has from 5 to 80 images of a class (ratio 16.0): always guessing class 1 is "
        "right on 25.0% of validation"
    )


@pytest.mark.parametrize(
    ("first", "p", "severity"),
    [(0.3, 0.0, "high"), (0.75, 0.0, "medium"), (0.85, 0.0, None), (0.3, 2e-4, None)],
)
def test_a_gap_of_the_nearest_neighbour_is_told_if_it_is_great_and_sure(first, p, severity):
    baseline = replace(honest().baseline, new_and_within=AccuracyTest(first, 0.9, p))
    findings = found(baseline=baseline)
    assert [finding.severity for finding in findings] == ([severity] if severity else [])
    if severity:
        assert "of validation, but for 90.0% within training (p < 1e-99)" in findings[0].text


def test_two_ways_in_which_a_split_differs_are_one_finding():
    finding = only(
        classes=classes(total_variation=0.1, p_differs=1e-5),
        baseline=replace(honest().baseline, new_and_within=AccuracyTest(0.2, 0.9, 1e-8)),
    )
    assert (finding.id, finding.severity) == ("split_differs", "high")
    assert "mix of classes" in finding.text
    assert "nearest training image" in finding.text


def test_the_greatest_difference_of_pixels_is_told():
    pixels = (
        PixelTest("mean", 0.1307, 0.1, -0.4, 1e-7),
        PixelTest("contrast", 0.3, 0.2, -3.21, 1e-30),
        PixelTest("roughness", 0.1, 0.4, 9.0, 0.01),
    )
    assert only(pixels=pixels).text == (
        "the contrast of validation images is 0.2000, of training images 0.3000: -3.2 standard "
        "deviations (p = 1e-30)"
    )


def test_the_gravest_comes_first_and_gives_the_severity():
    worse = replace(
        honest(),
        val_copies=Copies(1, 0.001, 0, ((7, 3),)),
        classes=classes(ratio=10.0, p_uneven=0),
        pixels=(PixelTest("mean", 0.1, 0.9, 9.0, 0.0),),
    )
    assert [finding.severity for finding in worse.findings()] == ["high", "medium", "low"]
    assert [finding.id for finding in worse.findings()] == [
        "pixels_differ",
        "imbalance",
        "duplicates",
    ]
    assert (honest().severity, worse.severity) == ("none", "high")
