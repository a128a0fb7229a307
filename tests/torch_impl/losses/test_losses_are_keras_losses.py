"""Every loss and its gradient are Keras's in float64, for outputs right and wrong, sure and unsure.

Tolerance: 1e-14 of the larger of 1 and the number, 45 roundings; measured over 12 seeds, 2e-15 or
less. Below 1 it is absolute, as losses and gradients there are differences of numbers of size 1.
"""

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from keras_losses import assert_close, keras_loss_and_gradient, torch_loss_and_gradient

from torch_impl import losses

TOLERANCE = 1e-14
BATCHES = {"one": (1, 3), "odd": (5, 4), "wide": (7, 10)}


def make_batch(kind, shape, seed):
    """Outputs and targets of a kind; the first row is a confident mistake."""
    generator = np.random.default_rng(seed)
    num_samples, num_classes = shape
    logits = generator.normal(size=shape) * generator.choice([1, 40], size=(num_samples, 1))
    logits[0] = 40 * np.sign(logits[0])
    labels = generator.integers(0, num_classes, num_samples)
    labels[0] = np.argmin(logits[0])
    if kind == "numbers":
        y_pred, y_true = (
            generator.normal(size=shape) * 10 ** generator.uniform(-8, 3, shape) for _ in "ab"
        )
        y_pred[0, 0] = y_true[0, 0]
        return y_pred, y_true
    outputs, targets = kind.split("/")
    if outputs == "probabilities":  # not all rows add up to 1; the first holds 0 and 1
        logits = np.exp(logits - logits.max(1, keepdims=True)) * generator.uniform(0.7, 1, (1, 1))
        logits[0, :2] = (0, 1)
        labels[0] = 0
    if outputs == "margins":
        logits = logits / 20
    return logits, {
        "labels": labels,
        "one_hot": np.eye(num_classes)[labels],
        "soft": generator.dirichlet(np.ones(num_classes), num_samples),
        "several": generator.integers(0, 2, shape).astype(float),  # rows that add up to 0, 1, 2...
        "signs": 2 * generator.integers(0, 2, shape).astype(float) - 1,
    }[targets]


CASES = [
    ("MeanSquaredError", {}, "numbers"),
    ("MeanAbsoluteError", {}, "numbers"),
    ("MeanAbsolutePercentageError", {}, "numbers"),
    ("MeanSquaredLogarithmicError", {}, "numbers"),
    ("CosineSimilarity", {}, "logits/signs"),
    ("CosineSimilarity", {"axis": 0}, "logits/soft"),
    ("Huber", {}, "numbers"),
    ("Huber", {"delta": 0.3}, "numbers"),
    ("LogCosh", {}, "numbers"),
    ("Hinge", {}, "margins/several"),
    ("Hinge", {}, "margins/signs"),
    ("SquaredHinge", {}, "margins/several"),
    ("SquaredHinge", {}, "margins/signs"),
    ("CategoricalHinge", {}, "margins/one_hot"),
    ("KLDivergence", {}, "probabilities/soft"),
    ("KLDivergence", {}, "probabilities/one_hot"),
    ("Poisson", {}, "probabilities/soft"),
    ("BinaryCrossentropy", {}, "probabilities/several"),
    ("BinaryCrossentropy", {"label_smoothing": 0.1}, "probabilities/several"),
    ("BinaryCrossentropy", {"from_logits": True}, "logits/several"),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.3}, "logits/soft"),
    ("BinaryCrossentropy", {"axis": 0}, "probabilities/several"),
    ("BinaryFocalCrossentropy", {}, "probabilities/several"),
    (
        "BinaryFocalCrossentropy",
        {"apply_class_balancing": True, "alpha": 0.3, "gamma": 1.5, "label_smoothing": 0.1},
        "probabilities/several",
    ),
    ("BinaryFocalCrossentropy", {"from_logits": True}, "logits/several"),
    ("CategoricalCrossentropy", {}, "probabilities/one_hot"),
    ("CategoricalCrossentropy", {}, "probabilities/several"),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}, "probabilities/soft"),
    ("CategoricalCrossentropy", {"from_logits": True}, "logits/one_hot"),
    ("CategoricalCrossentropy", {"from_logits": True}, "logits/several"),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.3}, "logits/soft"),
    ("CategoricalCrossentropy", {"from_logits": True, "axis": 0}, "logits/one_hot"),
    ("CategoricalFocalCrossentropy", {}, "probabilities/one_hot"),
    (
        "CategoricalFocalCrossentropy",
        {"from_logits": True, "label_smoothing": 0.1, "alpha": 0.5, "gamma": 1.5},
        "logits/one_hot",
    ),
    ("CategoricalGeneralizedCrossEntropy", {"q": 0.7}, "probabilities/labels"),
    ("SparseCategoricalCrossentropy", {}, "probabilities/labels"),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, "logits/labels"),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1}, "probabilities/labels"),
    ("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": 0}, "logits/labels"),
    ("Dice", {}, "probabilities/several"),
    ("Dice", {"axis": 1}, "probabilities/several"),
    ("Tversky", {"alpha": 0.3, "beta": 0.6, "axis": (1,)}, "probabilities/soft"),
    ("Tversky", {}, "probabilities/several"),
]


def name_of(case):
    name, settings, kind = case
    return "-".join([name, *(f"{key}={value}" for key, value in settings.items()), kind])


