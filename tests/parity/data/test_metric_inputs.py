"""Outputs for metrics: right and wrong ones, ties, a smaller last batch."""

import numpy as np

from parity.data import probe_inputs
from parity.data.samples import Samples
from parity.programs.check_spec import CheckSpec


def given(kind, shape):
    """Outputs, targets and sizes of batches."""
    samples = Samples(CheckSpec(keras="a:b", seed=5), [])
    sizes = probe_inputs.sizes_of([shape])
    y = samples.targets("metrics", sum(sizes), kind, shape)
    return probe_inputs.outputs_for(samples.seed, kind, y, shape), y, sizes


def test_right_classes_come_first_second_and_later_and_the_last_batch_is_smaller():
    linear, y, sizes = given("classes", (6,))
    assert set((linear > linear[np.arange(len(y)), y][:, None]).sum(-1).tolist()) == set(range(6))
    assert len(linear) == len(y) == sum(sizes)
    assert 0 < sizes[-1] < sizes[0]
    assert [r.stop for r in probe_inputs.rows(sizes)] == np.cumsum(sizes).tolist()


def test_some_outputs_are_equal_and_the_greatest():
    linear, _, _ = given("one_hot", (4,))
    assert set((linear == linear.max(-1, keepdims=True)).sum(-1).tolist()) == {1, 2}


def test_ties_stay_ties_however_an_activation_rounds():
    linear = np.array([[1.0, 1.0, 0.0]])
    output = probe_inputs.tied(linear, np.array([[0.4, np.nextafter(0.4, 1), 0.2]]))
    np.testing.assert_array_equal(output, [[0.4, 0.4, 0.2]])


def test_a_probability_of_one_half_is_among_yes_or_no():
    linear, y, _ = given("binary", (1,))
    assert (linear == 0).any()
    assert 0.5 < ((linear > 0) == (y > 0.5)).mean() < 0.9


def test_large_outputs_have_fewer_samples():
    assert given("classes", (96, 96, 5))[2] == [2, 2, 1]
