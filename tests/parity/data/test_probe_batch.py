"""The probe's batches: half images, half noise, the same in both halves."""

import numpy as np
import pytest
from helpers import assert_same_bits, make_data
from parity.data.probe_batch import PROBE_STEPS, probe_batch, probe_step_batch

from parity.programs.run_spec import RunSpec


def data_of(count):
    return make_data((4, 5, 3), num_classes=2, num_train=count, num_val=5)


@pytest.mark.parametrize(
    ("count", "size", "num_images"), [(70, 32, 16), (32, 32, 16), (9, 9, 4), (1, 1, 0)]
)
def test_the_first_half_is_images_and_the_rest_is_signed_noise(count, size, num_images):
    data = data_of(count)
    x, y = probe_batch(RunSpec(), data)
    assert (x.shape, x.dtype) == ((size, 4, 5, 3), np.float64)
    assert (y.shape, y.dtype) == ((size,), np.int64)
    assert_same_bits(x[:num_images], data.x_train[:num_images].astype(np.float64))
    assert_same_bits(y, data.y_train[:size])
    noise = x[num_images:]
    assert noise.min() < 0
    assert noise.max() > 1 or count == 1


def test_the_probe_follows_from_the_seed():
    data = data_of(40)
    first, again = (probe_batch(RunSpec(seed=3), data)[0] for _ in range(2))
    other = probe_batch(RunSpec(seed=4), data)[0]
    assert_same_bits(first, again)
    assert_same_bits(first[:16], other[:16])
    assert (first[16:] != other[16:]).all()


def test_the_data_and_numpys_generator_are_left_alone():
    data = data_of(40)
    digests, state = dict(data.sha256), np.random.get_state()[1].copy()
    x, _ = probe_batch(RunSpec(), data)
    x[:] = 0
    x, _ = probe_step_batch(RunSpec(), data, 1)
    x[:] = 0
    assert make_data((4, 5, 3), num_classes=2, num_train=40, num_val=5).sha256 == digests
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    assert data.x_train.max() > 0


@pytest.mark.parametrize(
    ("step", "expected"),
    [(1, [0, 1, 2, 3]), (2, [4, 5, 6, 7]), (3, [8, 9, 0, 1]), (6, [0, 1, 2, 3])],
)
def test_a_step_takes_the_next_samples_in_a_cycle(step, expected):
    data = data_of(10)
    x, y = probe_step_batch(RunSpec(batch_size=4), data, step)
    assert_same_bits(x, data.x_train[expected].astype(np.float64))
    assert_same_bits(y, data.y_train[expected])


def test_a_batch_larger_than_the_data_takes_each_sample_once():
    data = data_of(3)
    x, y = probe_step_batch(RunSpec(batch_size=32), data, 2)
    assert (len(x), len(y)) == (3, 3)
    assert sorted(x.sum((1, 2, 3))) == sorted(data.x_train.astype(np.float64).sum((1, 2, 3)))


def test_the_first_step_is_compared():
    assert PROBE_STEPS[0] == 1
