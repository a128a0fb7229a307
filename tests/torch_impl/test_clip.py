"""clip: torch.clamp's values in every version of torch, and TensorFlow's gradient on the bounds."""

import numpy as np
import pytest
import torch
from covering import one_test

from torch_impl.clip import clip

NAN, INFINITE = float("nan"), float("inf")
VALUES = [-INFINITE, -2.0, -1.0, -0.0, 0.0, 0.5, 1.0, 2.0, INFINITE, NAN]
BOUNDS = [(None, None), (-1.0, None), (None, 1.0), (-1.0, 1.0), (0.0, 0.0)]


@one_test
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(("low", "high"), BOUNDS, ids=str)
def test_values_are_those_of_numpy(low, high, dtype):
    x = torch.tensor(VALUES, dtype=dtype)
    found = clip(x, low, high)
    assert found.dtype == dtype
    expected = x.numpy() if low is high is None else np.clip(x.numpy(), low, high)
    np.testing.assert_array_equal(found.numpy(), expected)


@one_test
@pytest.mark.parametrize(("low", "high"), BOUNDS[1:4], ids=str)
def test_the_gradient_is_that_of_tensorflow_on_the_bounds_too(low, high):
    import tensorflow as tf

    values = VALUES[1:-2]
    x = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    clip(x, low, high).sum().backward()
    theirs = tf.Variable(values, dtype=tf.float64)
    with tf.GradientTape() as tape:
        if low is None:
            y = tf.minimum(theirs, high)
        else:
            y = tf.maximum(theirs, low) if high is None else tf.clip_by_value(theirs, low, high)
    np.testing.assert_array_equal(x.grad, tape.gradient(y, theirs).numpy())
    inside = [(low is None or v >= low) and (high is None or v <= high) for v in values]
    assert x.grad.tolist() == [float(value) for value in inside]
