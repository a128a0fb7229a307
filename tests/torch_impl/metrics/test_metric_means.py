"""Mean, Sum and means of functions weigh values by Keras's rules, shape for shape."""

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_metrics import WEIGHTS, array, assert_is_keras, assert_same, keras_metric, tensor

from torch_impl import losses, metrics

VALUES = st.sampled_from([-3.5, 0.0, 0.1, 1.0, 250.0])
# Shapes of values and weights that Keras takes.
SHAPES = [
    *(((5,), None), ((5,), (5,)), ((5,), (1,)), ((5,), ()), ((), ()), ((), None), ((0,), None)),
    *(((5, 1), (5,)), ((5,), (5, 1)), ((5, 1), (5, 1)), ((5, 3), (5,)), ((5, 3), (5, 1))),
    *(((5, 3), (5, 3)), ((5, 3), None), ((5, 3), ()), ((5, 3), (1, 3)), ((5, 3, 2), (5,))),
    *(((5, 3, 2), (5, 3)), ((5, 3, 2), (5, 3, 1)), ((5, 3, 2), (5, 3, 2)), ((5, 3), (5, 3, 1))),
]


def same_results(name, updates):
    """The results of ours and theirs after updates of (values, weight, mask)."""
    theirs, ours = keras_metric(name, {}, "float64"), getattr(metrics, name)(dtype="float64")
    for values, weight, mask in updates:
        tensors = keras.ops.convert_to_tensor(values)
        if mask is not None:
            keras.src.backend.set_keras_mask(tensors, keras.ops.convert_to_tensor(mask))
        theirs.update_state(tensors, weight)
        ours.update(torch.tensor(values), tensor(weight), tensor(mask))
    return ours.result().numpy(), np.asarray(theirs.result())


@one_test
@pytest.mark.parametrize("name", ["Mean", "Sum"])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_values_and_weights_of_all_shapes_are_reduced_as_in_keras(shapes, name):
    generator = np.random.default_rng(0)
    updates = []
    for _ in range(2):
        values, weight = (
            None if shape is None else np.asarray(generator.uniform(size=shape)) for shape in shapes
        )
        updates.append((values, weight, None))
    assert_same(*same_results(name, updates))


@settings(max_examples=14)
@given(st.data(), st.sampled_from(["Mean", "Sum"]))
def test_several_batches_with_weights_of_zero_and_masks_are_keras(data, name):
    updates = []
    for num_rows in data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)):
        weight = data.draw(st.none() | array(num_rows, WEIGHTS))
        mask = data.draw(st.none() | array(num_rows, st.booleans(), "bool"))
        updates.append((data.draw(array((num_rows, 2), VALUES)), weight, mask))
    assert_same(*same_results(name, updates))


@one_test
@pytest.mark.parametrize("weight", [None, torch.zeros(2)], ids=["no_batch", "no_weight"])
def test_a_mean_of_nothing_is_zero(weight):
    mean = metrics.Mean()
    if weight is not None:
        mean.update(torch.tensor([3.0, torch.inf]).clamp(max=1e30), weight)
    assert mean.result() == 0


def test_a_mask_multiplies_the_weights_of_a_mean_of_a_function():
    y_pred, y_true = np.array([[1.0, 2.0], [4.0, 0.5], [7.0, 7.0]]), np.zeros((3, 2))
    mask = np.array([True, False, True])
    for weight in (None, np.array([2.0, 1.0, 0.5])):
        assert_is_keras("MeanSquaredError", {}, [(y_pred, y_true, weight, mask)])
    # Each batch counts by the samples that its mask leaves, 2 and 3.
    batches = [(y_pred, y_true, None, mask), (y_pred**2, y_true, None, np.ones(3, bool))]
    assert_is_keras("MeanSquaredError", {}, batches)
    assert metrics.MeanAbsoluteError()(
        *map(torch.tensor, (y_pred, y_true)), None, tensor(mask)
    ) == ((1.5 + 7) / 2)


def test_a_function_is_averaged_over_batches_and_gets_its_settings():
    def distance(y_pred, y_true, power=1):
        return (y_pred - y_true).abs().pow(power)

    mean = metrics.MeanMetricWrapper(distance, name="distance", power=2)
    mean.update(torch.tensor([3.0, 1.0]), torch.tensor([1.0, 1.0]), torch.tensor([1, 3]))
    assert mean.result() == (1 * 4 + 3 * 0) / 4


def test_a_loss_counts_as_one_sample_a_batch():
    y_pred, y_true = np.array([[1.0], [2.0], [6.0]]), np.zeros((3, 1))
    theirs = keras.metrics.MeanMetricWrapper(keras.losses.MeanSquaredError())
    ours = metrics.MeanMetricWrapper(losses.MeanSquaredError())
    for rows in (slice(2), slice(2, 3)):
        theirs.update_state(y_true[rows], y_pred[rows])
        ours.update(torch.tensor(y_pred[rows]), torch.tensor(y_true[rows]))
    assert ours.result() == float(theirs.result()) == (2.5 + 36) / 2


@one_test
@pytest.mark.parametrize(
    ("shape", "weight"), [((5,), (4,)), ((5, 3), (5, 2)), ((5, 3), (3,)), ((5,), (5, 3, 2))]
)
def test_weights_that_do_not_fit_are_an_error_that_names_both_shapes(shape, weight):
    with pytest.raises(
        ValueError, match=r"sample_weight has shape \(.*expected a shape that broad"
    ):
        metrics.Mean().update(torch.zeros(shape), torch.zeros(weight))
