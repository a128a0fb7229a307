"""Anchors are read while they are still written, and nobody waits for what will never be there."""

import numpy as np
import pytest
from helpers import assert_same_weights

from parity.traces.anchor_folder import AnchorFolder
from parity.traces.anchors import Anchor, AnchorPlan
from parity.traces.feed_file import form_of
from parity.traces.folder import RunFolder

PLAN = AnchorPlan((0, 3), (0,), (0,))


class Waited(Exception):
    """Somebody looked twice."""


@pytest.fixture
def half(tmp_path):
    return RunFolder(tmp_path)


@pytest.fixture
def folder(half):
    """The folder of a run that was planned; who waits in it learns of it at once."""

    def pause():
        raise Waited

    made = AnchorFolder(half, pause)
    made.begin(PLAN)
    return made


@pytest.fixture
def anchor():
    return Anchor(
        3,
        {"conv2d.kernel": np.float32([[1.5, 0.0]]), "conv2d.bias": np.float32([-2.0])},
        {"momentum": {"conv2d.kernel": np.float32([[0.5, 0.25]])}},
        {"dropout": np.array([3, 8])},
        np.array([0.001, 0.0005]),
        {"iterations": np.array(3), "u_product": np.float32(0.75)},
        [
            (np.float32([[0.5]]), np.array([1]), None),
            ({"a": np.float32([[0.25], [0.75]])}, np.array([2, 0]), np.array([1.0, 0.5])),
        ],
    )


def leaves(anchor):
    """The form of what an anchor has, and its arrays by place."""
    arrays = {}
    parts = [anchor.weights, anchor.slots, anchor.masks, anchor.others]
    parts = [dict(sorted(part.items())) for part in parts]
    form = form_of("anchor", [*parts, anchor.rates, list(anchor.batches)], arrays)
    return form, arrays


def test_plan_and_anchor_are_read_as_they_were_written(folder, anchor):
    plan = folder.plan()
    parts = plan.steps, plan.measured, plan.validated
    assert [list(part) for part in parts] == [[0, 3], [0], [0]]
    anchor.weights["turned"] = np.arange(6.0).reshape(2, 3).T
    for written in (anchor, Anchor(0, {"w": np.float32([1.0])}, {}, {})):
        folder.write(written)
        found = folder.read(written.step)
        (form, arrays), (expected, theirs) = leaves(found), leaves(written)
        assert (found.step, form) == (written.step, expected)
        assert_same_weights(arrays, theirs)


def fail(half, *_):
    half.failure.write_text("{}", encoding="utf-8")


ENDS = {
    "end": lambda half, folder: folder.end(),
    "complete": lambda half, folder: half.complete(),
    "fail": fail,
}


@pytest.mark.parametrize("ends", [*ENDS, "not at all"])
def test_who_waits_may_be_stopped_and_a_half_that_has_ended_writes_no_more(half, folder, ends):
    if ends == "not at all":
        with pytest.raises(Waited):
            folder.read(3)
    else:
        ENDS[ends](half, folder)
        assert folder.read(3) is None


def test_a_half_that_failed_before_its_plan_has_no_anchors(half):
    fail(half)
    assert list(AnchorFolder(half, lambda: None).plan().steps) == []


def test_an_anchor_that_is_to_come_is_waited_for(half, anchor):
    looks = []

    def pause():
        looks.append(1)
        if len(looks) == 3:
            folder.write(anchor)

    folder = AnchorFolder(half, pause)
    folder.begin(PLAN)
    assert folder.read(3).step == 3
    assert len(looks) == 3


def test_a_plan_is_waited_for(half):
    folder = AnchorFolder(half, lambda: folder.begin(PLAN))
    assert list(folder.plan().steps) == [0, 3]
