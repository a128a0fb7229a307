"""The batches of an epoch as arrays."""

import numpy as np
import pytest
from rows import each_row

from parity.bench.server import joined
from parity.errors import InputError


def batch(size, start=0, width=2):
    x = np.arange(start, start + size * width, dtype=np.float32).reshape(size, width)
    return x, np.arange(start, start + size)


def test_batches_follow_each_other_and_the_last_may_be_smaller():
    found, size = joined([batch(3), batch(3, 10), batch(1, 20)])
    assert found["x"].tolist() == [[0, 1], [2, 3], [4, 5], [10, 11], [12, 13], [14, 15], [20, 21]]
    assert (found["y"].tolist(), found["weight"], size) == ([0, 1, 2, 10, 11, 12, 20], None, 3)


def test_several_inputs_and_weights_are_joined_too():
    (x, y), weight = batch(2), np.array([0.5, 2.0])
    found, _ = joined([((x, {"b": y}), y, weight)] * 2)
    assert (found["x"][0].shape, found["x"][1]["b"].tolist()) == ((4, 2), [0, 1, 0, 1])
    assert found["weight"].tolist() == [0.5, 2.0, 0.5, 2.0]


def test_a_batch_may_be_its_inputs_alone():
    found, size = joined([batch(2)[0]])
    assert (found["x"].shape, found["y"], size) == ((2, 2), None, 2)


@each_row(
    ("batches", "message"),
    [
        ([], "batches of none samples"),
        ([batch(2), batch(3)], "batches of 2, 3 samples"),
        ([batch(2), batch(1), batch(2)], "batches of 2, 1, 2 samples"),
        ([batch(2), batch(2, width=3)], "batches of different shapes"),
        ([batch(2), (*batch(2), np.ones(2))], "batches of different shapes"),
    ],
    ids=["none", "a larger last one", "a smaller one between", "lengths", "weights"],
)
def test_what_arrays_cannot_hold_is_refused(batches, message):
    with pytest.raises(InputError, match=message):
        joined(batches)
