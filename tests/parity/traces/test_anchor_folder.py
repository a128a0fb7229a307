"""Anchors are read while they are still written, and nobody waits for what will never be there."""

import numpy as np
import pytest
from helpers import assert_same_bits

from parity.traces.anchor_folder import AnchorFolder
from parity.traces.anchors import Anchor, AnchorPlan
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


def test_a_plan_is_read_as_it_was_written(folder):
    found = folder.plan()
    assert [list(part) for part in (found.steps, found.measured, found.validated)] == [
        *([0, 3], [0], [0]),
    ]


def test_an_anchor_is_read_as_it_was_written(folder, anchor):
    folder.write(anchor)
    found = folder.read(3)
    assert found.step == 3
    for part in ("weights", "masks", "others"):
        ours, theirs = getattr(found, part), getattr(anchor, part)
        assert ours.keys() == theirs.keys()
        assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)
    np.testing.assert_array_equal(found.slots["momentum"]["conv2d.kernel"], [[0.5, 0.25]])
    np.testing.assert_array_equal(found.rates, anchor.rates)


def test_its_batches_are_read_in_their_form_with_every_bit(folder, anchor):
    folder.write(anchor)
    first, second = folder.read(3).batches
    x, y, weight = first
    assert_same_bits(x, np.float32([[0.5]]))
    assert (y.tolist(), weight) == ([1], None)
    x, y, weight = second
    assert list(x) == ["a"]
    assert_same_bits(x["a"], np.float32([[0.25], [0.75]]))
    assert_same_bits(y, np.array([2, 0]))
    assert_same_bits(weight, np.array([1.0, 0.5]))


def test_an_anchor_before_the_first_step_has_no_slots(folder):
    folder.write(Anchor(0, {"w": np.float32([1.0])}, {}, {}))
    found = folder.read(0)
    assert (found.slots, found.masks, found.others, list(found.batches)) == ({}, {}, {}, [])
    assert found.rates.size == 0


def test_a_weight_in_another_order_of_memory_is_the_same(folder):
    folder.write(Anchor(0, {"w": np.arange(6.0).reshape(2, 3).T}, {}, {}))
    np.testing.assert_array_equal(folder.read(0).weights["w"], [[0, 3], [1, 4], [2, 5]])


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


def test_who_waits_may_be_stopped(folder):
    with pytest.raises(Waited):
        folder.read(3)


def test_after_the_end_there_will_be_no_anchor(folder):
    folder.end()
    assert folder.read(3) is None


@pytest.mark.parametrize("ends", ["complete", "fail"])
def test_a_half_that_has_ended_writes_no_more(half, folder, ends):
    if ends == "complete":
        half.complete()
    else:
        half.failure.write_text("{}", encoding="utf-8")
    assert folder.read(3) is None


def test_a_half_that_failed_before_its_plan_has_no_anchors(half):
    half.failure.write_text("{}", encoding="utf-8")
    assert list(AnchorFolder(half, lambda: None).plan().steps) == []
