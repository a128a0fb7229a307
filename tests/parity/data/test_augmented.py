"""What is kept of augmented batches."""

import numpy as np

from parity.data.image_changes import first_images, summed


def test_a_few_images_are_kept_and_always_one():
    small, large = np.zeros((40, 28, 28, 1)), np.zeros((3, 200, 200, 3))
    assert first_images(small).shape == (20, 28, 28, 1)  # 16,384 / 784
    assert first_images(large).shape == (1, 200, 200, 3)
    assert not np.shares_memory(first_images(small), small)


def test_a_sum_does_not_depend_on_the_layout_in_memory():
    batch = np.random.default_rng(0).normal(size=(4, 9, 9, 3)).astype(np.float32)
    other = np.ascontiguousarray(batch.transpose(3, 0, 1, 2)).transpose(1, 2, 3, 0)
    assert summed(batch) == summed(other) == float(batch.astype(float).sum())
