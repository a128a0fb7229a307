"""Losses of outputs that carry a mask are Keras's: what counts, and by what the sum is divided."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from covering import one_test

from torch_impl import losses
from torch_impl.masks import with_mask

SHAPE = (4, 6, 3)
COUNTS = np.array([[1, 1, 1, 0, 0, 0], [0, 1, 0, 1, 1, 0], [1] * 6, [0, 0, 0, 0, 0, 1]]) > 0
CASES = {
    "mse": ("MeanSquaredError", {}, "values"),
    "sparse": ("SparseCategoricalCrossentropy", {"from_logits": True}, "labels"),
    "sparse_probabilities": ("SparseCategoricalCrossentropy", {}, "labels"),
    "ignored_class": (
        "SparseCategoricalCrossentropy",
        {"from_logits": True, "ignore_class": 1},
        "labels",
    ),
    "one_hot": ("CategoricalCrossentropy", {"label_smoothing": 0.1}, "one_hot"),
    "binary": ("BinaryCrossentropy", {"from_logits": True}, "binary"),
}
REDUCTIONS = ["sum_over_batch_size", "sum", "mean_with_sample_weight", "none"]
WEIGHTS = {
    "no_weights": None,
    "of_steps": np.random.default_rng(5).uniform(0.2, 2, size=SHAPE[:2]),
    "of_samples": np.array([[0.5], [2.0], [1.5], [0.25]]),
}


@pytest.fixture(autouse=True)
def _float64():
    keras.config.set_floatx("float64")


def batch(kind, is_probability):
    generator = np.random.default_rng(3)
    outputs, labels = generator.normal(size=SHAPE), generator.integers(0, 3, size=SHAPE[:2])
    if is_probability:
        outputs = np.exp(outputs) / np.exp(outputs).sum(-1, keepdims=True)
    targets = {
        "values": generator.normal(size=SHAPE),
        "labels": labels,
        "one_hot": np.eye(3)[labels],
        "binary": np.eye(3)[labels],
    }
    return outputs, targets[kind]


@one_test
@pytest.mark.parametrize("weight", WEIGHTS.values(), ids=WEIGHTS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", CASES)
def test_a_loss_takes_the_mask_that_outputs_carry(case, reduction, weight):
    name, settings, kind = CASES[case]
    outputs, targets = batch(kind, case in ("sparse_probabilities", "one_hot"))
    theirs = tf.Variable(outputs)
    with tf.GradientTape() as tape:
        carried = tf.convert_to_tensor(theirs)
        carried._keras_mask = tf.constant(COUNTS)
        loss = getattr(keras.losses, name)(reduction=reduction, **settings)
        expected = loss(targets, carried, weight)
    slope = tape.gradient(expected, theirs).numpy()
    ours = torch.tensor(outputs, requires_grad=True)
    given = with_mask(ours * 1, torch.tensor(COUNTS))
    own = getattr(losses, name)(reduction=reduction, **settings)
    weights = None if weight is None else torch.tensor(weight)
    value = own(given, torch.tensor(targets), weights)
    value.sum().backward()
    np.testing.assert_allclose(value.detach().numpy(), expected.numpy(), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(ours.grad.numpy(), slope, rtol=1e-12, atol=1e-15)
    by_hand = own(ours.detach(), torch.tensor(targets), weights, mask=torch.tensor(COUNTS))
    torch.testing.assert_close(by_hand, value.detach(), rtol=0, atol=0)


def test_a_loss_of_nothing_that_counts_is_zero_and_so_is_its_gradient():
    outputs = torch.ones(2, 3, 1, requires_grad=True)
    loss = losses.MeanSquaredError()(outputs, torch.zeros(2, 3, 1), mask=torch.zeros(2, 3) > 0)
    loss.backward()
    assert loss == 0
    assert not outputs.grad.any()