def both(name, settings, *arguments, activations=(None, None), **keywords):
    """(value, gradient) of ours, and of Keras."""
    keras.config.set_floatx("float64")
    theirs = getattr(keras.losses, name)(**settings)
    ours = getattr(losses, name)(**settings)
    return (
        torch_loss_and_gradient(ours, *arguments, activation=activations[0], **keywords),
        keras_loss_and_gradient(theirs, *arguments, activation=activations[1], **keywords),
    )


@one_test
@pytest.mark.parametrize("shape", BATCHES.values(), ids=BATCHES)
@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_a_loss_and_its_gradient_are_those_of_keras(case, shape):
    name, settings, kind = case
    for reduction, seed in (("none", 0), ("sum_over_batch_size", 1), ("sum", 2)):
        batch = make_batch(kind, shape, seed)
        assert_close(*both(name, {**settings, "reduction": reduction}, *batch), TOLERANCE)


def test_the_cosine_of_short_vectors_is_that_of_keras():
    """The value alone: the gradient is a difference of numbers as large as 1e7."""
    y_pred, y_true = make_batch("numbers", (5, 4), 8)
    y_pred[1] *= 1e-12
    y_pred[2] = 0
    ours, theirs = both("CosineSimilarity", {"reduction": "none"}, y_pred, y_true)
    assert_close(ours[:1], theirs[:1], TOLERANCE)
    assert ours[0][2] == 0
    assert 0 < abs(ours[0][1]) < 1e-3


@one_test
@pytest.mark.parametrize(
    "case", [case for case in CASES if case[2].startswith("probabilities")], ids=name_of
)
def test_probabilities_are_clipped_at_the_bounds_of_float32_in_float32(case):
    """1 - 1e-7 rounds to 1 - 2**-23, of which the logarithm is 19 % greater."""
    name, settings, kind = case
    y_pred, y_true = make_batch(kind, (5, 4), 9)
    y_pred = y_pred.astype(np.float32)
    y_pred[1] = (1, 0, 0, 0)
    keras.config.set_floatx("float32")
    settings = {**settings, "reduction": "none"}
    theirs = getattr(keras.losses, name)(**settings)(y_true, y_pred).numpy()
    ours = getattr(losses, name)(**settings)(torch.tensor(y_pred), torch.tensor(y_true)).numpy()
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    # Ten roundings of numbers of up to 1, or of the loss: 2**-24 each.
    np.testing.assert_allclose(ours, theirs, rtol=6e-7, atol=2e-7)


WEIGHTS = {
    "ordinary": [0.5, 2.0, 1.0, 3.0, 0.25],
    "some_zero": [0.0, 2.0, 0.0, 1.0, 0.0],
    "all_zero": [0.0] * 5,
    "tiny": [1e-30, 1e-300, 2e-30, 1e-12, 0.0],
    "negative": [-1.0, 2.0, 0.5, -0.5, 1.0],
}


@one_test
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean_with_sample_weight", "none"])
@pytest.mark.parametrize("weight", WEIGHTS.values(), ids=WEIGHTS)
@pytest.mark.parametrize(
    "case",
    [CASES[0], *(case for case in CASES if case[0] == "SparseCategoricalCrossentropy")],
    ids=name_of,
)
def test_weighted_losses_and_their_gradients_are_those_of_keras(case, weight, reduction):
    name, settings, kind = case
    batch = make_batch(kind, (5, 4), 3)
    settings = {**settings, "reduction": reduction}
    ours, theirs = both(name, settings, *batch, sample_weight=np.array(weight))
    assert_close(ours, theirs, TOLERANCE)


@one_test
@pytest.mark.parametrize(
    ("name", "activation", "kind"),
    [
        ("CategoricalCrossentropy", "softmax", "logits/soft"),
        ("SparseCategoricalCrossentropy", "softmax", "logits/labels"),
        ("BinaryCrossentropy", "sigmoid", "logits/several"),
        ("BinaryCrossentropy", "softmax", "logits/several"),  # whatever left the logits
        ("BinaryFocalCrossentropy", "sigmoid", "logits/several"),
        ("CategoricalFocalCrossentropy", "softmax", "logits/soft"),
    ],
)
def test_probabilities_that_carry_their_logits_are_not_clipped(name, activation, kind):
    activations = getattr(losses, activation), getattr(keras.activations, activation)
    for shape in BATCHES.values():
        batch = make_batch(kind, shape, 4)
        assert_close(*both(name, {}, *batch, activations=activations), TOLERANCE)


def test_a_label_that_is_ignored_hides_the_logits():
    batch = make_batch("logits/labels", (5, 4), 4)
    activations = losses.softmax, keras.activations.softmax
    settings = {"ignore_class": 2}
    ours, theirs = both("SparseCategoricalCrossentropy", settings, *batch, activations=activations)
    assert_close(ours, theirs, TOLERANCE)


@one_test
@pytest.mark.parametrize("name", ["MeanSquaredError", "BinaryCrossentropy", "Huber"])
def test_columns_meet_vectors_sample_by_sample(name):
    generator = np.random.default_rng(5)
    y_pred, y_true = generator.uniform(size=(7, 1)), generator.uniform(size=7)
    for pair in ((y_pred, y_true), (y_pred[:, 0], y_true[:, None])):
        assert_close(*both(name, {}, *pair), TOLERANCE)
    # The fault that this would catch: torch broadcasts to 49 pairs.
    plain = (torch.tensor(y_pred) - torch.tensor(y_true)).square().mean().item()
    assert abs(plain - ((y_pred[:, 0] - y_true) ** 2).mean()) > 1e-3
